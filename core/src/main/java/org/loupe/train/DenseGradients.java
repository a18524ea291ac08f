package org.loupe.train;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Σ_b f_bi G_b, Σ_b h_bi x_c,b and Σ_b h_bi of a dense batch. {@value #ROWS} rows of G or x_c and {@value DenseRows#COLUMNS} columns
 * at a time, 24 kB, stay in the first-level cache while they are added to the gradients of a block of latents, whose entries are regrouped
 * by latent for these rows alone. Each sum is in the order of rows, with the bits that {@link EntriesByLatent} gives it.
 */
final class DenseGradients {
    private static final int ROWS = 32;

    private final Kernels kernels;
    private final Workers workers;
    private LatentBlocks blocks = new LatentBlocks();
    private float[] gradientSlabs = new float[0];
    private float[] inputSlabs = new float[0];
    private final @Nullable Regrouped[] scratch;
    private boolean[] fired = new boolean[0];

    /** One worker's entries of one block of latents in {@value #ROWS} rows: latent i has ROWS · i on. */
    private static final class Regrouped {
        private final int[] counts = new int[LatentBlocks.LATENTS];
        private final int[] row = new int[LatentBlocks.LATENTS * ROWS];
        private final float[] value = new float[LatentBlocks.LATENTS * ROWS];
        private final float[] slope = new float[LatentBlocks.LATENTS * ROWS];
    }

    DenseGradients(Kernels kernels, Workers workers) {
        this.kernels = kernels;
        this.workers = workers;
        this.scratch = new Regrouped[workers.threads()];
    }

    /** Takes a batch whose gradients {@link #block} is to give. */
    void begin(Batch batch, int latents) {
        if (fired.length != latents) {
            fired = new boolean[latents];
        }
        Arrays.fill(fired, false);
        blocks = batch.blocks();
        gradientSlabs = slabs(batch.gradient, gradientSlabs);
        inputSlabs = slabs(batch.centred(), inputSlabs);
    }

    private float[] slabs(Matrix x, float[] memory) {
        float[] out = memory.length == x.rows() * x.cols() ? memory : new float[x.rows() * x.cols()];
        workers.forEach(
                x.rows(), ROWS, (from, to, worker) -> DenseRows.slabs(x, from, to - from, out, from * x.cols()));
        return out;
    }

    /**
     * Overwrites the gradients of the latents [from, to).
     *
     * @param from a multiple of {@link LatentBlocks#LATENTS}
     * @param to at most that many more
     */
    void block(int from, int to, Batch batch, Matrix decoder, Matrix encoder, float[] encoderBias, int worker) {
        Regrouped mine = scratch[worker];
        if (mine == null) {
            mine = new Regrouped();
            scratch[worker] = mine;
        }
        Arrays.fill(decoder.data(), from * decoder.cols(), to * decoder.cols(), 0);
        Arrays.fill(encoder.data(), from * encoder.cols(), to * encoder.cols(), 0);
        Arrays.fill(encoderBias, from, to, 0);
        for (int first = 0; first < batch.rows; first += ROWS) {
            int n = Math.min(ROWS, batch.rows - first);
            regroup(mine, batch, first, n, from, encoderBias);
            add(mine, mine.value, gradientSlabs, first, n, from, to, decoder);
            add(mine, mine.slope, inputSlabs, first, n, from, to, encoder);
        }
    }

    private void regroup(Regrouped mine, Batch batch, int first, int n, int latent, float[] encoderBias) {
        int block = latent / LatentBlocks.LATENTS;
        int[] index = batch.active.index();
        Arrays.fill(mine.counts, 0);
        for (int r = 0; r < n; r++) {
            int end = blocks.to(first + r, block);
            for (int e = blocks.from(first + r, block); e < end; e++) {
                int i = index[e] - latent;
                int place = i * ROWS + mine.counts[i]++;
                mine.row[place] = r;
                mine.value[place] = batch.f[e];
                mine.slope[place] = batch.slope[e];
                encoderBias[index[e]] += batch.slope[e];
                fired[index[e]] |= batch.f[e] != 0;
            }
        }
    }

    private void add(Regrouped mine, float[] weight, float[] slabs, int first, int n, int from, int to, Matrix out) {
        int d = out.cols();
        for (int c = 0; c < d; c += DenseRows.COLUMNS) {
            int width = Math.min(DenseRows.COLUMNS, d - c);
            for (int i = 0; i < to - from; i++) {
                if (mine.counts[i] == 0) {
                    continue;
                }
                int at = (from + i) * d + c;
                kernels.weightedRows(
                        slabs,
                        first * d + n * c,
                        width,
                        mine.row,
                        weight,
                        i * ROWS,
                        i * ROWS + mine.counts[i],
                        out.data(),
                        at,
                        out.data(),
                        at);
            }
        }
    }

    /** Whether a latent was active in the last batch. */
    boolean fired(int latent) {
        return fired[latent];
    }
}
