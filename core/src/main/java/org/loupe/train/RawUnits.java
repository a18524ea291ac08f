package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;

/**
 * A trained SAE taken to the units of the rows. With s the scale of the inputs and t that of the targets in training, f_raw = f / t: relu,
 * top-k, pursuits and LASSO commute with a positive factor, so W_enc becomes (s / t) W_enc, and b_enc, thresholds, λ and b_dec are
 * divided by t. An autoencoder, whose s is t, keeps its weights as they are. Codes, whose f is 1 in any unit, are divided by t themselves.
 */
final class RawUnits {
    private RawUnits() {}

    /** Shares no array with the SAE given. */
    static Sae of(Sae sae, DataStatistics statistics, Kernels kernels) {
        double t = statistics.targets().scale();
        float ratio = (float) (statistics.inputs().scale() / t);
        Activation activation = sae.activation();
        float ofCodes = activation instanceof Activation.ResidualCodes ? (float) (1 / t) : 1;
        Matrix dictionary = times(sae.decoder(), ofCodes, kernels);
        Matrix skipped = sae.skip();
        return new Sae(
                activation.tied() ? dictionary : times(sae.encoder(), ratio, kernels),
                divided(sae.encoderBias(), t),
                dictionary,
                divided(sae.decoderBias(), t),
                switch (activation) {
                    case Activation.TopK _,
                            Activation.AbsTopK _,
                            Activation.Relu _,
                            Activation.MatchingPursuit _,
                            Activation.ResidualCodes _,
                            Activation.Omp _ -> activation;
                    case Activation.Lasso lasso ->
                        new Activation.Lasso((float) (lasso.penalty() / t), lasso.signed(), lasso.rounds());
                    case Activation.JumpRelu jump -> new Activation.JumpRelu(divided(jump.threshold(), t));
                    case Activation.Gated gated ->
                        new Activation.Gated(gated.logScale().clone(), divided(gated.magnitudeBias(), t));
                },
                sae.subtractDecoderBias(),
                skipped == null ? null : times(skipped, ratio, kernels));
    }

    private static Matrix times(Matrix weights, float factor, Kernels kernels) {
        float[] out = Arrays.copyOf(weights.data(), weights.rows() * weights.cols());
        if (factor != 1) {
            kernels.scale(factor, out, 0, out.length);
        }
        return new Matrix(weights.rows(), weights.cols(), out);
    }

    private static float[] divided(float[] values, double scale) {
        float[] out = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            out[i] = (float) (values[i] / scale);
        }
        return out;
    }
}
