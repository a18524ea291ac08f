package org.loupe.train;

import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The two products over the entries of each row, both touching as many contiguous rows of a dictionary. Where a batch of one level is dense,
 * {@link DenseRows} does them.
 */
final class SparseRows {
    /** Bytes of a dictionary that stays in the caches. */
    private static final long CACHED = 8 << 20;

    private static final int CHUNK = 32;

    private final Kernels kernels;
    private final Workers workers;
    private final double dense;
    private final DenseRows denseRows;

    /** @param dense share of active latents from which on a batch is dense; above 1: none is */
    SparseRows(Kernels kernels, Workers workers, double dense) {
        this.kernels = kernels;
        this.workers = workers;
        this.dense = dense;
        this.denseRows = new DenseRows(kernels, workers);
    }

    /**
     * Share of active latents from which on dense products are faster, as measured for dictionaries that the caches hold and for larger
     * ones ({@code docs/decisions/036-dense-batches.md}).
     */
    static double breakEven(int latents, int width) {
        return (long) latents * width * Float.BYTES <= CACHED ? 0.2 : 0.05;
    }

    /** Whether a batch is dense. */
    boolean dense(int rows, int levels, int[] cuts, int latents) {
        return levels == 1 && cuts[rows] >= dense * rows * latents;
    }

    /**
     * out of level l = bias + Σ f dictionary_i over a row's runs 0 to l.
     *
     * @param index latent of each entry; ascending in each row where there is one level
     * @param out [levels · rows × d]
     */
    void decode(int rows, int levels, int[] cuts, int[] index, float[] f, Matrix dictionary, float[] bias, Matrix out) {
        if (dense(rows, levels, cuts, dictionary.rows())) {
            denseRows.decode(rows, cuts, index, f, dictionary, bias, out);
            return;
        }
        int d = dictionary.cols();
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int l = 0; l < levels; l++) {
                    kernels.weightedRows(
                            dictionary.data(),
                            0,
                            d,
                            index,
                            f,
                            cuts[r * levels + l],
                            cuts[r * levels + l + 1],
                            l == 0 ? bias : out.data(),
                            l == 0 ? 0 : ((l - 1) * rows + r) * d,
                            out.data(),
                            (l * rows + r) * d);
                }
            }
        });
    }

    /** slope = dL/df = ⟨gradient of its level and row, dictionary_i⟩ of each entry. */
    void slopes(int rows, int levels, int[] cuts, int[] index, Matrix dictionary, Matrix gradient, float[] slopes) {
        if (dense(rows, levels, cuts, dictionary.rows())) {
            denseRows.slopes(rows, cuts, index, dictionary, gradient, slopes);
            return;
        }
        int d = dictionary.cols();
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int l = 0; l < levels; l++) {
                    for (int e = cuts[r * levels + l]; e < cuts[r * levels + l + 1]; e++) {
                        slopes[e] =
                                kernels.dot(gradient.data(), (l * rows + r) * d, dictionary.data(), index[e] * d, d);
                    }
                }
            }
        });
    }
}
