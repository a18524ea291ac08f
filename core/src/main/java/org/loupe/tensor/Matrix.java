package org.loupe.tensor;

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

    /** Throws unless the matrix has this many columns; the message names both widths. */
    public void requireCols(int expected, String who) {
        if (cols != expected) {
            throw new IllegalArgumentException(who + ": rows have " + cols + " columns, expected " + expected);
        }
    }
}
