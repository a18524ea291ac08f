package org.loupe.train;

import java.util.Arrays;
import java.util.List;
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
 * <p>With a {@link org.loupe.sae.RowScore} x_c = s (x − b_dec), and the second term has Σ_b h_bi s_b in place of db_enc.
 *
 * <p>A slope c_i that z_i has in all rows adds c_i Σ_b x_c,b and c_i B. The auxiliary loss adds its own entries with its own G. Where dictionary rows have unit norm, the part of dW_dec,i along W_dec,i is
 * removed: the row's length is not a parameter. A tied dictionary takes both gradients. Each latent belongs to one thread and each sum has one order.
 */
final class Gradients {
    private static final int LATENT_CHUNK = LatentBlocks.LATENTS;
    private static final int ROW_CHUNK = 64;

    final Matrix encoder;
    final float[] encoderBias;

    /** Σ_b h_bi s_b: what b_dec gets through x_c; db_enc itself where rows have no score. */
    private final float[] throughInputs;

    private float[] factor = new float[0];
    final Matrix decoder;
    final float[] decoderBias;
    private final double[] squares;
    private final float[] zeros;
    private final Kernels kernels;
    private final Workers workers;

    /** Gradients that are written into the given parameters'. */
    Gradients(
            int latents,
            boolean scored,
            Parameter encoder,
            Parameter encoderBias,
            Parameter decoder,
            Parameter decoderBias,
            Kernels kernels,
            Workers workers) {
        this.encoder = new Matrix(latents, encoder.gradient().length / latents, encoder.gradient());
        this.encoderBias = encoderBias.gradient();
        this.throughInputs = scored ? new float[latents] : this.encoderBias;
        this.decoder = new Matrix(latents, decoderBias.gradient().length, decoder.gradient());
        this.decoderBias = decoderBias.gradient();
        this.squares = new double[latents];
        this.zeros = new float[Math.max(this.encoder.cols(), this.decoder.cols())];
        this.kernels = kernels;
        this.workers = workers;
    }

    /**
     * How the dictionary is held.
     *
     * @param unit rows have unit norm
     * @param tied the encoder is the dictionary
     * @param aligned ⟨w_enc,i , w_dec,i⟩ = 1
     * @param normGradient dL/d|W_dec,i| of penalties, or empty
     * @param commonSlope dL/dz_i that all rows have in common, or empty
     */
    record Dictionary(boolean unit, boolean tied, boolean aligned, float[] normGradient, float[] commonSlope) {}

    /**
     * Gradients of a loss that reads weights itself, and not through x̂; null where it does not.
     *
     * @param encoder dL/dW_enc [m × dIn]
     * @param decoder dL/dW_dec [m × dOut]
     */
    record Added(@Nullable Matrix encoder, @Nullable Matrix decoder) {
        static final Added NONE = new Added(null, null);
    }

    /**
     * Overwrites all gradients.
     *
     * @param main the batch's entries by latent; not looked at where there are dense sums
     * @param dense the same batch's dense sums, or null
     * @param auxiliary the auxiliary loss of the same batch, or null where it has no part
     * @param added what the weights have from elsewhere than dL/dx̂
     */
    void compute(
            Sae sae,
            Batch batch,
            EntriesByLatent main,
            @Nullable DenseGradients dense,
            Dictionary dictionary,
            @Nullable AuxiliaryLoss auxiliary,
            Added added) {
        factor = batch.scoreFactor;
        int dIn = sae.dIn();
        int dOut = sae.dOut();
        float[] rows = sae.decoder().data();
        float[] common = dictionary.commonSlope();
        float[] sum = common.length > 0 ? batch.columnSums(kernels) : zeros;
        workers.forEach(sae.latents(), LATENT_CHUNK, (from, to, worker) -> {
            if (dense != null) {
                dense.block(from, to, batch, decoder, encoder, encoderBias, worker);
            }
            for (int i = from; i < to; i++) {
                if (dense == null) {
                    encoderBias[i] = 0;
                    throughInputs[i] = 0;
                    add(i, main, batch.gradient, batch.inputs, zeros, 0, zeros, 0);
                }
                if (auxiliary != null) {
                    add(
                            i,
                            auxiliary.entries(),
                            auxiliary.gradient(),
                            batch.inputs,
                            decoder.data(),
                            i * dOut,
                            encoder.data(),
                            i * dIn);
                }
                if (added.encoder() != null) {
                    kernels.addScaled(1, added.encoder().data(), i * dIn, encoder.data(), i * dIn, dIn);
                }
                if (added.decoder() != null) {
                    kernels.addScaled(1, added.decoder().data(), i * dOut, decoder.data(), i * dOut, dOut);
                }
                if (common.length > 0) {
                    kernels.addScaled(common[i], sum, 0, encoder.data(), i * dIn, dIn);
                    encoderBias[i] += common[i] * batch.rows;
                }
                if (dictionary.tied()) {
                    kernels.addScaled(1, encoder.data(), i * dIn, decoder.data(), i * dOut, dOut);
                    Arrays.fill(encoder.data(), i * dIn, (i + 1) * dIn, 0);
                }
                if (dictionary.aligned()) {
                    align(sae, i, dIn);
                }
                if (dictionary.unit()) {
                    float along = kernels.dot(decoder.data(), i * dOut, rows, i * dOut, dOut);
                    kernels.addScaled(-along, rows, i * dOut, decoder.data(), i * dOut, dOut);
                } else if (dictionary.normGradient().length > 0) {
                    float norm = (float) Math.sqrt(kernels.dot(rows, i * dOut, rows, i * dOut, dOut));
                    float along = norm > 0 ? dictionary.normGradient()[i] / norm : 0;
                    kernels.addScaled(along, rows, i * dOut, decoder.data(), i * dOut, dOut);
                }
                squares[i] = (double) kernels.dot(decoder.data(), i * dOut, decoder.data(), i * dOut, dOut)
                        + kernels.dot(encoder.data(), i * dIn, encoder.data(), i * dIn, dIn);
            }
        });
        decoderBias(sae, batch);
        if (dictionary.tied()) {
            Arrays.fill(encoderBias, 0);
        }
    }

