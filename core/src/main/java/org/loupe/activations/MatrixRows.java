package org.loupe.activations;

import org.loupe.tensor.Matrix;

/** The rows of a matrix in memory. A NaN or infinity is refused when read. */
public record MatrixRows(Matrix matrix) implements RowSource {
    @Override
    public long rows() {
        return matrix.rows();
    }

    @Override
    public int width() {
        return matrix.cols();
    }

    @Override
    public void read(long from, int count, Matrix out, int at) {
        out.requireCols(matrix.cols(), "read");
        System.arraycopy(
                matrix.data(),
                Math.toIntExact(from * matrix.cols()),
                out.data(),
                out.offset(at),
                count * matrix.cols());
        Finite.require(out, at, count, name(), from);
    }

    @Override
    public boolean inMemory() {
        return true;
    }
}
