package org.loupe.train;

import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The two products over the entries of each row, both touching as many contiguous rows of a dictionary. */
final class SparseRows {
    private static final int CHUNK = 32;

    private final Kernels kernels;
    private final Workers workers;

    SparseRows(Kernels kernels, Workers workers) {
        this.kernels = kernels;
        this.workers = workers;
    }

    /**
     * out of level l = bias + Σ f dictionary_i over a row's runs 0 to l.
     *
     * @param index latent of each entry
     * @param out [levels · rows × d]
     */
    void decode(int rows, int levels, int[] cuts, int[] index, float[] f, Matrix dictionary, float[] bias, Matrix out) {
        int d = dictionary.cols();
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int l = 0; l < levels; l++) {
                    kernels.weightedRows(
                            dictionary.data(),
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
