package org.loupe.tensor;

/** Rows of a matrix side by side, as {@link Kernels#tile} wants its second factor. */
public final class Panels {
    private Panels() {}

    /**
     * Packs rows [from, to) of x into panels, [panel × depth × cols].
     *
     * @param rows places for rows, a multiple of cols; those behind the last row are zero
     * @param cols {@link Kernels#tileCols}
     */
    public static void pack(Matrix x, int from, int to, int rows, int cols, float[] packed) {
        int d = x.cols();
        for (int i = 0; i < rows; i++) {
            int panel = i / cols * d * cols + i % cols;
            for (int c = 0; c < d; c++) {
                packed[panel + c * cols] = from + i < to ? x.data()[(from + i) * d + c] : 0;
            }
        }
    }
}
