package org.loupe.tensor;

/** Dense products of whole matrices, on the tiles of {@link Kernels}. */
public final class Products {
    /** 128 rows of 1,536 columns are 786 kB, which stay in a 1 MB second-level cache. */
    private static final int ROWS = 128;

    private Products() {}

    /**
     * out[r, c] += ⟨a_r, b_c⟩. Every sum has one order, whatever the number of threads.
     *
     * @param a [n × d]
     * @param b [p × d]
     * @param out [n × p]
     */
    public static void add(Matrix a, Matrix b, Matrix out, Kernels kernels, Workers workers) {
        if (a.cols() != b.cols() || out.rows() != a.rows() || out.cols() != b.rows()) {
            throw new IllegalArgumentException("product of [" + a.rows() + " × " + a.cols() + "] and [" + b.rows()
                    + " × " + b.cols() + "] into [" + out.rows() + " × " + out.cols() + "]");
        }
        int d = a.cols();
        int cols = kernels.tileCols();
        int step = kernels.tileRows();
        int group = (ROWS + cols - 1) / cols * cols;
        workers.forEach(b.rows(), group, (from, to, worker) -> {
            int places = (to - from + cols - 1) / cols * cols;
            float[] panels = new float[places * d];
            float[] tile = new float[step * cols];
            Panels.pack(b, from, to, places, cols, panels);
            for (int row = 0; row < a.rows(); row += step) {
                int n = Math.min(step, a.rows() - row);
                for (int first = from; first < to; first += cols) {
                    kernels.tile(panels, (first - from) * d, a.data(), row * d, n, d, tile);
                    int width = Math.min(cols, to - first);
                    for (int r = 0; r < n; r++) {
                        kernels.addScaled(1, tile, r * cols, out.data(), out.offset(row + r) + first, width);
                    }
                }
            }
        });
    }
}
