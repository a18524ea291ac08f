package org.loupe.train;

import java.util.Arrays;
import java.util.List;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SymmetricEigen;
import org.loupe.tensor.Workers;

/**
 * What rows become before training, x' = M (x − μ), M symmetric; {@link Folding} takes it back into the weights. With s such that
 * E‖x'‖² = d, over the sample,
 *
 * <pre>
 * none    M = s I                     (Templeton et al. 2024, Scaling Monosemanticity, methods)
 * parts   M = s_p on the columns of part p, E‖x'_p‖² = d_p
 * full    M = s (Σ + εI)^−½           Σ the covariance, ε = floor · tr Σ / d (ZCA whitening)
 * metric  M = s (I + βF)^½            F = d E[g gᵀ] / E‖g‖² of gradients g ({@link #weighted}): ‖M e‖² = s² eᵀ(I + βF)e
 * </pre>
 *
 * <p>and μ = 0, or the mean where rows are centred. Without normalisation s is 1.
 *
 * @param scale √(d / E‖x − μ‖²), what M would be as a number; of the metric s, so that (I + βF)^½, which alone is left in a
 *     dictionary folded back, depends on the gradients and not on the sample
 * @param factor M's diagonal [d] where M is diagonal, else empty
 * @param shift μ [d]; empty: 0
 * @param matrix M [d · d] where it is not diagonal, else empty
 * @param inverse M⁻¹ [d · d] of a matrix
 */
record RowMap(double scale, double[] factor, double[] shift, double[] matrix, double[] inverse) {
    private static final double[] NONE = {};

    /** x' = s x. */
    static RowMap scalar(double scale, int d) {
        double[] factor = new double[d];
        Arrays.fill(factor, scale);
        return new RowMap(scale, factor, NONE, NONE, NONE);
    }

    /**
     * Measures a sample [rows × d], raw units.
     *
     * @param parts widths of the parts side by side
     */
    static RowMap of(Matrix sample, List<Integer> parts, InputConfig input, Workers workers) {
        double[] mean = new double[sample.cols()];
        sample.meanInto(mean);
        double[] shift = input.centre_rows() ? mean : NONE;
        return switch (input.whiten()) {
            case NONE -> diagonal(sample, List.of(sample.cols()), shift, input.normalize());
            case PARTS -> diagonal(sample, parts, shift, input.normalize());
            case FULL -> {
                RowMap plain = diagonal(sample, List.of(sample.cols()), shift, true);
                yield whitening(sample, mean, plain, input, workers);
            }
        };
    }

    private static RowMap diagonal(Matrix sample, List<Integer> parts, double[] shift, boolean normalize) {
        double[] factor = new double[sample.cols()];
        double all = 0;
        int from = 0;
        for (int width : parts) {
            double squares = 0;
            for (int r = 0; r < sample.rows(); r++) {
                for (int c = from; c < from + width; c++) {
                    double x = sample.at(r, c) - (shift.length > 0 ? shift[c] : 0);
                    squares += x * x / sample.rows();
                }
            }
            Arrays.fill(factor, from, from + width, scale(width, squares, normalize));
            all += squares;
            from += width;
        }
        return new RowMap(scale(sample.cols(), all, normalize), factor, shift, NONE, NONE);
    }

    private static double scale(int width, double squares, boolean normalize) {
        return normalize && squares > 0 ? Math.sqrt(width / squares) : 1;
    }

    /** @param plain the map without whitening, which holds where the rows have no variance */
    private static RowMap whitening(Matrix sample, double[] mean, RowMap plain, InputConfig input, Workers workers) {
        int d = mean.length;
        Covariance covariance = new Covariance(d);
        covariance.add(sample, workers);
        SymmetricEigen eigen = SymmetricEigen.of(covariance.matrix(), d);
        double floor = input.whiten_floor() * Arrays.stream(eigen.values()).sum() / d;
        if (!(floor > 0)) {
            return plain;
        }
        double[] root = new double[d];
        Arrays.setAll(root, i -> Math.sqrt(Math.max(0, eigen.values()[i]) + floor));
        double squares = 0;
        for (int i = 0; i < d; i++) {
            double along = 0;
            for (int c = 0; c < d && plain.shift.length == 0; c++) {
                along += eigen.vectors()[i][c] * mean[c];
            }
            squares += (Math.max(0, eigen.values()[i]) + along * along) / (root[i] * root[i]);
        }
        double s = scale(d, squares, input.normalize());
        double[] of = new double[d];
        Arrays.setAll(of, i -> s / root[i]);
        double[] back = new double[d];
        Arrays.setAll(back, i -> root[i] / s);
        return new RowMap(plain.scale, NONE, plain.shift, symmetric(eigen, of), symmetric(eigen, back));
    }

