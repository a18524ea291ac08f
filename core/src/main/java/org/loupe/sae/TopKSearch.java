package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Keys;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Finds, for each row x, the k largest positive values of r(j) = ⟨x, w_j⟩ + b_j, r computed in f32 by {@link Kernels#dot}.
 *
 * <p>All latents are first valued by a cheaper product p, one tile at a time while the tile is in cache; nothing of size
 * [rows × latents] is ever stored. With |p(j) − r(j)| ≤ B for all j, every winner of r has p ≥ (k-th largest p) − 2B: only those
 * candidates, hardly more than k, are valued again by r, and the k largest of r among them are the k largest of r among all.
 * So the winners and their values do not depend on the product, on the tile's shape, or on the number of threads.
 */
public final class TopKSearch {
    /** Panels of one group: 4 × 32 rows × 768 × 4 bytes = 393 kB, which stays in a 1 MB second-level cache. */
    private static final int PANELS = 4;

    private final Kernels kernels;
    private final Workers workers;
    private final Scratch[] scratch;

    public TopKSearch(Kernels kernels, Workers workers) {
        this.kernels = kernels;
        this.workers = workers;
        this.scratch = new Scratch[workers.threads()];
    }

    /**
     * Searches all rows.
     *
     * @param x [rows × d], the centred rows
     * @param w [latents × d], the encoder
     * @param bias [latents]
     * @param out the winners; its k is the k searched for
     */
    public void search(Matrix x, Matrix w, float[] bias, TopKRows out) {
        x.requireCols(w.cols(), "top-k search");
        out.resize(x.rows());
        float reach = RoundingBound.reach(kernels, workers, w, bias);
        int groupRows = PANELS * kernels.tileCols();
        workers.forEach(x.rows(), groupRows, (from, to, worker) -> {
            Scratch mine = scratch[worker];
            if (mine == null || mine.packed.length < groupRows * x.cols()) {
                mine = new Scratch(groupRows, x.cols(), kernels);
                scratch[worker] = mine;
            }
            searchGroup(x, w, bias, reach, from, to, mine, out);
        });
    }

    private void searchGroup(
            Matrix x, Matrix w, float[] bias, float reach, int from, int to, Scratch mine, TopKRows out) {
        mine.start(x, from, to, reach, kernels);
        int cols = kernels.tileCols();
        int panels = (to - from + cols - 1) / cols;
        int step = kernels.tileRows();
        int depth = x.cols();
        for (int latent = 0; latent < w.rows(); latent += step) {
            int rows = Math.min(step, w.rows() - latent);
            for (int panel = 0; panel < panels; panel++) {
                kernels.tile(mine.packed, panel * depth * cols, w.data(), latent * depth, rows, depth, mine.tile);
                for (int r = 0; r < rows; r++) {
                    float b = bias[latent + r];
                    int hits = kernels.above(mine.tile, r * cols, b, mine.bar, panel * cols);
                    while (hits != 0) {
                        int c = Integer.numberOfTrailingZeros(hits);
                        hits &= hits - 1;
                        mine.offer(panel * cols + c, mine.tile[r * cols + c] + b, latent + r, out.k);
                    }
                }
            }
        }
        for (int row = from; row < to; row++) {
            int n = mine.candidates(row - from, out.k);
            settle(kernels, x, row, w, bias, mine.keys[row - from], n, out);
        }
    }

    /**
     * Values the candidates by r and writes the winners of one row.
     *
     * @param keys the first n hold the candidates; overwritten
     */
    static void settle(Kernels kernels, Matrix x, int row, Matrix w, float[] bias, long[] keys, int n, TopKRows out) {
        int d = x.cols();
        int positive = 0;
        for (int i = 0; i < n; i++) {
            int latent = Keys.index(keys[i]);
            float r = kernels.dot(x.data(), row * d, w.data(), latent * d, d) + bias[latent];
            if (r > 0) {
                keys[positive++] = Keys.of(r, latent);
            }
        }
        int winners = Math.min(positive, out.k);
        if (winners > 0) {
            Keys.selectLargest(keys, positive, winners);
        }
        int at = row * out.k;
        for (int i = 0; i < winners; i++) {
            // Rotated so that the natural order is by latent and the value rides along.
            keys[i] = (long) Keys.index(keys[i]) << 32 | (Float.floatToRawIntBits(Keys.value(keys[i])) & 0xFFFF_FFFFL);
        }
        Arrays.sort(keys, 0, winners);
        for (int i = 0; i < winners; i++) {
            out.index[at + i] = (int) (keys[i] >> 32);
            out.value[at + i] = Float.intBitsToFloat((int) keys[i]);
        }
        out.count[row] = winners;
    }

    /** One worker's memory for one group of rows. */
    private static final class Scratch {
        final float[] packed;
        final float[] tile;

        /** p must exceed this to be a candidate; infinite for the columns that pad the last panel. */
        final float[] bar;

        /** 2B of each row. */
        final float[] slack;

        final long[][] keys;
        final int[] size;

        Scratch(int rows, int depth, Kernels kernels) {
            packed = new float[rows * depth];
            tile = new float[kernels.tileRows() * kernels.tileCols()];
            bar = new float[rows];
            slack = new float[rows];
            keys = new long[rows][256];
            size = new int[rows];
        }

        void start(Matrix x, int from, int to, float reach, Kernels kernels) {
            int d = x.cols();
            int cols = kernels.tileCols();
            for (int i = 0; i < bar.length; i++) {
                int panel = i / cols * d * cols + i % cols;
                int row = from + i;
                size[i] = 0;
                if (row < to) {
                    slack[i] = 2 * RoundingBound.of(kernels, x, row, reach);
                    bar[i] = -slack[i];
                    for (int k = 0; k < d; k++) {
                        packed[panel + k * cols] = x.data()[row * d + k];
                    }
                } else {
                    bar[i] = Float.POSITIVE_INFINITY;
                    for (int k = 0; k < d; k++) {
                        packed[panel + k * cols] = 0;
                    }
                }
            }
        }

        void offer(int row, float p, int latent, int k) {
            if (p <= bar[row]) {
                return;
            }
            if (size[row] == keys[row].length) {
                int kept = candidates(row, k);
                if (kept > keys[row].length / 2) {
                    keys[row] = Arrays.copyOf(keys[row], keys[row].length * 2);
                }
                if (p <= bar[row]) {
                    return;
                }
            }
            keys[row][size[row]++] = Keys.of(p, latent);
        }

        /** Drops what can no longer win, raises the bar, and returns how many candidates are left, in front. */
        int candidates(int row, int k) {
            long[] all = keys[row];
            int n = size[row];
            if (n <= k) {
                return n;
            }
            Keys.selectLargest(all, n, k);
            bar[row] = Math.max(bar[row], Keys.value(all[k - 1]) - slack[row]);
            int kept = k;
            for (int i = k; i < n; i++) {
                if (Keys.value(all[i]) >= bar[row]) {
                    all[kept++] = all[i];
                }
            }
            size[row] = kept;
            return kept;
        }
    }
}
