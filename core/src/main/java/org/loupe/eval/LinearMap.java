package org.loupe.eval;

import java.util.Arrays;
import org.loupe.tensor.Matrix;

/**
 * The best affine prediction of targets from inputs, ŷ = μ_y + W (x − μ_x), of any rank: what a transcoder is judged against.
 * With Σ the population covariances of the rows it is fitted to,
 *
 * <pre>
 * W = Σ_yx (Σ_xx + λ I)⁻¹        λ = 10⁻⁸ tr(Σ_xx) / d_in
 * </pre>
 *
 * <p>by Cholesky's factors in double. λ only makes inputs solvable that lie in fewer than d_in dimensions; no other affine map
 * has a FVU on these rows that is lower by more than λ costs.
 *
 * @param meanIn μ_x, [dIn]
 * @param meanOut μ_y, [dOut]
 * @param weights W, [dOut][dIn]
 * @param fvu share of the targets' variance that it leaves, on the rows it was fitted to
 */
public record LinearMap(double[] meanIn, double[] meanOut, double[][] weights, double fvu) implements Reconstruction {
    private static final double RIDGE = 1e-8;

    /**
     * Fits.
     *
     * @param mean means of rows [x | y], [dIn + dOut]
     * @param covariance their population covariance, [dIn + dOut][dIn + dOut]
     */
    static LinearMap fit(double[] mean, double[][] covariance, int dIn) {
        int dOut = mean.length - dIn;
        double ridge = ridge(covariance, dIn);
        double[][] factor = cholesky(covariance, dIn, ridge);
        double[][] weights = new double[dOut][];
        double left = 0;
        double total = 0;
        for (int o = 0; o < dOut; o++) {
            double[] cross = Arrays.copyOf(covariance[dIn + o], dIn);
            double[] row = solve(factor, cross);
            // E(y − ŷ)² = Σ_yy − 2 w·σ + wᵀ Σ_xx w, and Σ_xx w = σ − λ w.
            double explained = 0;
            for (int c = 0; c < dIn; c++) {
                explained += row[c] * (cross[c] + ridge * row[c]);
            }
            weights[o] = row;
            total += covariance[dIn + o][dIn + o];
            left += covariance[dIn + o][dIn + o] - explained;
        }
        return new LinearMap(
                Arrays.copyOf(mean, dIn),
                Arrays.copyOfRange(mean, dIn, mean.length),
                weights,
                Math.max(0, left / total));
    }

    private static double ridge(double[][] covariance, int dIn) {
        double trace = 0;
        for (int c = 0; c < dIn; c++) {
            trace += covariance[c][c];
        }
        return trace > 0 ? RIDGE * trace / dIn : 1;
    }

    /** L, lower triangular, with L Lᵀ = the leading block of the matrix + ridge · I. */
    private static double[][] cholesky(double[][] matrix, int n, double ridge) {
        double[][] l = new double[n][];
        for (int i = 0; i < n; i++) {
            l[i] = new double[i + 1];
            for (int j = 0; j <= i; j++) {
                double sum = matrix[i][j] + (i == j ? ridge : 0) - dot(l[i], l[j], j);
                // But for rounding no pivot is below λ.
                l[i][j] = i == j ? Math.sqrt(Math.max(sum, ridge)) : sum / l[j][j];
            }
        }
        return l;
    }

    /** w with L Lᵀ w = b. */
    private static double[] solve(double[][] l, double[] b) {
        double[] w = b.clone();
        for (int i = 0; i < w.length; i++) {
            w[i] = (w[i] - dot(l[i], w, i)) / l[i][i];
        }
        for (int i = w.length - 1; i >= 0; i--) {
            w[i] /= l[i][i];
            for (int j = 0; j < i; j++) {
                w[j] -= l[i][j] * w[i];
            }
        }
        return w;
    }

    private static double dot(double[] a, double[] b, int count) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Override
    public void apply(Matrix x, Matrix out) {
        int dIn = meanIn.length;
        double[] centred = new double[dIn];
        for (int r = 0; r < x.rows(); r++) {
            for (int c = 0; c < dIn; c++) {
                centred[c] = x.at(r, c) - meanIn[c];
            }
            for (int o = 0; o < meanOut.length; o++) {
                out.data()[out.offset(r) + o] = (float) (meanOut[o] + dot(weights[o], centred, dIn));
            }
        }
    }
}
