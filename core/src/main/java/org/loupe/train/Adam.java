package org.loupe.train;

import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Adam's moments for every weight of an SAE, and the update. Dictionary rows end each step with unit norm. */
final class Adam {
    private static final int CHUNK = 64;

    /** First and second moment of one group of weights. */
    record Moments(float[] first, float[] second) {
        static Moments of(int size) {
            return new Moments(new float[size], new float[size]);
        }
    }

    final Moments encoder;
    final Moments encoderBias;
    final Moments decoder;
    final Moments decoderBias;

    Adam(int latents, int d) {
        encoder = Moments.of(latents * d);
        encoderBias = Moments.of(latents);
        decoder = Moments.of(latents * d);
        decoderBias = Moments.of(d);
    }

    /** Changes the weights of {@code sae} in place. */
    void update(Sae sae, Gradients gradients, Kernels.AdamStep step, Kernels kernels, Workers workers) {
        int d = sae.dOut();
        workers.forEach(sae.latents(), CHUNK, (from, to, worker) -> {
            int n = (to - from) * d;
            apply(kernels, step, gradients.encoder.data(), sae.encoder().data(), encoder, from * d, n);
            apply(kernels, step, gradients.decoder.data(), sae.decoder().data(), decoder, from * d, n);
            apply(kernels, step, gradients.encoderBias, sae.encoderBias(), encoderBias, from, to - from);
            normalizeRows(kernels, sae.decoder(), from, to);
        });
        apply(kernels, step, gradients.decoderBias, sae.decoderBias(), decoderBias, 0, d);
    }

    private static void apply(
            Kernels kernels, Kernels.AdamStep step, float[] gradient, float[] weights, Moments moments, int at, int n) {
        kernels.adam(step, gradient, at, weights, moments.first(), moments.second(), at, n);
    }

    /** Scales rows [from, to) to unit norm. */
    static void normalizeRows(Kernels kernels, Matrix rows, int from, int to) {
        int d = rows.cols();
        for (int i = from; i < to; i++) {
            float square = kernels.dot(rows.data(), i * d, rows.data(), i * d, d);
            kernels.scale((float) (1 / Math.sqrt(square)), rows.data(), i * d, d);
        }
    }
}
