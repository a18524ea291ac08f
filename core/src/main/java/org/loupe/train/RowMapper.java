package org.loupe.train;

import org.loupe.tensor.Kernels;

/** Applies a {@link RowMap} to rows of batches, in f32. */
final class RowMapper {
    private final RowMap map;
    private final Kernels kernels;
    private final float[] matrix;

    RowMapper(RowMap map, Kernels kernels) {
        this.map = map;
        this.kernels = kernels;
        this.matrix = new float[map.matrix().length];
        for (int i = 0; i < matrix.length; i++) {
            matrix[i] = (float) map.matrix()[i];
        }
    }

    /** Writes x' of the row at {@code at} to {@code outAt}. */
    void apply(float[] rows, int at, float[] out, int outAt) {
        int d = map.width();
        double[] shift = map.shift();
        double[] factor = map.factor();
        if (matrix.length == 0) {
            for (int c = 0; c < d; c++) {
                double x = shift.length > 0 ? rows[at + c] - shift[c] : rows[at + c];
                out[outAt + c] = (float) (x * factor[c]);
            }
            return;
        }
        float[] x = new float[d];
        for (int c = 0; c < d; c++) {
            x[c] = (float) (shift.length > 0 ? rows[at + c] - shift[c] : rows[at + c]);
        }
        for (int c = 0; c < d; c++) {
            out[outAt + c] = kernels.dot(matrix, c * d, x, 0, d);
        }
    }
}
