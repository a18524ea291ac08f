package org.loupe.sae;

import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * How far two f32 evaluations of ⟨x, w⟩ + b can lie apart. Each of them, in any order of summation with d products, is within
 * (d + 2) u (|x||w| + |b|) of the exact value to first order, u = 2⁻²⁴ (Higham, Accuracy and Stability of Numerical
 * Algorithms, §3.1, with Cauchy–Schwarz); 2 (d + 16) u covers both with room for the rounding of the norms themselves.
 */
final class RoundingBound {
    private static final int CHUNK = 512;

    private RoundingBound() {}

    /** max over latents of |w_j| + |b_j|, an upper bound of both parts' maxima. */
    static float reach(Kernels kernels, Workers workers, Matrix w, float[] bias) {
        int chunks = (w.rows() + CHUNK - 1) / CHUNK;
        float[] most = new float[chunks];
        workers.forEach(w.rows(), CHUNK, (from, to, worker) -> {
            float square = 0;
            float offset = 0;
            for (int j = from; j < to; j++) {
                int at = j * w.cols();
                square = Math.max(square, kernels.dot(w.data(), at, w.data(), at, w.cols()));
                offset = Math.max(offset, Math.abs(bias[j]));
            }
            most[from / CHUNK] = (float) Math.sqrt(square) + offset;
        });
        float reach = 0;
        for (float m : most) {
            reach = Math.max(reach, m);
        }
        return reach;
    }

    /** The bound for one row against every latent within reach: 2 (d + 16) u max(|x|, 1) reach, which covers |x||w| + |b|. */
    static float of(Kernels kernels, Matrix x, int row, float reach) {
        int d = x.cols();
        float norm = (float) Math.sqrt(kernels.dot(x.data(), row * d, x.data(), row * d, d));
        return 2 * (d + 16) * 0x1p-24f * Math.max(norm, 1) * reach * 1.0001f;
    }
}