    /** W_enc,i = v + (1 − ⟨v, w⟩) w with w = W_dec,i, v free: at ⟨v, w⟩ = 1, dv = g − ⟨g, w⟩ w and dw gains −⟨g, w⟩ v. */
    private void align(Sae sae, int i, int d) {
        float along = kernels.dot(encoder.data(), i * d, sae.decoder().data(), i * d, d);
        kernels.addScaled(-along, sae.encoder().data(), i * d, decoder.data(), i * d, d);
        kernels.addScaled(-along, sae.decoder().data(), i * d, encoder.data(), i * d, d);
    }

    private void add(
            int i,
            EntriesByLatent entries,
            Matrix gradient,
            Matrix inputs,
            float[] decoderStart,
            int decoderAt,
            float[] encoderStart,
            int encoderAt) {
        int from = entries.starts[i];
        int to = entries.starts[i + 1];
        kernels.weightedRows(
                gradient.data(),
                0,
                gradient.cols(),
                entries.gradientRow,
                entries.value,
                from,
                to,
                decoderStart,
                decoderAt,
                decoder.data(),
                i * gradient.cols());
        kernels.weightedRows(
                inputs.data(),
                0,
                inputs.cols(),
                entries.row,
                entries.slope,
                from,
                to,
                encoderStart,
                encoderAt,
                encoder.data(),
                i * inputs.cols());
        float sum = encoderBias[i];
        for (int e = from; e < to; e++) {
            sum += entries.slope[e];
        }
        encoderBias[i] = sum;
        if (factor.length > 0) {
            float scaled = throughInputs[i];
            for (int e = from; e < to; e++) {
                scaled += entries.slope[e] * factor[entries.row[e]];
            }
            throughInputs[i] = scaled;
        }
    }

    private void decoderBias(Sae sae, Batch batch) {
        Matrix gradient = batch.gradient;
        int d = gradient.cols();
        int first = batch.steps ? (batch.levels - 1) * batch.rows : 0;
        Matrix rowSums = Matrix.zeros((batch.rows + ROW_CHUNK - 1) / ROW_CHUNK, d);
        workers.forEach(batch.rows, ROW_CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                kernels.addScaled(1, gradient.data(), (first + r) * d, rowSums.data(), from / ROW_CHUNK * d, d);
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
                if (throughInputs[i] != 0) {
                    kernels.addScaled(
                            -throughInputs[i], sae.encoder().data(), i * d, latentSums.data(), from / chunkRows * d, d);
                }
            }
        });
        for (int chunk = 0; chunk < latentSums.rows(); chunk++) {
            kernels.addScaled(1, latentSums.data(), chunk * d, decoderBias, 0, d);
        }
    }

    /**
     * The norm of all gradients together.
     *
     * @param others all parameters but W_enc and W_dec
     */
    double norm(List<Parameter> others) {
        double sum = 0;
        for (double square : squares) {
            sum += square;
        }
        for (Parameter other : others) {
            float[] gradient = other.gradient();
            sum += kernels.dot(gradient, 0, gradient, 0, gradient.length);
        }
        return Math.sqrt(sum);
    }
}
