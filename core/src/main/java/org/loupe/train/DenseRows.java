package org.loupe.train;

import org.jspecify.annotations.Nullable;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Panels;
import org.loupe.tensor.Workers;

/**
 * The products of {@link SparseRows} for batches in which a latent of every few is active. Decoding takes {@value #LATENTS} dictionary rows
 * and {@value #COLUMNS} columns at a time, 24 kB that stay in the first-level cache while they are added to row after row: each sum has
 * the order that it has in {@link SparseRows}, so it has the same bits. Slopes are picked out of the tiles of a dense product.
 */
final class DenseRows {
    static final int LATENTS = 32;
    static final int COLUMNS = 192;

    /** 128 rows × 768 × 4 bytes = 393 kB, which stays in a 1 MB second-level cache. */
    private static final int ROWS = 128;

    private final Kernels kernels;
    private final Workers workers;
    private final float[] @Nullable [] scratch;

    DenseRows(Kernels kernels, Workers workers) {
        this.kernels = kernels;
        this.workers = workers;
        this.scratch = new float[workers.threads()][];
    }

    /** {@link SparseRows#decode} of one level. */
    void decode(int rows, int[] starts, int[] index, float[] f, Matrix dictionary, float[] bias, Matrix out) {
        int d = dictionary.cols();
        workers.forEach(rows, ROWS, (from, to, worker) -> {
            float[] panel = memory(worker, LATENTS * d);
            int[] next = new int[to - from];
            int[] end = new int[to - from];
            for (int r = from; r < to; r++) {
                System.arraycopy(bias, 0, out.data(), r * d, d);
                end[r - from] = starts[r];
            }
            for (int first = 0; first < dictionary.rows(); first += LATENTS) {
                int n = Math.min(LATENTS, dictionary.rows() - first);
                slabs(dictionary, first, n, panel, 0);
                for (int r = from; r < to; r++) {
                    int e = end[r - from];
                    next[r - from] = e;
                    while (e < starts[r + 1] && index[e] < first + n) {
                        e++;
                    }
                    end[r - from] = e;
                }
                for (int c = 0; c < d; c += COLUMNS) {
                    int width = Math.min(COLUMNS, d - c);
                    for (int r = from; r < to; r++) {
                        if (next[r - from] == end[r - from]) {
                            continue;
                        }
                        int at = r * d + c;
                        kernels.weightedRows(
                                panel,
                                n * c - first * width,
                                width,
                                index,
                                f,
                                next[r - from],
                                end[r - from],
                                out.data(),
                                at,
                                out.data(),
                                at);
                    }
                }
            }
        });
    }

    /** Copies n rows in slabs of {@value #COLUMNS} columns, the last slab narrower; slab c stands n · c floats behind {@code at}. */
    static void slabs(Matrix x, int first, int n, float[] out, int at) {
        int d = x.cols();
        for (int c = 0; c < d; c += COLUMNS) {
            int width = Math.min(COLUMNS, d - c);
            for (int r = 0; r < n; r++) {
                System.arraycopy(x.data(), (first + r) * d + c, out, at + n * c + r * width, width);
            }
        }
    }

    /** {@link SparseRows#slopes} of one level. */
    void slopes(int rows, int[] starts, int[] index, Matrix dictionary, Matrix gradient, float[] slopes) {
        int d = dictionary.cols();
        int cols = kernels.tileCols();
        int step = kernels.tileRows();
        int group = (ROWS + cols - 1) / cols * cols;
        workers.forEach(rows, group, (from, to, worker) -> {
            float[] panels = memory(worker, group * d);
            float[] tile = new float[step * cols];
            int[] next = new int[to - from];
            System.arraycopy(starts, from, next, 0, to - from);
            Panels.pack(gradient, from, to, (to - from + cols - 1) / cols * cols, cols, panels);
            for (int latent = 0; latent < dictionary.rows(); latent += step) {
                int n = Math.min(step, dictionary.rows() - latent);
                for (int first = from; first < to; first += cols) {
                    kernels.tile(panels, (first - from) * d, dictionary.data(), latent * d, n, d, tile);
                    for (int r = first; r < Math.min(to, first + cols); r++) {
                        int e = next[r - from];
                        for (; e < starts[r + 1] && index[e] < latent + n; e++) {
                            slopes[e] = tile[(index[e] - latent) * cols + r - first];
                        }
                        next[r - from] = e;
                    }
                }
            }
        });
    }

    private float[] memory(int worker, int size) {
        float[] mine = scratch[worker];
        if (mine == null || mine.length < size) {
            mine = new float[size];
            scratch[worker] = mine;
        }
        return mine;
    }
}
