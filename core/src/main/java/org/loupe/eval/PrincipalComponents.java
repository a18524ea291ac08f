package org.loupe.eval;

import java.util.Arrays;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SymmetricEigen;

/**
 * The baseline that is linear and dense: x̂ = μ + V Vᵀ (x − μ), V the leading eigenvectors of the rows' covariance. No linear
 * map of this rank has a lower FVU on the rows it was fitted to.
 *
 * @param mean μ, [d]
 * @param components Vᵀ, [k][d], orthonormal
 * @param variances eigenvalues of the covariance, all d of them, descending
 */
public record PrincipalComponents(double[] mean, double[][] components, double[] variances) implements Reconstruction {
    /** Fits k components, or d if that is fewer. */
    public static PrincipalComponents fit(Covariance covariance, int k) {
        return fit(covariance.mean(), covariance.matrix(), k);
    }

    /** Fits k components to rows of this mean and covariance, or d if that is fewer. */
    static PrincipalComponents fit(double[] mean, double[][] covariance, int k) {
        SymmetricEigen eigen = SymmetricEigen.of(covariance, Math.min(k, covariance.length));
        return new PrincipalComponents(mean, eigen.vectors(), eigen.values());
    }

    /** FVU of the best k components on the rows they were fitted to: the share of variance in the other directions. */
    public double fvu(int k) {
        double total = Arrays.stream(variances).sum();
        double kept = Arrays.stream(variances, 0, Math.min(k, variances.length)).sum();
        return Math.max(0, 1 - kept / total);
    }

    /** The fewest components whose FVU is not above this one. */
    public int componentsFor(double fvu) {
        int k = 0;
        while (k < variances.length && fvu(k) > fvu) {
            k++;
        }
        return k;
    }

    @Override
    public void apply(Matrix x, Matrix out) {
        int d = mean.length;
        double[] y = new double[d];
        double[] sum = new double[d];
        for (int r = 0; r < x.rows(); r++) {
            for (int c = 0; c < d; c++) {
                y[c] = x.at(r, c) - mean[c];
                sum[c] = mean[c];
            }
            for (double[] component : components) {
                double score = 0;
                for (int c = 0; c < d; c++) {
                    score += component[c] * y[c];
                }
                for (int c = 0; c < d; c++) {
                    sum[c] += score * component[c];
                }
            }
            for (int c = 0; c < d; c++) {
                out.data()[out.offset(r) + c] = (float) sum[c];
            }
        }
    }
}
