package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.ActiveRows;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * One batch on its way through a step. Its entries are the latents that are active in each row, and those whose inactivity has a
 * gradient. A row's entries are cut into {@code levels} runs; the reconstruction of level l is by the runs 0 to l, so that
 * nested losses (Matryoshka, HierarchicalTopK) need nothing but another cut. Level l of row r stands at row l · rows + r of
 * {@link #reconstruction} and {@link #gradient}.
 */
final class Batch {
    private static final int CHUNK = 64;

    final int rows;
    final int levels;

    /** x [rows × dIn], scaled. */
    final Matrix x;

    /** What is to be reconstructed [rows × dOut], scaled: x itself for an autoencoder. */
    final Matrix target;

    /** ĝ [rows × dIn], where the configuration reads gradients; else without rows. */
    Matrix modelGradient = Matrix.zeros(0, 0);

    /** x − b_in [rows × dIn]; of matching pursuit below it the residuals after every step. */
    final Matrix inputs;

    /** What a {@link org.loupe.sae.RowScore} multiplies each row by, and its slope in the exponent; empty where there is none. */
    final float[] scoreFactor;

    final double[] scoreLog;

    /** Whether levels are the steps of one reconstruction, of which only the last is judged. */
    final boolean steps;

    /** x̂ of every level. */
    final Matrix reconstruction;

    /** dL/dx̂: first of every level alone, then (after {@link NestedLoss}) of a level and those above it. */
    final Matrix gradient;

    /** Latents with their pre-activations. */
    final ActiveRows active = new ActiveRows();

    /** f of each entry: active.value() itself where f = z. */
    float[] f = new float[0];

    /** dL/df of each entry; after the backward dL/dz. */
    float[] slope = new float[0];

    /** Run l of row r holds entries cuts[r · levels + l] to cuts[r · levels + l + 1] − 1. */
    int[] cuts = new int[1];

    /** Latents that had not fired for long when the step began, ascending. */
    int[] dead = new int[0];

    /** What the squared errors are multiplied by in the loss: 1 / (rows · V), or 1 / (rows · √V) for the unsquared norm. */
    final double factor;

    private final int latents;
    private final Workers workers;
    private final LatentBlocks blocks = new LatentBlocks();
    private boolean cut;
    private float[] own = new float[0];

    Batch(int rows, int dIn, int dOut, int latents, int levels, boolean steps, double factor, Workers workers) {
        this(rows, dIn, dOut, latents, levels, steps, false, factor, workers);
    }

    Batch(
            int rows,
            int dIn,
            int dOut,
            int latents,
            int levels,
            boolean steps,
            boolean scored,
            double factor,
            Workers workers) {
        this.scoreFactor = new float[scored ? rows : 0];
        this.scoreLog = new double[scored ? rows : 0];
        this.rows = rows;
        this.levels = levels;
        this.x = Matrix.zeros(rows, dIn);
        this.target = dOut == 0 ? x : Matrix.zeros(rows, dOut);
        int width = target.cols();
        this.steps = steps;
        this.inputs = Matrix.zeros((steps ? levels + 1 : 1) * rows, dIn);
        this.reconstruction = Matrix.zeros(levels * rows, width);
        this.gradient = Matrix.zeros(levels * rows, width);
        this.factor = factor;
        this.latents = latents;
        this.workers = workers;
    }

    /** Makes ready for other rows. */
    void renew() {
        cut = false;
    }

    /** The entries of one level, which ascend by latent, in blocks of latents. */
    LatentBlocks blocks() {
        if (!cut) {
            blocks.cut(rows, active.starts(), active.index(), latents, workers);
            cut = true;
        }
        return blocks;
    }

    /** What is done with one entry. */
    @FunctionalInterface
    interface Entry {
        void at(int e);
    }

    /** Goes through all entries, in any order. */
    void forEachEntry(Entry entry) {
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            for (int e = active.starts()[from]; e < active.starts()[to]; e++) {
                entry.at(e);
            }
        });
    }

    /** Goes through all entries row by row; the sum of what they give. */
    double sumByRow(LatentBlocks.Entry entry) {
        double[] sums = new double[(rows + CHUNK - 1) / CHUNK];
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            double sum = 0;
            for (int e = active.starts()[from]; e < active.starts()[to]; e++) {
                sum += entry.at(e);
            }
            sums[from / CHUNK] = sum;
        });
        return Arrays.stream(sums).sum();
    }

    /** Goes through all entries block by block of latents ({@link LatentBlocks#sum}). */
    double sumByLatent(LatentBlocks.Entry entry) {
        return blocks().sum(workers, entry);
    }

    /** The centred rows. */
    Matrix centred() {
        return inputs.head(rows);
    }

    /** Σ_b x_c,b [dIn]. */
    float[] columnSums(Kernels kernels) {
        float[] sums = new float[inputs.cols()];
        for (int r = 0; r < rows; r++) {
            kernels.addScaled(1, inputs.data(), inputs.offset(r), sums, 0, sums.length);
        }
        return sums;
    }

    /** Takes the entries' pre-activations for their activations, one level. */
    void linear() {
        f = active.value();
        cuts = active.starts();
    }

    /** Memory for activations that differ from pre-activations. */
    float[] ownActivations() {
        if (own.length < active.entries()) {
            own = new float[active.value().length];
        }
        f = own;
        return own;
    }

    /** Memory for the slopes. */
    float[] slopes() {
        if (slope.length < active.entries()) {
            slope = new float[active.value().length];
        }
        return slope;
    }

    /** The reconstruction by all entries. */
    Matrix last() {
        return level(reconstruction, levels - 1);
    }

    /** A copy of one level's rows, or the matrix itself where there is one level. */
    private Matrix level(Matrix all, int level) {
        if (levels == 1) {
            return all;
        }
        int size = rows * all.cols();
        return new Matrix(rows, all.cols(), Arrays.copyOfRange(all.data(), level * size, (level + 1) * size));
    }

    /** Σ‖x − x̄‖² of the targets, x̄ their mean in this batch. */
    double spread(Kernels kernels) {
        int d = target.cols();
        int chunks = (rows + CHUNK - 1) / CHUNK;
        double[] squares = new double[chunks];
        Matrix sums = Matrix.zeros(chunks, d);
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            int chunk = from / CHUNK;
            for (int r = from; r < to; r++) {
                squares[chunk] += kernels.dot(target.data(), r * d, target.data(), r * d, d);
                kernels.addScaled(1, target.data(), r * d, sums.data(), chunk * d, d);
            }
        });
        double total = Arrays.stream(squares).sum();
        for (int c = 0; c < d; c++) {
            double sum = 0;
            for (int chunk = 0; chunk < chunks; chunk++) {
                sum += sums.at(chunk, c);
            }
            total -= sum * sum / rows;
        }
        return total;
    }

    /** Entries whose activation is not 0. */
    long active() {
        long[] counts = new long[(rows + CHUNK - 1) / CHUNK];
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            int n = 0;
            for (int e = active.starts()[from]; e < active.starts()[to]; e++) {
                n += f[e] != 0 ? 1 : 0;
            }
            counts[from / CHUNK] = n;
        });
        return Arrays.stream(counts).sum();
    }
}
