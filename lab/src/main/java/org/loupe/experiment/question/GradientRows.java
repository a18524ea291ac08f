package org.loupe.experiment.question;

import org.loupe.activations.MatrixRows;
import org.loupe.activations.RowSource;
import org.loupe.tensor.Matrix;

/**
 * Rows in memory with the gradient of a network's loss by each.
 *
 * @param matrix [n × d]
 * @param byRow [n × d]
 */
record GradientRows(Matrix matrix, Matrix byRow) implements RowSource {
    @Override
    public long rows() {
        return matrix.rows();
    }

    @Override
    public int width() {
        return matrix.cols();
    }

    @Override
    public RowSource gradients() {
        return new MatrixRows(byRow);
    }

    @Override
    public void read(long from, int count, Matrix out, int at) {
        new MatrixRows(matrix).read(from, count, out, at);
    }

    @Override
    public boolean inMemory() {
        return true;
    }
}
