package org.loupe.eval;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Panels;
import org.loupe.tensor.Workers;

/**
 * For each row of one dictionary the largest cosine to a row of another. All pairs are compared, in f32 (errors of about 1e-6),
 * tile by tile: no [rows × rows] matrix is stored, unless {@link #all} is asked for it.
 */
public final class MaxCosine {
    /** Panels of packed rows that share one pass over the other dictionary. */
    private static final int PANELS = 4;

    private MaxCosine() {}

    /**
     * max over rows j of b of cos(aᵢ, bⱼ), for each row i of a: the mean of it is MMCS (Sharkey et al. 2022). A row of zeros
     * has cosine 0 to everything.
     *
     * @param a [rows × d], not modified
     * @param b [· × d], not modified
     * @return [a.rows()]
     */
    public static float[] between(Matrix a, Matrix b, Workers workers) {
        b.requireCols(a.cols(), "cosines");
        return search(unit(a), unit(b), false, workers);
    }

    /**
     * Coherence: max over j ≠ i of |cos(aᵢ, aⱼ)|, for each row i.
     *
     * @param a [rows × d], not modified
     * @return [a.rows()]; 0 when there is one row
     */
    public static float[] within(Matrix a, Workers workers) {
        Matrix unit = unit(a);
        return search(unit, unit, true, workers);
    }

    /**
     * All cosines, cos(aᵢ, bⱼ). A row of zeros has cosine 0 to everything.
     *
     * @return [a.rows() × b.rows()]
     */
    public static Matrix all(Matrix a, Matrix b, Workers workers) {
        b.requireCols(a.cols(), "cosines");
        Matrix all = Matrix.zeros(a.rows(), b.rows());
        compare(unit(a), unit(b), workers, (i, j, cosine) -> all.data()[all.offset(i) + j] = cosine);
        return all;
    }

    private static float[] search(Matrix a, Matrix b, boolean within, Workers workers) {
        float[] largest = new float[a.rows()];
        Arrays.fill(largest, within ? 0 : -1);
        compare(a, b, workers, (i, j, cosine) -> {
            if (!within) {
                largest[i] = Math.max(largest[i], cosine);
            } else if (i != j) {
                largest[i] = Math.max(largest[i], Math.abs(cosine));
            }
        });
        return largest;
    }

    /** Told the cosine of each pair; pairs of one i come from one thread, by ascending j. */
    @FunctionalInterface
    private interface Sink {
        void take(int i, int j, float cosine);
    }

    private static void compare(Matrix a, Matrix b, Workers workers, Sink sink) {
        Kernels kernels = Kernels.BEST;
        int cols = kernels.tileCols();
        int step = kernels.tileRows();
        int depth = a.cols();
        workers.forEach(a.rows(), PANELS * cols, (from, to, worker) -> {
            int places = (to - from + cols - 1) / cols * cols;
            float[] packed = new float[places * depth];
            Panels.pack(a, from, to, places, cols, packed);
            float[] tile = new float[step * cols];
            for (int j = 0; j < b.rows(); j += step) {
                int rows = Math.min(step, b.rows() - j);
                for (int first = from; first < to; first += cols) {
                    kernels.tile(packed, (first - from) * depth, b.data(), j * depth, rows, depth, tile);
                    for (int r = 0; r < rows; r++) {
                        for (int i = first; i < Math.min(to, first + cols); i++) {
                            sink.take(i, j + r, tile[r * cols + i - first]);
                        }
                    }
                }
            }
        });
    }

    private static Matrix unit(Matrix a) {
        Matrix unit = Matrix.zeros(a.rows(), a.cols());
        for (int r = 0; r < a.rows(); r++) {
            double norm = 0;
            for (int c = 0; c < a.cols(); c++) {
                norm += (double) a.at(r, c) * a.at(r, c);
            }
            double scale = norm > 0 ? 1 / Math.sqrt(norm) : 0;
            for (int c = 0; c < a.cols(); c++) {
                unit.data()[unit.offset(r) + c] = (float) (a.at(r, c) * scale);
            }
        }
        return unit;
    }
}
