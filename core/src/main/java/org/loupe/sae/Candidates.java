package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Keys;

/** One worker's memory for one group of rows: the rows packed for the product, and each row's candidates as they come in. */
final class Candidates {
    private static final int CAPACITY = 256;

    /** Panels of {@link Kernels#tileCols} rows side by side, [panel × depth × tileCols]. */
    final float[] packed;

    final float[] tile;

    /** A proposed value must exceed this to be kept; infinite for the columns that pad the last panel. */
    final float[] bar;

    /** B of each row: |p − r| is at most this. */
    final float[] bound;

    /** What each row's product is to be multiplied by. */
    final float[] factor;

    /** (p, latent) of each row's candidates, by latent; see {@link Keys}. */
    final long[][] keys;

    /** The least key among each row's k largest p at the last {@link #shrink}. */
    final long[] least;

    /** Places of one run that passed the bar. */
    final int[] hits = new int[LatentSearch.RUN];

    private final int[] size;
    private long[] selection = new long[CAPACITY];
    private long[] exact = new long[CAPACITY];
    private int k;
    private boolean positive;

    Candidates(int rows, int depth, Kernels kernels) {
        packed = new float[rows * depth];
        tile = new float[kernels.tileRows() * kernels.tileCols()];
        bar = new float[rows];
        bound = new float[rows];
        factor = new float[rows];
        keys = new long[rows][CAPACITY];
        least = new long[rows];
        size = new int[rows];
    }

    /**
     * Begins a group of that many rows, k winners each.
     *
     * @param positive whether only positive values can win
     */
    void start(int rows, int k, boolean positive) {
        this.k = k;
        this.positive = positive;
        Arrays.fill(size, 0);
        Arrays.fill(bar, rows, bar.length, Float.POSITIVE_INFINITY);
    }

    /** Sets a row's bound. Where winners are positive, the bar starts at −B. */
    void bound(int row, float b) {
        bound[row] = b;
        bar[row] = positive ? -b : Float.NEGATIVE_INFINITY;
    }

    /** Takes a proposed value. */
    void offer(int row, float p, int latent) {
        if (p <= bar[row]) {
            return;
        }
        if (size[row] == keys[row].length) {
            int kept = shrink(row);
            if (kept > keys[row].length / 2) {
                keys[row] = Arrays.copyOf(keys[row], keys[row].length * 2);
            }
            if (p <= bar[row]) {
                return;
            }
        }
        keys[row][size[row]++] = Keys.of(p, latent);
    }

    /** Memory for n keys. */
    long[] exact(int n) {
        if (exact.length < n) {
            exact = new long[2 * n];
        }
        return exact;
    }

    /** Raises the bar to (k-th largest p) − 2B and drops what is below it; how many are left. */
    int shrink(int row) {
        long[] all = keys[row];
        int n = size[row];
        least[row] = leastOfLargest(all, n, k);
        if (n <= k) {
            return n;
        }
        // The bar excludes, so it lies one step below the least value that has to stay.
        bar[row] = Math.max(bar[row], Math.nextDown(Keys.value(least[row]) - 2 * bound[row]));
        int kept = 0;
        for (int i = 0; i < n; i++) {
            if (all[i] >= least[row] || Keys.value(all[i]) > bar[row]) {
                all[kept++] = all[i];
            }
        }
        size[row] = kept;
        return kept;
    }

    /** The least of the k largest of the first n keys, or less than any key where there are no more than k; moves nothing. */
    long leastOfLargest(long[] all, int n, int k) {
        if (n <= k) {
            return Long.MIN_VALUE;
        }
        if (selection.length < n) {
            selection = new long[all.length];
        }
        System.arraycopy(all, 0, selection, 0, n);
        Keys.selectLargest(selection, n, k);
        return selection[k - 1];
    }
}
