package org.loupe.causal;

import java.util.Arrays;
import org.loupe.tensor.SymmetricEigen;

/**
 * How many directions of the rows at a hook point the model's output depends on: of the eigenvalues λ of the Fisher matrix E[g gᵀ], g the
 * gradient of −log p of labels drawn from the model, with p_i = λ_i / Σ λ,
 *
 * <pre>
 * effective rank        exp(−Σ p_i ln p_i)       (Roy &amp; Vetterli 2007; as a dimension of causes: Sarkar &amp; Deka 2026, arXiv 2605.08740)
 * participation ratio   (Σ λ)² / Σ λ²
 * </pre>
 *
 * Both are at most the width, and too small where there are few rows.
 *
 * @param effectiveRank see above
 * @param participationRatio see above
 * @param width of the rows
 * @param rows gradients that the matrix was estimated from, at rows where effects are counted
 */
public record CausalDimension(double effectiveRank, double participationRatio, int width, long rows) {
    /** Of a second moment [d][d]. */
    static CausalDimension of(double[][] moment, long rows) {
        double[] values = SymmetricEigen.of(moment, moment.length).values();
        double sum = Arrays.stream(values).map(v -> Math.max(0, v)).sum();
        double entropy = 0;
        double squares = 0;
        for (double value : values) {
            double p = Math.max(0, value) / sum;
            entropy -= p > 0 ? p * Math.log(p) : 0;
            squares += p * p;
        }
        return new CausalDimension(Math.exp(entropy), 1 / squares, moment.length, rows);
    }
}
