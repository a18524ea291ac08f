package org.loupe.sae;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Keys;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Panels;
import org.loupe.tensor.Workers;

/**
 * Finds, for each row x, the latents that a rule keeps by their pre-activations r(j) = ⟨x, w_j⟩ + b_j, r computed in f32 by
 * {@link Kernels#dot}.
 *
 * <p>All latents are first valued by a cheaper product p, one tile at a time while the tile is in cache; nothing of size
 * [rows × latents] is ever stored. |p(j) − r(j)| ≤ B for all j ({@link RoundingBound}). Above a threshold θ only latents with p(j) − θ_j &gt; −B
 * can lie, and r decides among them. For the k largest, let S be the k largest of p and τ the least r in S: then the k-th largest r is at
 * least τ, so every winner has p(j) ≥ τ − B, and the k largest of r among those candidates are the k largest of r among all. While
 * the product runs, τ is not known yet; the k-th largest p so far, less 2B, is a lower bar. What is found does therefore not depend
 * on the product, on the shape of its tiles, or on the number of threads; that |p − r| ≤ B held is asserted on every pair valued
 * twice. A search that is told to may take the tile's sums for r where a batch is dense ({@link DenseSearch}); these do not depend on the
 * product or the number of threads either.
 */
public final class LatentSearch {
    /** Panels of one group: 4 × 32 rows × 768 × 4 bytes = 393 kB, which stays in a 1 MB second-level cache. */
    private static final int PANELS = 4;

    /** Latents scanned against one bar; after them the bar is read again. */
    static final int RUN = 256;

    /** A share that no batch reaches. */
    private static final double NEVER = 2;

    private final Kernels kernels;
    private final Workers workers;
    private final @Nullable LowPrecisionProduct product;
    private final Candidates[] scratch;
    private final DenseSearch dense;

    /** b_j − θ_j, which the product's sums are added to. */
    private float[] margins = new float[0];

    /** Which latents of a row are kept. */
    public sealed interface Rule {
        /**
         * f = r on the k largest positive pre-activations, of equal ones the lower latents.
         *
         * @param k at least 1; may exceed the number of latents
         */
        record Largest(int k) implements Rule {}

        /**
         * f = r where r &gt; θ.
         *
         * @param threshold θ [latents], of any sign
         */
        record Above(float[] threshold) implements Rule {}

        /** f = r on the row's largest pre-activation, of any sign; of equal ones the lower latent. */
        record Best() implements Rule {}
    }

    /** A search whose product is f32. */
    public LatentSearch(Kernels kernels, Workers workers) {
        this(kernels, workers, null);
    }

    /**
     * A search with a product of its own.
     *
     * @param product for encoders of this search's shape, or null for the f32 product
     */
    public LatentSearch(Kernels kernels, Workers workers, @Nullable LowPrecisionProduct product) {
        this(kernels, workers, product, NEVER);
    }

    /**
     * A search for training, where an early batch may have half of all latents active.
     *
     * @param dense share of latents above their thresholds from which on values are the f32 tile's sums ({@link DenseSearch}), whatever
     *     product is given; above 1: never
     */
    public LatentSearch(Kernels kernels, Workers workers, @Nullable LowPrecisionProduct product, double dense) {
        this.kernels = kernels;
        this.workers = workers;
        this.product = product;
        this.scratch = new Candidates[workers.threads()];
        this.dense = new DenseSearch(kernels, workers, dense);
    }

    /**
     * Searches all rows.
     *
     * @param x [rows × d], the centred rows
     * @param w [latents × d], the encoder
     * @param bias [latents]
     * @param out what is found, overwritten
     */
    public void search(Matrix x, Matrix w, float[] bias, Rule rule, ActiveRows out) {
        x.requireCols(w.cols(), "search of latents");
        float[] floor = switch (rule) {
            case Rule.Largest _, Rule.Best _ -> new float[bias.length];
            case Rule.Above above -> above.threshold();
        };
        if (margins.length != bias.length) {
            margins = new float[bias.length];
        }
        for (int j = 0; j < margins.length; j++) {
            margins[j] = bias[j] - floor[j];
        }
        RoundingBound bound = RoundingBound.of(kernels, workers, w, bias, floor);
        if (rule instanceof Rule.Above && dense.suits(x, w, bias, floor)) {
            requireNumbers(x, bound);
            dense.search(x, w, bias, floor, PANELS * kernels.tileCols(), out);
            return;
        }
        if (product != null) {
            product.weights(w, bound.norm(), x, workers);
        }
        int group = product == null ? PANELS * kernels.tileCols() : product.rows();
        out.begin(x.rows(), group);
        workers.forEach(x.rows(), group, (from, to, worker) -> {
            Candidates mine = scratch[worker];
            if (mine == null || mine.packed.length < group * x.cols()) {
                mine = new Candidates(group, x.cols(), kernels);
                scratch[worker] = mine;
            }
            mine.start(
                    to - from,
                    switch (rule) {
                        case Rule.Largest largest -> largest.k();
                        case Rule.Above _ -> Integer.MAX_VALUE;
                        case Rule.Best _ -> 1;
                    },
                    !(rule instanceof Rule.Best));
            if (product == null) {
                propose(x, w, bound, from, to, mine);
            } else {
                propose(product, x, bound, from, to, worker, mine);
            }
            Settlement settlement = new Settlement(x, w, bias, floor);
            ActiveRows.Part part = out.part(from);
            for (int row = from; row < to; row++) {
                switch (rule) {
                    case Rule.Largest largest -> settlement.largest(row, mine, row - from, largest.k(), 0, part);
                    case Rule.Best _ -> settlement.largest(row, mine, row - from, 1, Float.NEGATIVE_INFINITY, part);
                    case Rule.Above above -> settlement.above(row, mine, row - from, part);
                }
                part.endRow(row - from);
            }
        });
        out.end(workers);
    }

