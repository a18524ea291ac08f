package org.loupe.train;

import org.loupe.tensor.Matrix;

/**
 * Adds a judge's terms to dL/dx̂ of a batch. With N the map of the targets, x̂ = N⁻¹ x̂' + ν, and so ∂/∂x̂' = N⁻¹ ∂/∂x̂. Balanced, term k adds
 *
 * <pre>
 * w_k (‖G‖ / ‖G_k‖) G_k
 * </pre>
 *
 * G being the local error's gradient of the batch before its own weight, so that learning rate, penalties and the auxiliary loss keep
 * their meaning whatever is judged.
 */
record Judging(DownstreamConfig weights, RowMap map) {
    /**
     * Judges the reconstruction by all entries and changes the batch's gradient.
     *
     * @param local the local error's loss
     * @return the loss of all terms
     */
    double add(Batch batch, Judge judge, double local) {
        Matrix last = batch.last();
        Matrix raw = Matrix.zeros(last.rows(), last.cols());
        double[] row = new double[last.cols()];
        for (int r = 0; r < raw.rows(); r++) {
            for (int c = 0; c < row.length; c++) {
                row[c] = last.at(r, c);
            }
            double[] back = map.solve(row);
            for (int c = 0; c < row.length; c++) {
                raw.data()[raw.offset(r) + c] = (float) (back[c] + (map.shift().length > 0 ? map.shift()[c] : 0));
            }
        }
        int size = batch.rows * last.cols();
        double reference = norm(batch.gradient.data(), size);
        float[] gradient = batch.gradient.data();
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] *= (float) weights.local();
        }
        double loss = weights.local() * local;
        for (Judge.Term term : judge.of(raw)) {
            double weight = weights.weight(term.kind());
            loss += weight * term.loss();
            float[] mapped = mapped(term.gradient());
            double norm = norm(mapped, size);
            double factor = weights.balance() ? (norm > 0 ? weight * reference / norm : 0) : weight;
            for (int level = 0; level < batch.levels; level++) {
                for (int i = 0; i < size; i++) {
                    gradient[level * size + i] += (float) (factor * mapped[i]);
                }
            }
        }
        return loss;
    }

    private float[] mapped(Matrix gradient) {
        float[] mapped = new float[gradient.rows() * gradient.cols()];
        double[] row = new double[gradient.cols()];
        for (int r = 0; r < gradient.rows(); r++) {
            for (int c = 0; c < row.length; c++) {
                row[c] = gradient.at(r, c);
            }
            double[] solved = map.solve(row);
            for (int c = 0; c < row.length; c++) {
                mapped[r * row.length + c] = (float) solved[c];
            }
        }
        return mapped;
    }

    private static double norm(float[] values, int count) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += (double) values[i] * values[i];
        }
        return Math.sqrt(sum);
    }
}
