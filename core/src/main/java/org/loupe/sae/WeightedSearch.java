package org.loupe.sae;

import org.jspecify.annotations.Nullable;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Keys;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Panels;
import org.loupe.tensor.Workers;

/**
 * Finds for each row the k latents with the largest score z_j (1 + β |⟨v_j, g⟩|), z_j = ⟨x, w_j⟩ + b_j above 0, and keeps their z: a
 * pre-activation counts the more, the further the latent's dictionary row v_j moves a loss of gradient g.
 *
 * <p>Two dense products, both by the f32 tile, decide; what is kept is z by {@link Kernels#dot}. Neither depends on the number of
 * threads.
 */
public final class WeightedSearch {
    /** Panels of one group, as of {@link LatentSearch}. */
    private static final int PANELS = 4;

    private final Kernels kernels;
    private final Workers workers;
    private final @Nullable Scratch[] scratch;

    /** One worker's memory: candidates, which pack the rows, and the same for the gradients. */
    private record Scratch(Candidates candidates, float[] packed, float[] tile) {}

    public WeightedSearch(Kernels kernels, Workers workers) {
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
     * @param g [rows × d], the gradients
     * @param v [latents × d], the dictionary
     * @param out what is found, overwritten
     */
    public void search(Matrix x, Matrix w, float[] bias, Matrix g, Matrix v, double beta, int k, ActiveRows out) {
        x.requireCols(w.cols(), "search of latents");
        g.requireCols(v.cols(), "search of latents: gradients");
        int cols = kernels.tileCols();
        int group = PANELS * cols;
        out.begin(x.rows(), group);
        workers.forEach(x.rows(), group, (from, to, worker) -> {
            Scratch mine = scratch[worker];
            if (mine == null || mine.packed.length < group * g.cols()) {
                mine = new Scratch(
                        new Candidates(group, x.cols(), kernels),
                        new float[group * g.cols()],
                        new float[kernels.tileRows() * cols]);
                scratch[worker] = mine;
            }
            mine.candidates.start(to - from, k, true);
            for (int row = from; row < to; row++) {
                mine.candidates.bound(row - from, 0);
            }
            propose(x, w, bias, g, v, beta, from, to, mine);
            ActiveRows.Part part = out.part(from);
            for (int row = from; row < to; row++) {
                keep(x, w, bias, k, row, row - from, mine.candidates, part);
                part.endRow(row - from);
            }
        });
        out.end(workers);
    }

    private void propose(
            Matrix x, Matrix w, float[] bias, Matrix g, Matrix v, double beta, int from, int to, Scratch mine) {
        int cols = kernels.tileCols();
        int step = kernels.tileRows();
        Candidates candidates = mine.candidates;
        Panels.pack(x, from, to, candidates.bar.length, cols, candidates.packed);
        Panels.pack(g, from, to, candidates.bar.length, cols, mine.packed);
        int panels = (to - from + cols - 1) / cols;
        for (int latent = 0; latent < w.rows(); latent += step) {
            int rows = Math.min(step, w.rows() - latent);
            for (int panel = 0; panel < panels; panel++) {
                int places = Math.min(cols, to - from - panel * cols);
                kernels.tile(
                        candidates.packed,
                        panel * x.cols() * cols,
                        w.data(),
                        latent * x.cols(),
                        rows,
                        x.cols(),
                        candidates.tile);
                kernels.tile(
                        mine.packed, panel * g.cols() * cols, v.data(), latent * g.cols(), rows, g.cols(), mine.tile);
                for (int r = 0; r < rows; r++) {
                    for (int c = 0; c < places; c++) {
                        float z = candidates.tile[r * cols + c] + bias[latent + r];
                        if (!(z <= 0)) {
                            DenseSearch.finite(z, from + panel * cols + c, latent + r);
                            float score = (float) (z * (1 + beta * Math.abs(mine.tile[r * cols + c])));
                            candidates.offer(panel * cols + c, score, latent + r);
                        }
                    }
                }
            }
        }
    }

    private void keep(
            Matrix x, Matrix w, float[] bias, int k, int row, int slot, Candidates candidates, ActiveRows.Part out) {
        int d = x.cols();
        int n = candidates.shrink(slot);
        long[] keys = candidates.keys[slot];
        long last = candidates.leastOfLargest(keys, n, k);
        for (int i = 0; i < n; i++) {
            int latent = Keys.index(keys[i]);
            float z = kernels.dot(x.data(), row * d, w.data(), latent * d, d) + bias[latent];
            if (keys[i] >= last && z > 0) {
                out.add(latent, z);
            }
        }
    }
}
