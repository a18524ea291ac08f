package org.loupe.sae;

import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * How far a proposed value p(j) of ⟨x, w_j⟩ + b_j can lie from the exact f32 evaluation r(j) of ⟨x, w_j⟩ + b_j, for all latents of an
 * encoder at once.
 *
 * <p>Each f32 evaluation, in any order of summation with d products, is within (d + 2) u (|x||w| + |b|) of the true value to
 * first order, u = 2⁻²⁴ (Higham 2002, Accuracy and Stability of Numerical Algorithms, §3.1, with Cauchy–Schwarz); 2 (d + 16) u
 * covers both with room for the rounding of the norms. A product in short numbers adds an error of its own
 * ({@link LowPrecisionProduct#rows}).
 *
 * @param norm the largest |w_j|
 * @param bias the largest |b_j| + |θ_j|
 */
record RoundingBound(float norm, float bias) {
    private static final int CHUNK = 512;
    private static final float UNIT = 0x1p-24f;

    /** Room for the rounding of norms: a sum of d squares is off by less than d 2⁻²⁴, 1.6 % of this at d = 10,000. */
    private static final float ROOM = 1.001f;

    static RoundingBound of(Kernels kernels, Workers workers, Matrix w, float[] bias, float[] threshold) {
        int chunks = (w.rows() + CHUNK - 1) / CHUNK;
        float[] squares = new float[chunks];
        float[] offsets = new float[chunks];
        workers.forEach(w.rows(), CHUNK, (from, to, worker) -> {
            float square = 0;
            float offset = 0;
            for (int j = from; j < to; j++) {
                int at = j * w.cols();
                square = Math.max(square, kernels.dot(w.data(), at, w.data(), at, w.cols()));
                offset = Math.max(offset, Math.abs(bias[j]) + Math.abs(threshold[j]));
            }
            squares[from / CHUNK] = square;
            offsets[from / CHUNK] = offset;
        });
        float square = 0;
        float offset = 0;
        for (int c = 0; c < chunks; c++) {
            square = Math.max(square, squares[c]);
            offset = Math.max(offset, offsets[c]);
        }
        return new RoundingBound((float) Math.sqrt(square) * ROOM, offset);
    }

    /** The bound for a row of norm |x| whose product is f32. */
    float exactInputs(float rowNorm, int d) {
        return 2 * (d + 16) * UNIT * (rowNorm * norm * ROOM + bias);
    }
}
