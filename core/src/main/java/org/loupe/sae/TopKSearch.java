package org.loupe.sae;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Keys;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Finds, for each row x, the k largest positive values of r(j) = ⟨x, w_j⟩ + b_j, r computed in f32 by {@link Kernels#dot}.
 *
 * <p>All latents are first valued by a cheaper product p, one tile at a time while the tile is in cache; nothing of size
 * [rows × latents] is ever stored. With |p(j) − r(j)| ≤ B for all j ({@link RoundingBound}), let S be the k largest of p and τ the
 * least r in S: then the k-th largest r is at least τ, so every winner has p(j) ≥ τ − B, and the k largest of r among those
 * candidates are the k largest of r among all. While the product runs, τ is not known yet; the k-th largest p so far, less 2B, is
 * a lower bar. Winners and values therefore do not depend on the product, on the shape of its tiles, or on the number of
 * threads; that |p − r| ≤ B held is asserted on every pair valued twice.
 */
public final class TopKSearch {
    /** Panels of one group: 4 × 32 rows × 768 × 4 bytes = 393 kB, which stays in a 1 MB second-level cache. */
    private static final int PANELS = 4;

    /** Latents scanned against one bar; after them the bar is read again. */
    static final int RUN = 256;

    private final Kernels kernels;
    private final Workers workers;
    private final @Nullable LowPrecisionProduct product;
    private final Candidates[] scratch;

    /** A search whose product is f32. */
    public TopKSearch(Kernels kernels, Workers workers) {
        this(kernels, workers, null);
    }

    /**
     * A search with a product of its own.
     *
     * @param product for encoders of this search's shape, or null for the f32 product
     */
    public TopKSearch(Kernels kernels, Workers workers, @Nullable LowPrecisionProduct product) {
        this.kernels = kernels;
        this.workers = workers;
        this.product = product;
        this.scratch = new Candidates[workers.threads()];
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
        RoundingBound bound = RoundingBound.of(kernels, workers, w, bias);
        if (product != null) {
            product.weights(w, bound.norm(), x, workers);
        }
        int group = product == null ? PANELS * kernels.tileCols() : product.rows();
        workers.forEach(x.rows(), group, (from, to, worker) -> {
            Candidates mine = scratch[worker];
            if (mine == null || mine.packed.length < group * x.cols()) {
                mine = new Candidates(group, x.cols(), kernels);
                scratch[worker] = mine;
            }
            mine.start(to - from, out.k);
            if (product == null) {
                propose(x, w, bias, bound, from, to, mine);
            } else {
                propose(product, x, bias, bound, from, to, worker, mine);
            }
            for (int row = from; row < to; row++) {
                settle(x, row, w, bias, mine, row - from, out);
            }
        });
    }

    /** Proposals of the f32 product. */
    private void propose(Matrix x, Matrix w, float[] bias, RoundingBound bound, int from, int to, Candidates mine) {
        int depth = x.cols();
        int cols = kernels.tileCols();
        for (int row = from; row < to; row++) {
            mine.bound(row - from, known(bound.exactInputs(norm(x, row), depth), row));
        }
        mine.pack(x, from, to, cols);
        int panels = (to - from + cols - 1) / cols;
        int step = kernels.tileRows();
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
                        mine.offer(panel * cols + c, mine.tile[r * cols + c] + b, latent + r);
                    }
                }
            }
        }
    }

    /** Proposals of a low-precision product. */
    private void propose(
            LowPrecisionProduct product,
            Matrix x,
            float[] bias,
            RoundingBound bound,
            int from,
            int to,
            int worker,
            Candidates mine) {
        product.rows(worker, x, from, to, mine.factor, mine.bound);
        for (int row = from; row < to; row++) {
            float b = mine.bound[row - from] + bound.exactInputs(norm(x, row), x.cols());
            mine.bound(row - from, known(b, row));
        }
        int width = product.sliceLatents();
        for (int first = 0; first < bias.length; first += width) {
            int latents = Math.min(width, bias.length - first);
            MemorySegment values = product.multiply(worker, first / width);
            for (int row = 0; row < to - from; row++) {
                float factor = mine.factor[row];
                for (int run = 0; run < latents; run += RUN) {
                    long at = (long) row * latents + run;
                    int n = Math.min(RUN, latents - run);
                    int hits = kernels.above(values, at, factor, bias, first + run, mine.bar[row], n, mine.hits);
                    for (int h = 0; h < hits; h++) {
                        int latent = first + run + mine.hits[h];
                        float v = values.get(ValueLayout.JAVA_FLOAT, (at + mine.hits[h]) * 4);
                        mine.offer(row, Math.fma(factor, v, bias[latent]), latent);
                    }
                }
            }
        }
    }

    private static float known(float bound, int row) {
        if (Float.isNaN(bound)) {
            throw new BadInput("row " + row + " of the batch, or the encoder, holds NaN");
        }
        return bound;
    }

    private float norm(Matrix x, int row) {
        int d = x.cols();
        return (float) Math.sqrt(kernels.dot(x.data(), row * d, x.data(), row * d, d));
    }

    /** Values the candidates of one row by r and writes its winners: first the k largest p, then what they leave possible. */
    private void settle(Matrix x, int row, Matrix w, float[] bias, Candidates mine, int slot, TopKRows out) {
        int n = mine.shrink(slot);
        long[] keys = mine.keys[slot];
        long sure = mine.least[slot];
        float bound = mine.bound[slot];
        float least = Float.POSITIVE_INFINITY;
        long[] exact = mine.exact(n);
        for (int i = 0; i < n; i++) {
            if (keys[i] >= sure) {
                exact[i] = value(x, row, w, bias, keys[i], bound);
                least = Math.min(least, Keys.value(exact[i]));
            }
        }
        int positive = 0;
        for (int i = 0; i < n; i++) {
            if (keys[i] < sure) {
                if (Keys.value(keys[i]) < least - bound) {
                    continue;
                }
                exact[i] = value(x, row, w, bias, keys[i], bound);
            }
            if (Keys.value(exact[i]) > 0) {
                exact[positive++] = exact[i];
            }
        }
        write(exact, positive, mine.leastOfLargest(exact, positive, out.k), row, out);
    }

    /** (r, latent) of a proposed key; asserts that p was within the bound of r. */
    private long value(Matrix x, int row, Matrix w, float[] bias, long key, float bound) {
        int latent = Keys.index(key);
        float p = Keys.value(key);
        float r = kernels.dot(x.data(), row * x.cols(), w.data(), latent * x.cols(), x.cols()) + bias[latent];
        if (!Float.isFinite(r)) {
            throw new BadInput(
                    "row " + row + " of the batch, latent " + latent + ": the pre-activation is " + r
                            + "; the row or the encoder is too large for f32 (in training: it has diverged, take a smaller lr)");
        }
        if (!(Math.abs(r - p) <= bound)) {
            throw new IllegalStateException("top-k certificate: row " + row + ", latent " + latent
                    + ": the product gives " + p + ", f32 gives " + r + ", further apart than " + bound);
        }
        return Keys.of(r, latent);
    }

    /** Writes the keys that are at least the given one, in their order: by latent. */
    private static void write(long[] keys, int n, long least, int row, TopKRows out) {
        int at = row * out.k;
        for (int i = 0; i < n; i++) {
            if (keys[i] >= least) {
                out.index[at] = Keys.index(keys[i]);
                out.value[at++] = Keys.value(keys[i]);
            }
        }
        out.count[row] = at - row * out.k;
    }
}
