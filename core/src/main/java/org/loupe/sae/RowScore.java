package org.loupe.sae;

/**
 * What rows are multiplied by before the encoder: s(x) = (‖x‖ / norm)^(exponent − 1). With exponent 1 a pre-activation is the inner product ⟨w, x − b_in⟩ as usual;
 * with 0 the row's length is gone and, but for b_in, the cosine is left. In between, the blend of cosine-scored SAEs (Stambler &amp; Naihin 2026, arXiv
 * 2606.15054, after its abstract: the exponent is learnt, one for all latents).
 *
 * @param exponent from 0 to 1
 * @param norm in the units of the rows; above 0
 */
public record RowScore(float exponent, float norm) {
    public RowScore {
        if (!(exponent >= 0 && exponent <= 1)) {
            throw new IllegalArgumentException("score: exponent " + exponent + ", expected from 0 to 1");
        }
        if (!(norm > 0 && norm < Float.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("score: norm " + norm + ", expected above 0 and finite");
        }
    }

    /** log(‖x‖ / norm), the slope of log s in the exponent; 0 for a row of zeros. */
    public double logNorm(double square) {
        return square > 0 ? 0.5 * Math.log(square) - Math.log(norm) : 0;
    }

    /** s of a row with that Σ x². */
    public float factor(double square) {
        return (float) Math.exp((exponent - 1) * logNorm(square));
    }
}
