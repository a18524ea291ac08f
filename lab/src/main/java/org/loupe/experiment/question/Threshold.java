package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;

/** JumpReLU's θ in other places, and the activation at which a latent opens. */
final class Threshold {
    /** r of a magnitude that does not depend on the row: exp(r) is 0 in f32 products of any size. */
    private static final float CONSTANT = -80;

    private Threshold() {}

    /** f = relu(z − θ): θ as a bias. On the same rows active as z H(z − θ), and smaller there by θ. */
    static Sae asBias(Sae sae) {
        return with(sae, lowered(sae), new Activation.Relu());
    }

    /** f = H(z − θ): the gate alone, as a gated SAE whose magnitude is 1. */
    static Sae stepAlone(Sae sae) {
        float[] scale = new float[sae.latents()];
        float[] one = new float[sae.latents()];
        Arrays.fill(scale, CONSTANT);
        Arrays.fill(one, 1);
        return with(sae, lowered(sae), new Activation.Gated(scale, one));
    }

    private static float[] lowered(Sae sae) {
        if (!(sae.activation() instanceof Activation.JumpRelu jump)) {
            throw new IllegalArgumentException("no thresholds: " + sae.activation());
        }
        float[] bias = sae.encoderBias().clone();
        for (int i = 0; i < bias.length; i++) {
            bias[i] -= jump.threshold()[i];
        }
        return bias;
    }

    private static Sae with(Sae sae, float[] encoderBias, Activation activation) {
        return new Sae(
                sae.encoder(), encoderBias, sae.decoder(), sae.decoderBias(), activation, sae.subtractDecoderBias());
    }

    /** The smallest activation that a latent can have: 0 of ReLU, θ of JumpReLU, relu(b_mag − exp(r) b_enc) of Gated; [m]. */
    static double[] opening(Sae sae) {
        double[] opening = new double[sae.latents()];
        switch (sae.activation()) {
            case Activation.Relu _ -> {}
            case Activation.JumpRelu jump -> Arrays.setAll(opening, i -> jump.threshold()[i]);
            case Activation.Gated gated ->
                Arrays.setAll(
                        opening,
                        i -> Math.max(
                                0, gated.magnitudeBias()[i] - Math.exp(gated.logScale()[i]) * sae.encoderBias()[i]));
            case Activation.TopK _,
                    Activation.AbsTopK _,
                    Activation.SignedGated _,
                    Activation.MatchingPursuit _,
                    Activation.ResidualCodes _,
                    Activation.Omp _,
                    Activation.Lasso _ -> throw new IllegalArgumentException("no opening: " + sae.activation());
        }
        return opening;
    }
}
