package org.loupe.sae;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Panels;
import org.loupe.tensor.Workers;

/**
 * {@link LatentSearch.Rule.Above} where so many latents lie above their thresholds that valuing each of them once more would cost more
 * than the product: r(j) = ⟨x, w_j⟩ + b_j is what the f32 tile gives, each sum in the order of the columns. It is within {@link
 * RoundingBound} of what {@link Kernels#dot} would give.
 */
final class DenseSearch {
    /** Rows of a batch whose active latents are counted to decide. */
    private static final int SAMPLE = 16;

    /** Groups of rows that are filled at one time, a thread: bounds the memory of their parts. */
    private static final int GROUPS = 2;

    private final Kernels kernels;
    private final Workers workers;
    private final double least;
    private final float[] @Nullable [] packed;
    private ActiveRows.FullPart[] parts = new ActiveRows.FullPart[0];

    /** @param least share of the latents that must be active */
    DenseSearch(Kernels kernels, Workers workers, double least) {
        this.kernels = kernels;
        this.workers = workers;
        this.least = least;
        this.packed = new float[workers.threads()][];
    }

    /** Whether a batch is dense: by its first rows alone, so that product and threads have no say. */
    boolean suits(Matrix x, Matrix w, float[] bias, float[] floor) {
        if (least > 1) {
            return false;
        }
        int rows = Math.min(SAMPLE, x.rows());
        int d = x.cols();
        long[] active = new long[rows];
        workers.forEach(rows, 1, (row, to, worker) -> {
            for (int j = 0; j < w.rows(); j++) {
                if (kernels.dot(x.data(), row * d, w.data(), j * d, d) + bias[j] > floor[j]) {
                    active[row]++;
                }
            }
        });
        boolean dense = Arrays.stream(active).sum() >= least * rows * w.rows();
        if (!dense) {
            parts = new ActiveRows.FullPart[0];
        }
        return dense;
    }

    /**
     * Searches all rows, none of which holds NaN.
     *
     * @param group rows of one group, a multiple of {@link Kernels#tileCols}
     */
    void search(Matrix x, Matrix w, float[] bias, float[] floor, int group, ActiveRows out) {
        if (parts.length == 0 || !parts[0].holds(group, w.rows())) {
            parts = new ActiveRows.FullPart[GROUPS * workers.threads()];
            for (int i = 0; i < parts.length; i++) {
                parts[i] = new ActiveRows.FullPart(group, w.rows());
            }
        }
        out.begin(x.rows());
        int wave = group * parts.length;
        for (int first = 0; first < x.rows(); first += wave) {
            int start = first;
            int count = Math.min(wave, x.rows() - first);
            workers.forEach(count, group, (from, to, worker) -> {
                ActiveRows.FullPart part = parts[from / group];
                part.clear();
                fill(x, w, bias, floor, start + from, start + to, panels(worker, group * x.cols()), part);
            });
            out.append(first, count, parts, workers);
        }
    }

    private float[] panels(int worker, int size) {
        float[] mine = packed[worker];
        if (mine == null || mine.length < size) {
            mine = new float[size];
            packed[worker] = mine;
        }
        return mine;
    }

    private void fill(
            Matrix x,
            Matrix w,
            float[] bias,
            float[] floor,
            int from,
            int to,
            float[] panels,
            ActiveRows.FullPart part) {
        int depth = x.cols();
        int cols = kernels.tileCols();
        int step = kernels.tileRows();
        float[] tile = new float[step * cols];
        float[] bar = new float[cols];
        int count = (to - from + cols - 1) / cols;
        Panels.pack(x, from, to, count * cols, cols, panels);
        for (int latent = 0; latent < w.rows(); latent += step) {
            int rows = Math.min(step, w.rows() - latent);
            for (int panel = 0; panel < count; panel++) {
                kernels.tile(panels, panel * depth * cols, w.data(), latent * depth, rows, depth, tile);
                int places = Math.min(cols, to - from - panel * cols);
                int used = (int) ((1L << places) - 1);
                for (int r = 0; r < rows; r++) {
                    int j = latent + r;
                    Arrays.fill(bar, floor[j]);
                    int hits = kernels.above(tile, r * cols, bias[j], bar, 0) & used;
                    while (hits != 0) {
                        int c = Integer.numberOfTrailingZeros(hits);
                        hits &= hits - 1;
                        part.add(panel * cols + c, j, finite(tile[r * cols + c] + bias[j], from + panel * cols + c, j));
                    }
                }
            }
        }
    }

    /** r, unless it is too large. */
    static float finite(float r, int row, int latent) {
        if (!Float.isFinite(r)) {
            throw new BadInput(
                    "row " + row + " of the batch, latent " + latent + ": the pre-activation is " + r
                            + "; the row or the encoder is too large for f32 (in training: it has diverged, take a smaller lr)");
        }
        return r;
    }
}
