package org.loupe.train;

import org.loupe.tensor.Kernels;

/**
 * ĝ = s g, s such that E‖ĝ‖² = d, and shortened to 3 √d where it is longer: a few tokens have gradients of a hundred times the mean.
 *
 * @param scale s
 */
record RowGradients(double scale, Kernels kernels) {
    /** Longest ĝ, as a multiple of √d. */
    static final double LONGEST = 3;

    /** Writes ĝ of the row at {@code at} to {@code outAt}. */
    void apply(float[] rows, int at, float[] out, int outAt, int d) {
        double norm = scale * Math.sqrt(kernels.dot(rows, at, rows, at, d));
        double most = LONGEST * Math.sqrt(d);
        float factor = (float) (norm > most ? scale * most / norm : scale);
        for (int c = 0; c < d; c++) {
            out[outAt + c] = factor * rows[at + c];
        }
    }
}
