package org.loupe.train;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Gradients of all weights, from dL/dx̂ on. With f_be, h_be = dL/df_be the entries of latent i, G = dL/dx̂ and x_c the centred rows:
 *
 * <pre>
 * dW_dec,i = Σ_b f_bi G_b        dW_enc,i = Σ_b h_bi x_c,b        db_enc,i = Σ_b h_bi
 * db_dec   = Σ_b G_b − W_encᵀ db_enc          (the second term because x_c = x − b_dec)
 * </pre>
 *
 * The auxiliary loss adds its own entries with its own G. From dW_dec,i its part along the unit row W_dec,i is removed: the row's
 * length is not a parameter. Each latent belongs to one thread and each sum has one order.
 */
final class Gradients {
    private static final int LATENT_CHUNK = 64;
    private static final int ROW_CHUNK = 64;

    final Matrix encoder;
    final float[] encoderBias;
    final Matrix decoder;
    final float[] decoderBias;
    private final double[] squares;
    private final float[] zeros;
    private final Kernels kernels;
    private final Workers workers;

    Gradients(int latents, int d, Kernels kernels, Workers workers) {
        this.encoder = Matrix.zeros(latents, d);
        this.encoderBias = new float[latents];
        this.decoder = Matrix.zeros(latents, d);
        this.decoderBias = new float[d];
        this.squares = new double[latents];
        this.zeros = new float[d];
        this.kernels = kernels;
        this.workers = workers;
    }

    /**
     * Overwrites all gradients.
     *
     * @param gradient dL/dx̂ of the batch
     * @param auxiliary the auxiliary loss of the same batch, or null where it has no part
     */
    void compute(Sae sae, Matrix centred, EntriesByLatent main, Matrix gradient, @Nullable AuxiliaryLoss auxiliary) {
        int d = centred.cols();
        workers.forEach(sae.latents(), LATENT_CHUNK, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                encoderBias[i] = 0;
                add(i, d, main, gradient, centred, zeros, 0, zeros, 0);
                if (auxiliary != null) {
                    add(
                            i,
                            d,
                            auxiliary.entries(),
                            auxiliary.gradient(),
                            centred,
                            decoder.data(),
                            i * d,
                            encoder.data(),
                            i * d);
                }
                float along = kernels.dot(decoder.data(), i * d, sae.decoder().data(), i * d, d);
                kernels.addScaled(-along, sae.decoder().data(), i * d, decoder.data(), i * d, d);
                squares[i] = (double) kernels.dot(decoder.data(), i * d, decoder.data(), i * d, d)
                        + kernels.dot(encoder.data(), i * d, encoder.data(), i * d, d)
                        + (double) encoderBias[i] * encoderBias[i];
            }
        });
        decoderBias(sae, gradient.head(centred.rows()));
    }

    private void add(
            int i,
            int d,
            EntriesByLatent entries,
            Matrix gradient,
            Matrix centred,
            float[] decoderStart,
            int decoderAt,
            float[] encoderStart,
            int encoderAt) {
        int from = entries.starts[i];
        int to = entries.starts[i + 1];
        kernels.weightedRows(
                gradient.data(),
                d,
                entries.row,
                entries.value,
                from,
                to,
                decoderStart,
                decoderAt,
                decoder.data(),
                i * d);
        kernels.weightedRows(
                centred.data(),
                d,
                entries.row,
                entries.slope,
                from,
                to,
                encoderStart,
                encoderAt,
                encoder.data(),
                i * d);
        float sum = encoderBias[i];
        for (int e = from; e < to; e++) {
            sum += entries.slope[e];
        }
        encoderBias[i] = sum;
    }

    private void decoderBias(Sae sae, Matrix gradient) {
        int d = gradient.cols();
        Matrix rowSums = Matrix.zeros((gradient.rows() + ROW_CHUNK - 1) / ROW_CHUNK, d);
        workers.forEach(gradient.rows(), ROW_CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                kernels.addScaled(1, gradient.data(), r * d, rowSums.data(), from / ROW_CHUNK * d, d);
            }
        });
        Arrays.fill(decoderBias, 0);
        for (int chunk = 0; chunk < rowSums.rows(); chunk++) {
            kernels.addScaled(1, rowSums.data(), chunk * d, decoderBias, 0, d);
        }
        if (!sae.subtractDecoderBias()) {
            return;
        }
        int chunkRows = 512;
        Matrix latentSums = Matrix.zeros((sae.latents() + chunkRows - 1) / chunkRows, d);
        workers.forEach(sae.latents(), chunkRows, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                if (encoderBias[i] != 0) {
                    kernels.addScaled(
                            -encoderBias[i], sae.encoder().data(), i * d, latentSums.data(), from / chunkRows * d, d);
                }
            }
        });
        for (int chunk = 0; chunk < latentSums.rows(); chunk++) {
            kernels.addScaled(1, latentSums.data(), chunk * d, decoderBias, 0, d);
        }
    }

    /** The norm of all gradients together. */
    double norm() {
        double sum = kernels.dot(decoderBias, 0, decoderBias, 0, decoderBias.length);
        for (double square : squares) {
            sum += square;
        }
        return Math.sqrt(sum);
    }
}
