package org.loupe.tensor;

import java.util.List;
import java.util.Objects;

/**
 * A row-major f32 matrix: element (r, c) is {@code data[r * cols + c]}. It wraps its array and copies nothing.
 *
 * <p>One array bounds a matrix at 2³¹−1 elements: 2.8 M rows at width 768, the largest dictionary that this version holds.
 *
 * @param rows number of rows
 * @param cols number of columns
 * @param data at least {@code rows * cols} floats; what lies beyond them is not part of the matrix
 */
public record Matrix(int rows, int cols, float[] data) {
    public Matrix {
        Objects.requireNonNull(data, "data");
        if (rows < 0 || cols < 0 || (long) rows * cols > data.length) {
            throw new IllegalArgumentException("matrix: " + rows + " rows × " + cols
                    + " columns do not fit an array of " + data.length + " floats");
        }
    }

    /** A new matrix of zeros. */
    public static Matrix zeros(int rows, int cols) {
        long size = (long) rows * cols;
        if (rows < 0 || cols < 0 || size > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(
                    "matrix: " + rows + " rows × " + cols + " columns are more than one array holds");
        }
        return new Matrix(rows, cols, new float[(int) size]);
    }

    /** Element (row, col). */
    public float at(int row, int col) {
        return data[row * cols + col];
    }

    /** Index in {@link #data} of the first element of a row. */
    public int offset(int row) {
        return row * cols;
    }

    /** A view of the first rows over the same array. */
    public Matrix head(int count) {
        return new Matrix(count, cols, data);
    }

    /** Matrices of as many rows side by side: row r is their rows r, one after the other. */
    public static Matrix beside(List<Matrix> parts) {
        Matrix out = zeros(
                parts.getFirst().rows(), parts.stream().mapToInt(Matrix::cols).sum());
        int column = 0;
        for (Matrix part : parts) {
            part.copyColumns(0, part.cols(), out, 0, column);
            column += part.cols();
        }
        return out;
    }

    /** Columns [from, from + count) of every row as a matrix of their own. */
    public Matrix columns(int from, int count) {
        Matrix out = zeros(rows, count);
        copyColumns(from, count, out, 0, 0);
        return out;
    }

    /** Copies columns [from, from + count) of every row to rows {@code at} on of {@code out}, from {@code column} on. */
    public void copyColumns(int from, int count, Matrix out, int at, int column) {
        if (from < 0 || count < 0 || from + count > cols || column < 0 || column + count > out.cols) {
            throw new IllegalArgumentException("columns [" + from + ", " + (from + count) + ") of " + cols
                    + " do not fit in " + out.cols + " columns from " + column + " on");
        }
        for (int r = 0; r < rows; r++) {
            System.arraycopy(data, offset(r) + from, out.data, out.offset(at + r) + column, count);
        }
    }

    /** A new matrix whose rows are the columns of this one. */
    public Matrix transposed() {
        Matrix out = zeros(cols, rows);
        int block = 32;
        for (int r0 = 0; r0 < rows; r0 += block) {
            for (int c0 = 0; c0 < cols; c0 += block) {
                for (int r = r0; r < Math.min(rows, r0 + block); r++) {
                    for (int c = c0; c < Math.min(cols, c0 + block); c++) {
                        out.data[c * rows + r] = data[r * cols + c];
                    }
                }
            }
        }
        return out;
    }

    /** The mean of the rows, into [cols] zeros. */
    public void meanInto(double[] mean) {
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < cols; c++) {
                mean[c] += at(r, c);
            }
        }
        for (int c = 0; c < cols; c++) {
            mean[c] /= Math.max(1, rows);
        }
    }

    /** Throws unless the matrix has this many columns; the message names both widths. */
    public void requireCols(int expected, String who) {
        if (cols != expected) {
            throw new IllegalArgumentException(who + ": rows have " + cols + " columns, expected " + expected);
        }
    }
}
