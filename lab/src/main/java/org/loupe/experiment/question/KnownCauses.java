package org.loupe.experiment.question;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.loupe.eval.LatentMetrics;
import org.loupe.eval.MaxCosine;
import org.loupe.eval.Metric;
import org.loupe.eval.RowMetrics;
import org.loupe.experiment.RealModel;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.synth.CausalWorld;
import org.loupe.synth.ReadingNetwork;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import org.loupe.train.DownstreamConfig;
import org.loupe.train.Judge;
import org.loupe.train.JudgedRows;
import org.loupe.train.TrainConfig;

/** A {@link CausalWorld} as experiments use it: rows with gradients to train on, a judge, and what an SAE has found of the causes. */
final class KnownCauses {
    /** Cosine from which on a feature counts as found. */
    static final double FOUND = 0.9;

    private final CausalWorld world;
    private final CausalWorld.Sample eval;
    private final Workers workers;
    final GradientRows rows;

    KnownCauses(boolean apart, long seed, Workers workers) {
        this.world = CausalWorld.of(apart, seed);
        this.workers = workers;
        Matrix train = world.train().rows();
        this.rows =
                new GradientRows(train, world.network().sampledGradients(train, new SplittableRandom(seed), workers));
        this.eval = world.eval();
    }

    CausalWorld world() {
        return world;
    }

    /** Batches of the rows, in order, with the network as their judge. */
    JudgedRows judged(TrainConfig config) {
        DownstreamConfig weights = config.downstream().of(config.objective());
        int batch = config.batch();
        long batches = rows.rows() / batch;
        return step -> {
            Matrix x = Matrix.zeros(batch, rows.width());
            rows.read(step % batches * batch, batch, x, 0);
            return new JudgedRows.Batch(x, reconstruction -> terms(weights, x, reconstruction));
        };
    }

    private List<Judge.Term> terms(DownstreamConfig weights, Matrix x, Matrix reconstruction) {
        List<Judge.Term> terms = new java.util.ArrayList<>();
        ReadingNetwork network = world.network();
        if (weights.kl() > 0) {
            terms.add(new Judge.Term(
                    Judge.Kind.KL,
                    network.kl(x, reconstruction, workers),
                    network.klGradient(x, reconstruction, workers)));
        }
        if (weights.mse() > 0) {
            terms.add(hiddenError(x, reconstruction));
        }
        return terms;
    }

    /** Σ‖h − ĥ‖² / Σ‖h − h̄‖² of the hidden layer, and its gradient. */
    private Judge.Term hiddenError(Matrix x, Matrix reconstruction) {
        ReadingNetwork network = world.network();
        Matrix h = network.hidden(x, workers);
        Matrix other = network.hidden(reconstruction, workers);
        double[] mean = new double[h.cols()];
        h.meanInto(mean);
        double error = 0;
        double spread = 0;
        for (int r = 0; r < h.rows(); r++) {
            for (int j = 0; j < mean.length; j++) {
                error += Math.pow(other.at(r, j) - h.at(r, j), 2);
                spread += Math.pow(h.at(r, j) - mean[j], 2);
            }
        }
        Matrix byHidden = Matrix.zeros(h.rows(), h.cols());
        for (int i = 0; i < byHidden.data().length; i++) {
            byHidden.data()[i] = (float) (2 * (other.data()[i] - h.data()[i]) / spread);
        }
        return new Judge.Term(Judge.Kind.MSE, error / spread, network.backward(other, byHidden, workers));
    }

    /** What the world is, before any SAE: the exact effect of causal and of inert features. */
    Map<String, Double> effects() {
        double[] effects = world.effects(eval, workers);
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("causal_effect", mean(effects, true));
        values.put("inert_effect", mean(effects, false));
        return values;
    }

    private double mean(double[] values, boolean causal) {
        return IntStream.range(0, values.length)
                .filter(i -> world.causal(i) == causal)
                .mapToDouble(i -> values[i])
                .average()
                .orElseThrow();
    }

    /** What an SAE has found, and what the network makes of its reconstruction, on rows that it has not seen. */
    Map<String, Double> evaluate(Sae sae) {
        Matrix x = eval.rows();
        Latents latents = new Encoder(sae, workers).encode(x);
        Matrix out = Matrix.zeros(x.rows(), x.cols());
        Decoder.decode(sae, latents, out, workers);
        RowMetrics rowMetrics = new RowMetrics(x.cols());
        rowMetrics.add(x, out, workers);
        LatentMetrics usage = new LatentMetrics(sae.latents());
        usage.add(latents);
        Map<String, Double> values = new LinkedHashMap<>();
        RealModel.put(values, Metric.FVU, rowMetrics.scores().value(Metric.FVU));
        RealModel.put(values, Metric.L0, usage.scores().value(Metric.L0));
        RealModel.put(values, Metric.KL, world.network().kl(x, out, workers));
        double[] nearest = new double[world.directions().rows()];
        float[] found = MaxCosine.between(world.directions(), sae.decoder(), workers);
        for (int i = 0; i < nearest.length; i++) {
            nearest[i] = found[i] >= FOUND ? 1 : 0;
        }
        values.put("causal_found", mean(nearest, true));
        values.put("inert_found", mean(nearest, false));
        values.put("latents_causal", latentsOnCauses(sae));
        return values;
    }

    /** Share of the latents whose nearest feature is a causal one. */
    private double latentsOnCauses(Sae sae) {
        boolean[] causal = onCauses(sae);
        return (double) IntStream.range(0, causal.length).filter(i -> causal[i]).count() / causal.length;
    }

    /** For each latent whether its nearest feature is a causal one. */
    boolean[] onCauses(Sae sae) {
        Matrix even = half(true);
        Matrix odd = half(false);
        float[] toCausal = MaxCosine.between(sae.decoder(), even, workers);
        float[] toInert = MaxCosine.between(sae.decoder(), odd, workers);
        boolean[] causal = new boolean[toCausal.length];
        for (int i = 0; i < causal.length; i++) {
            causal[i] = toCausal[i] > toInert[i];
        }
        return causal;
    }

    /** The exact effect of every latent on unseen rows: Σ over its firings of KL(p(x) ‖ p(x − f_i d_i)), nats. */
    double[] totalEffects(Sae sae) {
        Matrix x = eval.rows();
        Latents latents = new Encoder(sae, workers).encode(x);
        Matrix clean = world.network().logProbabilities(x, workers);
        double[] effects = new double[sae.latents()];
        Matrix without = Matrix.zeros(latents.entries(), x.cols());
        for (int r = 0; r < latents.rows(); r++) {
            for (int e = latents.starts()[r]; e < latents.starts()[r + 1]; e++) {
                int row = sae.decoder().offset(latents.index()[e]);
                for (int c = 0; c < x.cols(); c++) {
                    without.data()[without.offset(e) + c] =
                            x.at(r, c) - latents.value()[e] * sae.decoder().data()[row + c];
                }
            }
        }
        Matrix changed = world.network().logProbabilities(without, workers);
        for (int r = 0; r < latents.rows(); r++) {
            for (int e = latents.starts()[r]; e < latents.starts()[r + 1]; e++) {
                effects[latents.index()[e]] += ReadingNetwork.kl(clean, r, changed, e);
            }
        }
        return effects;
    }

    private Matrix half(boolean causal) {
        Matrix all = world.directions();
        Matrix half = Matrix.zeros(all.rows() / 2, all.cols());
        for (int i = 0; i < half.rows(); i++) {
            System.arraycopy(all.data(), all.offset(2 * i + (causal ? 0 : 1)), half.data(), half.offset(i), all.cols());
        }
        return half;
    }
}
