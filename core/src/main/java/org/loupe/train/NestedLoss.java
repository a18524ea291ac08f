package org.loupe.train;

import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The reconstruction loss of all levels, L = (1 / levels) Σ_l factor · Σ_b ‖x̂_lb − x_b‖² (or ‖x̂_lb − x_b‖). An entry of run l is part
 * of every level from l on, so its gradient is the sum of theirs. Where levels are steps, only the last one has a loss.
 *
 * <p>With β, ‖e‖² is (‖e‖² + β ⟨ĝ_b, e⟩²) / (1 + β), ĝ_b the row's gradient ({@link Batch#modelGradient}).
 */
final class NestedLoss {
    private static final int CHUNK = 64;

    private final Loss loss;
    private final double beta;
    private final Workers workers;

    /** @param beta above 0 for the squared loss alone */
    NestedLoss(Loss loss, double beta, Workers workers) {
        this.loss = loss;
        this.beta = beta;
        this.workers = workers;
    }

    /**
     * What the loss is.
     *
     * @param loss the loss
     * @param squares Σ_b ‖x̂_b − x_b‖² of the last level
     */
    record Value(double loss, double squares) {}

    /** The loss of a batch; overwrites its gradient. */
    Value of(Batch batch) {
        int d = batch.target.cols();
        int levels = batch.levels;
        int first = batch.steps ? levels - 1 : 0;
        double weight = batch.factor / (levels - first);
        double[] losses = new double[batch.rows];
        double[] squares = new double[batch.rows];
        Matrix x = batch.target;
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int l = levels - 1; l >= first; l--) {
                    int at = (l * batch.rows + r) * d;
                    int above = l + 1 < levels ? at + batch.rows * d : -1;
                    double square = squared(x.data(), r * d, batch.reconstruction.data(), at, d);
                    double norm = Math.sqrt(square);
                    double slope = switch (loss) {
                        case SQUARED -> 2 * weight / (1 + beta);
                        case NORM -> norm > 0 ? weight / norm : 0;
                    };
                    float along = beta > 0 ? along(batch, r, at, d) : 0;
                    losses[r] += weight
                            * switch (loss) {
                                case SQUARED -> (square + beta * along * along) / (1 + beta);
                                case NORM -> norm;
                            };
                    gradient(batch, r * d, at, above, (float) slope, d);
                    if (beta > 0) {
                        addAlong(batch, r, at, (float) (slope * beta * along), d);
                    }
                    if (l == levels - 1) {
                        squares[r] = square;
                    }
                }
            }
        });
        return new Value(sum(losses), sum(squares));
    }

    private static double squared(float[] x, int xAt, float[] xHat, int at, int d) {
        float sum = 0;
        for (int c = 0; c < d; c++) {
            float e = xHat[at + c] - x[xAt + c];
            sum += e * e;
        }
        return sum;
    }

    private static void gradient(Batch batch, int xAt, int at, int above, float slope, int d) {
        float[] g = batch.gradient.data();
        float[] xHat = batch.reconstruction.data();
        float[] x = batch.target.data();
        for (int c = 0; c < d; c++) {
            float own = slope * (xHat[at + c] - x[xAt + c]);
            g[at + c] = above < 0 ? own : own + g[above + c];
        }
    }

    /** ⟨ĝ_r, x̂ − x⟩. */
    private static float along(Batch batch, int r, int at, int d) {
        float[] g = batch.modelGradient.data();
        float[] xHat = batch.reconstruction.data();
        float[] x = batch.target.data();
        float sum = 0;
        for (int c = 0; c < d; c++) {
            sum += g[r * d + c] * (xHat[at + c] - x[r * d + c]);
        }
        return sum;
    }

    private static void addAlong(Batch batch, int r, int at, float weight, int d) {
        float[] g = batch.modelGradient.data();
        for (int c = 0; c < d; c++) {
            batch.gradient.data()[at + c] += weight * g[r * d + c];
        }
    }

    private static double sum(double[] values) {
        double total = 0;
        for (double value : values) {
            total += value;
        }
        return total;
    }
}
