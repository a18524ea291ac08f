package org.loupe.train;

import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * L = (1 / (B V)) Σ_b ‖x̂_b − x_b‖², dL/dx̂_b = 2 (x̂_b − x_b) / (B V). With V the mean squared distance of the rows from their
 * mean, L is the fraction of variance unexplained (Gao et al. 2024, §2.1, normalised MSE).
 */
final class SquaredError implements Objective {
    private static final int CHUNK = 64;

    private final double variance;
    private final Workers workers;

    SquaredError(double variance, Workers workers) {
        this.variance = variance;
        this.workers = workers;
    }

    @Override
    public double loss(Matrix x, Matrix reconstruction, Matrix gradient) {
        int d = x.cols();
        float factor = (float) (2 / (x.rows() * variance));
        double[] errors = new double[x.rows()];
        workers.forEach(x.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                float sum = 0;
                for (int i = r * d; i < (r + 1) * d; i++) {
                    float e = reconstruction.data()[i] - x.data()[i];
                    sum += e * e;
                    gradient.data()[i] = factor * e;
                }
                errors[r] = sum;
            }
        });
        double total = 0;
        for (double error : errors) {
            total += error;
        }
        return total / (x.rows() * variance);
    }
}
