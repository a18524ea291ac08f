package org.loupe.train;

import org.loupe.sae.TopKRows;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The two products over the winners of each row, both touching k contiguous rows of a dictionary. */
final class SparseRows {
    private static final int CHUNK = 32;

    private final Kernels kernels;
    private final Workers workers;

    SparseRows(Kernels kernels, Workers workers) {
        this.kernels = kernels;
        this.workers = workers;
    }

    /** out_r = bias + Σ f dictionary_i over the winners i of row r. */
    void decode(TopKRows winners, Matrix dictionary, float[] bias, Matrix out) {
        int d = dictionary.cols();
        workers.forEach(winners.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                int at = r * winners.k();
                kernels.weightedRows(
                        dictionary.data(),
                        d,
                        winners.index(),
                        winners.value(),
                        at,
                        at + winners.count()[r],
                        bias,
                        0,
                        out.data(),
                        r * d);
            }
        });
    }

    /** slopes = dL/df = ⟨gradient_r, dictionary_i⟩ for each winner i of row r. */
    void slopes(TopKRows winners, Matrix dictionary, Matrix gradient, float[] slopes) {
        int d = dictionary.cols();
        workers.forEach(winners.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                int at = r * winners.k();
                for (int e = at; e < at + winners.count()[r]; e++) {
                    slopes[e] = kernels.dot(gradient.data(), r * d, dictionary.data(), winners.index()[e] * d, d);
                }
            }
        });
    }
}
