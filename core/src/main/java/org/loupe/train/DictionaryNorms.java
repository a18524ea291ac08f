package org.loupe.train;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** |w_i| of all rows of a matrix: 1 throughout where norms are kept at it. Of dictionary rows, penalties weigh activations by them. */
final class DictionaryNorms {
    private static final int CHUNK = 256;

    private final Norms norms;
    private final Kernels kernels;
    private final Workers workers;
    private float[] values = new float[0];

    DictionaryNorms(Norms norms, Kernels kernels, Workers workers) {
        this.norms = norms;
        this.kernels = kernels;
        this.workers = workers;
    }

    /** The norms, valid until the next call. */
    float[] of(Matrix dictionary) {
        int d = dictionary.cols();
        if (values.length != dictionary.rows()) {
            values = new float[dictionary.rows()];
            Arrays.fill(values, 1);
        }
        if (norms == Norms.FREE) {
            workers.forEach(dictionary.rows(), CHUNK, (from, to, worker) -> {
                for (int i = from; i < to; i++) {
                    values[i] = (float) Math.sqrt(kernels.dot(dictionary.data(), i * d, dictionary.data(), i * d, d));
                }
            });
        }
        return values;
    }

    /** Whether rows have lengths of their own. */
    boolean free() {
        return norms == Norms.FREE;
    }
}
