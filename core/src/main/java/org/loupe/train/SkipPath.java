package org.loupe.train;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The linear path of a skip transcoder, ŷ += W_skip x, and its gradient Σ_b G_b x_bᵀ. */
record SkipPath(Matrix weights, Parameter parameter, Kernels kernels, Workers workers) {
    private static final int CHUNK = 16;

    /** Adds W_skip x to every level's reconstruction. */
    void add(Batch batch) {
        int dOut = weights.rows();
        int dIn = weights.cols();
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int o = 0; o < dOut; o++) {
                    float past = kernels.dot(weights.data(), o * dIn, batch.x.data(), r * dIn, dIn);
                    for (int l = 0; l < batch.levels; l++) {
                        batch.reconstruction.data()[(l * batch.rows + r) * dOut + o] += past;
                    }
                }
            }
        });
    }

    /** Sets the gradient; that of level 0 is the sum of all levels'. */
    void gradient(Batch batch) {
        int dOut = weights.rows();
        int dIn = weights.cols();
        workers.forEach(dOut, CHUNK, (from, to, worker) -> {
            for (int o = from; o < to; o++) {
                Arrays.fill(parameter.gradient(), o * dIn, (o + 1) * dIn, 0);
                for (int r = 0; r < batch.rows; r++) {
                    float g = batch.gradient.data()[r * dOut + o];
                    kernels.addScaled(g, batch.x.data(), r * dIn, parameter.gradient(), o * dIn, dIn);
                }
            }
        });
    }
}
