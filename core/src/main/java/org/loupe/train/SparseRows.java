package org.loupe.train;

import org.loupe.sae.ActiveRows;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The two products over the active latents of each row, both touching as many contiguous rows of a dictionary. */
final class SparseRows {
    private static final int CHUNK = 32;

    private final Kernels kernels;
    private final Workers workers;

    SparseRows(Kernels kernels, Workers workers) {
        this.kernels = kernels;
        this.workers = workers;
    }

    /** out_r = bias + Σ f dictionary_i over the active latents i of row r. */
    void decode(ActiveRows active, Matrix dictionary, float[] bias, Matrix out) {
        int d = dictionary.cols();
        workers.forEach(active.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                kernels.weightedRows(
                        dictionary.data(),
                        d,
                        active.index(),
                        active.value(),
                        active.starts()[r],
                        active.starts()[r + 1],
                        bias,
                        0,
                        out.data(),
                        r * d);
            }
        });
    }

    /** slopes = dL/df = ⟨gradient_r, dictionary_i⟩ for each winner i of row r. */
    void slopes(ActiveRows active, Matrix dictionary, Matrix gradient, float[] slopes) {
        int d = dictionary.cols();
        workers.forEach(active.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int e = active.starts()[r]; e < active.starts()[r + 1]; e++) {
                    slopes[e] = kernels.dot(gradient.data(), r * d, dictionary.data(), active.index()[e] * d, d);
                }
            }
        });
    }
}
