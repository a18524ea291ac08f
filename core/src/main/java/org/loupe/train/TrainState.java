package org.loupe.train;

import org.loupe.sae.Activation;
import org.loupe.sae.Sae;

/**
 * All that the coming steps of a run depend on, beside its configuration and the data: order of rows and schedule are functions
 * of the step.
 *
 * @param step steps done
 * @param lastFired rows seen when each latent last fired
 */
record TrainState(long step, InputStatistics statistics, Sae sae, Adam adam, long[] lastFired) {
    /** Copies every array into the arrays of another state of the same shape. */
    void copyWeightsTo(TrainState to) {
        copy(sae.encoder().data(), to.sae.encoder().data());
        copy(sae.encoderBias(), to.sae.encoderBias());
        copy(sae.decoder().data(), to.sae.decoder().data());
        copy(sae.decoderBias(), to.sae.decoderBias());
        if (sae.activation() instanceof Activation.JumpRelu from
                && to.sae.activation() instanceof Activation.JumpRelu into) {
            copy(from.threshold(), into.threshold());
        }
        copy(adam.encoder, to.adam.encoder);
        copy(adam.encoderBias, to.adam.encoderBias);
        copy(adam.decoder, to.adam.decoder);
        copy(adam.decoderBias, to.adam.decoderBias);
        System.arraycopy(lastFired, 0, to.lastFired, 0, lastFired.length);
    }

    private static void copy(Adam.Moments from, Adam.Moments to) {
        copy(from.first(), to.first());
        copy(from.second(), to.second());
    }

    private static void copy(float[] from, float[] to) {
        System.arraycopy(from, 0, to, 0, to.length);
    }
}
