package org.loupe.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;

/**
 * Training that goes on from an SAE, ours or another's, with fresh moments: the inverse of {@link Folding}. With x' = N (x − ν) and t N's
 * scale,
 *
 * <pre>
 * W'_enc,i = t N⁻¹ W_enc,i      b'_enc = t b_enc      θ' = t θ, b'_mag = t b_mag
 * W'_dec,i = N W_dec,i / t      b'_dec = N (b_dec − ν)
 * </pre>
 */
public final class StartFrom {
    /** Learning rate where none is set: of an SAE that has been trained already the default for new ones undoes more than it adds. */
    private static final String RATE = "lr=3e-4";

    /** How far from 1 the norm of a dictionary row may be that counts as a unit row. */
    private static final double UNIT = 0.01;

    /** Keys of a training that say what the SAE is; all others say how it came to be. */
    private static final Set<String> OWN =
            Set.of("architecture", "latents", "k", "l0", "l1", "bandwidth", "norms", "aligned", "loss");

    private StartFrom() {}

    /** What {@code loupe.json} says the SAE is, as {@code key=value} pairs; of an SAE from elsewhere, what its activation function says. */
    public static List<String> settings(SaeFolder.Loaded loaded) {
        List<String> pairs = new ArrayList<>();
        Map<String, String> flat = new TreeMap<>();
        Json.leaves(Json.MAPPER.valueToTree(loaded.info().training())).forEach((key, value) -> {
            if (!value.isNull()) {
                flat.put(key, value.asString());
            }
        });
        if (flat.containsKey("architecture")) {
            flat.forEach((key, value) -> {
                if (OWN.contains(key) || key.startsWith("arch.")) {
                    pairs.add(key + "=" + value);
                }
            });
        } else {
            pairs.addAll(settings(loaded.sae().activation()));
            pairs.add("latents=" + loaded.sae().latents());
        }
        pairs.addAll(metric(flat));
        pairs.add("arch.penalty.begin=0");
        pairs.add(RATE);
        return pairs;
    }

    /** The map under which the dictionary's rows have norm 1, where that is the metric's: it is kept whatever is minimised. */
    private static List<String> metric(Map<String, String> flat) {
        String objective = flat.getOrDefault("objective", "");
        boolean mapped = objective.equals("gradient_weighted")
                ? flat.getOrDefault("gradient.form", "").equals("metric")
                : flat.getOrDefault("downstream.metric", "false").equals("true");
        return mapped
                ? List.of(
                        "objective=gradient_weighted",
                        "gradient.form=metric",
                        "gradient.beta=" + flat.get("gradient.beta"),
                        "downstream.metric=true")
                : List.of();
    }

    private static List<String> settings(Activation activation) {
        return switch (activation) {
            case Activation.TopK topK -> List.of("architecture=topk", "k=" + topK.k());
            case Activation.AbsTopK topK -> List.of("architecture=abstopk", "k=" + topK.k());
            case Activation.Relu _ -> List.of("architecture=relu");
            case Activation.JumpRelu _ -> List.of("architecture=jumprelu");
            case Activation.Gated _ -> List.of("architecture=gated");
            case Activation.SignedGated _,
                    Activation.MatchingPursuit _,
                    Activation.ResidualCodes _,
                    Activation.Omp _,
                    Activation.Lasso _ -> throw refused(activation.getClass().getSimpleName());
        };
    }

    private static BadInput refused(String what) {
        return new BadInput("an SAE with " + what + " cannot be trained on from its folder");
    }

    /**
     * Puts an SAE in the place of the weights that a training begins with.
     *
     * @param raw in raw units
     * @param training overwritten
     * @param map of the rows while training
     */
    static void put(Sae raw, Sae training, RowMap map, Norms norms) {
        if (raw.latents() != training.latents() || raw.dIn() != training.dIn() || raw.dOut() != training.dOut()) {
            throw new BadInput("the SAE to start from has " + raw.latents() + " latents and reads " + raw.dIn()
                    + " and writes "
                    + raw.dOut() + " columns; this training has " + training.latents() + ", " + training.dIn() + " and "
                    + training.dOut());
        }
        if (!raw.subtractDecoderBias() || !training.subtractDecoderBias()) {
            throw refused("an encoder that does not subtract b_dec, or a transcoder,");
        }
        if (raw.score() != null || training.score() != null) {
            throw refused("scores of rows");
        }
        double t = map.scale();
        for (int i = 0; i < raw.latents(); i++) {
            write(map.solve(row(raw.encoder(), i)), t, training.encoder(), i);
            write(map.times(row(raw.decoder(), i)), 1 / t, training.decoder(), i);
            training.encoderBias()[i] = (float) (t * raw.encoderBias()[i]);
        }
        double[] bias = new double[raw.dOut()];
        for (int c = 0; c < bias.length; c++) {
            bias[c] = raw.decoderBias()[c] - (map.shift().length > 0 ? map.shift()[c] : 0);
        }
        double[] mapped = map.times(bias);
        for (int c = 0; c < bias.length; c++) {
            training.decoderBias()[c] = (float) mapped[c];
        }
        activation(raw.activation(), training.activation(), (float) t);
        if (norms == Norms.UNIT) {
            unit(training);
        }
    }

    private static void activation(Activation from, Activation to, float t) {
        if (from instanceof Activation.JumpRelu jump && to instanceof Activation.JumpRelu own) {
            for (int i = 0; i < own.threshold().length; i++) {
                own.threshold()[i] = t * jump.threshold()[i];
            }
        } else if (from instanceof Activation.Gated gated && to instanceof Activation.Gated own) {
            for (int i = 0; i < own.logScale().length; i++) {
                own.logScale()[i] = gated.logScale()[i];
                own.magnitudeBias()[i] = t * gated.magnitudeBias()[i];
            }
        } else if (!from.equals(to) && !(from instanceof Activation.TopK && to instanceof Activation.TopK)) {
            throw new BadInput("the SAE to start from has " + from.getClass().getSimpleName() + ", this architecture "
                    + to.getClass().getSimpleName());
        }
    }

    /** Dictionary rows of another length would be cut to 1 by the first step, and their latents with them. */
    private static void unit(Sae training) {
        int d = training.dOut();
        for (int i = 0; i < training.latents(); i++) {
            float[] rows = training.decoder().data();
            double norm = Math.sqrt(Kernels.BEST.dot(rows, i * d, rows, i * d, d));
            if (Math.abs(norm - 1) > UNIT) {
                throw new BadInput("dictionary row " + i + " of the SAE to start from has norm " + norm
                        + " where rows have norm 1 while training; one trained with the metric goes on with the same gradient.beta and the same store's gradients,"
                        + " others with norms=free, which relu, jumprelu and gated allow");
            }
        }
    }

    private static double[] row(Matrix matrix, int row) {
        double[] out = new double[matrix.cols()];
        for (int c = 0; c < out.length; c++) {
            out[c] = matrix.at(row, c);
        }
        return out;
    }

    private static void write(double[] values, double factor, Matrix into, int row) {
        for (int c = 0; c < values.length; c++) {
            into.data()[into.offset(row) + c] = (float) (factor * values[c]);
        }
    }
}