    /** Proposals of the f32 product. */
    private void propose(Matrix x, Matrix w, RoundingBound bound, int from, int to, Candidates mine) {
        int depth = x.cols();
        int cols = kernels.tileCols();
        for (int row = from; row < to; row++) {
            mine.bound(row - from, known(bound.exactInputs(norm(x, row), depth), row));
        }
        Panels.pack(x, from, to, mine.bar.length, cols, mine.packed);
        int panels = (to - from + cols - 1) / cols;
        int step = kernels.tileRows();
        for (int latent = 0; latent < w.rows(); latent += step) {
            int rows = Math.min(step, w.rows() - latent);
            for (int panel = 0; panel < panels; panel++) {
                kernels.tile(mine.packed, panel * depth * cols, w.data(), latent * depth, rows, depth, mine.tile);
                for (int r = 0; r < rows; r++) {
                    float b = margins[latent + r];
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
            LowPrecisionProduct product, Matrix x, RoundingBound bound, int from, int to, int worker, Candidates mine) {
        product.rows(worker, x, from, to, mine.factor, mine.bound);
        for (int row = from; row < to; row++) {
            float b = mine.bound[row - from] + bound.exactInputs(norm(x, row), x.cols());
            mine.bound(row - from, known(b, row));
        }
        int width = product.sliceLatents();
        for (int first = 0; first < margins.length; first += width) {
            int latents = Math.min(width, margins.length - first);
            MemorySegment values = product.multiply(worker, first / width);
            for (int row = 0; row < to - from; row++) {
                float factor = mine.factor[row];
                for (int run = 0; run < latents; run += RUN) {
                    long at = (long) row * latents + run;
                    int n = Math.min(RUN, latents - run);
                    int hits = kernels.above(values, at, factor, margins, first + run, mine.bar[row], n, mine.hits);
                    for (int h = 0; h < hits; h++) {
                        int latent = first + run + mine.hits[h];
                        float v = values.get(ValueLayout.JAVA_FLOAT, (at + mine.hits[h]) * 4);
                        mine.offer(row, Math.fma(factor, v, margins[latent]), latent);
                    }
                }
            }
        }
    }

    private void requireNumbers(Matrix x, RoundingBound bound) {
        for (int row = 0; row < x.rows(); row++) {
            known(bound.exactInputs(norm(x, row), x.cols()), row);
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

    /** Decides among the candidates of one batch by r. */
    private final class Settlement {
        private final Matrix x;
        private final Matrix w;
        private final float[] bias;
        private final float[] floor;

        Settlement(Matrix x, Matrix w, float[] bias, float[] floor) {
            this.x = x;
            this.w = w;
            this.bias = bias;
            this.floor = floor;
        }

        void above(int row, Candidates mine, int slot, ActiveRows.Part out) {
            int n = mine.shrink(slot);
            for (int i = 0; i < n; i++) {
                int latent = Keys.index(mine.keys[slot][i]);
                float r = value(row, mine.keys[slot][i], mine.bound[slot]);
                if (r > floor[latent]) {
                    out.add(latent, r);
                }
            }
        }

        /** First values the k largest p, then what they leave possible; keeps what lies above the least value allowed. */
        void largest(int row, Candidates mine, int slot, int k, float lowest, ActiveRows.Part out) {
            int n = mine.shrink(slot);
            long[] keys = mine.keys[slot];
            long sure = mine.least[slot];
            float bound = mine.bound[slot];
            float least = Float.POSITIVE_INFINITY;
            long[] exact = mine.exact(n);
            for (int i = 0; i < n; i++) {
                if (keys[i] >= sure) {
                    float r = value(row, keys[i], bound);
                    exact[i] = Keys.of(r, Keys.index(keys[i]));
                    least = Math.min(least, r);
                }
            }
            int kept = 0;
            for (int i = 0; i < n; i++) {
                if (keys[i] < sure) {
                    if (Keys.value(keys[i]) < least - bound) {
                        continue;
                    }
                    exact[i] = Keys.of(value(row, keys[i], bound), Keys.index(keys[i]));
                }
                if (Keys.value(exact[i]) > lowest) {
                    exact[kept++] = exact[i];
                }
            }
            long last = mine.leastOfLargest(exact, kept, k);
            for (int i = 0; i < kept; i++) {
                if (exact[i] >= last) {
                    out.add(Keys.index(exact[i]), Keys.value(exact[i]));
                }
            }
        }

        /** r of a proposed latent; asserts that p was within the bound of it. */
        private float value(int row, long key, float bound) {
            int latent = Keys.index(key);
            float p = Keys.value(key);
            float r = kernels.dot(x.data(), row * x.cols(), w.data(), latent * x.cols(), x.cols()) + bias[latent];
            DenseSearch.finite(r, row, latent);
            float margin = r - floor[latent];
            if (!(Math.abs(margin - p) <= bound)) {
                throw new IllegalStateException("search certificate: row " + row + ", latent " + latent
                        + ": the product gives " + p + ", f32 gives " + margin + ", further apart than " + bound);
            }
            return r;
        }
    }
}