    /**
     * The map under which squared errors are weighed by I + βF.
     *
     * @param sample [rows × d], raw units, by which s is measured
     * @param plain the map without weights, of one factor
     */
    static RowMap weighted(
            RowMap plain, Matrix sample, GradientMoment moment, double beta, boolean normalize, Workers workers) {
        int d = plain.width();
        double[][] fisher = moment.normalised();
        Covariance covariance = new Covariance(d);
        covariance.add(sample, workers);
        double[][] spread = covariance.matrix();
        double[] mean = covariance.mean();
        for (int c = 0; c < plain.shift.length; c++) {
            mean[c] -= plain.shift[c];
        }
        double squares = 0;
        for (int i = 0; i < d; i++) {
            for (int j = 0; j < d; j++) {
                squares += ((i == j ? 1 : 0) + beta * fisher[i][j]) * (spread[i][j] + mean[i] * mean[j]);
            }
        }
        double s = scale(d, squares, normalize);
        SymmetricEigen eigen = SymmetricEigen.of(fisher, d);
        double[] of = new double[d];
        Arrays.setAll(of, i -> s * Math.sqrt(1 + beta * Math.max(0, eigen.values()[i])));
        double[] back = new double[d];
        Arrays.setAll(back, i -> 1 / of[i]);
        return new RowMap(s, NONE, plain.shift, symmetric(eigen, of), symmetric(eigen, back));
    }

    /** Σ_i value_i v_i v_iᵀ. */
    private static double[] symmetric(SymmetricEigen eigen, double[] values) {
        int d = values.length;
        double[] out = new double[d * d];
        for (int i = 0; i < d; i++) {
            double[] v = eigen.vectors()[i];
            for (int r = 0; r < d; r++) {
                double weight = values[i] * v[r];
                for (int c = 0; c < d; c++) {
                    out[r * d + c] += weight * v[c];
                }
            }
        }
        return out;
    }

    /** Whether it is one factor and nothing else. */
    boolean isScalar() {
        return isScaled() && shift.length == 0;
    }

    /** Whether M is one factor, μ being 0 or not. */
    boolean isScaled() {
        return matrix.length == 0 && Arrays.stream(factor).allMatch(f -> f == scale);
    }

    /** x' of a row at the offset, in double. */
    double[] of(float[] rows, int at) {
        int d = width();
        double[] x = new double[d];
        for (int c = 0; c < d; c++) {
            x[c] = rows[at + c] - (shift.length > 0 ? shift[c] : 0);
        }
        return times(x);
    }

    /** M v. */
    double[] times(double[] v) {
        return product(v, matrix, false);
    }

    /** M⁻¹ v. */
    double[] solve(double[] v) {
        return product(v, inverse, true);
    }

    private double[] product(double[] v, double[] symmetric, boolean divides) {
        double[] out = new double[v.length];
        if (symmetric.length == 0) {
            for (int c = 0; c < v.length; c++) {
                out[c] = divides ? v[c] / factor[c] : v[c] * factor[c];
            }
            return out;
        }
        for (int k = 0; k < v.length; k++) {
            double weight = v[k];
            int row = k * v.length;
            for (int c = 0; c < v.length; c++) {
                out[c] += weight * symmetric[row + c];
            }
        }
        return out;
    }

    /** d. */
    int width() {
        return matrix.length > 0 ? (int) Math.round(Math.sqrt(matrix.length)) : factor.length;
    }
}
