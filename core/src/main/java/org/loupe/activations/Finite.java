package org.loupe.activations;

import org.loupe.io.BadInput;
import org.loupe.tensor.Matrix;

/** Refuses NaN and infinities in rows. */
public final class Finite {
    private static final int EXPONENT = 0x7F800000;

    private Finite() {}

    /** First column of a row that is not finite, or −1. */
    public static int firstBad(Matrix rows, int row) {
        float[] data = rows.data();
        int from = rows.offset(row);
        int to = from + rows.cols();
        int bad = 0;
        for (int i = from; i < to; i++) {
            bad |= (Float.floatToRawIntBits(data[i]) & EXPONENT) == EXPONENT ? 1 : 0;
        }
        if (bad == 0) {
            return -1;
        }
        int at = from;
        while (Float.isFinite(data[at])) {
            at++;
        }
        return at - from;
    }

    /**
     * As {@link #require(Matrix, int, String, long)} of several rows.
     *
     * @param at the first
     * @param from its number in the source
     */
    public static void require(Matrix rows, int at, int count, String source, long from) {
        for (int i = 0; i < count; i++) {
            require(rows, at + i, source, from + i);
        }
    }

    /** Throws {@link BadInput} naming the row and column of the first element of a row that is not finite. */
    public static void require(Matrix rows, int row, String source, long sourceRow) {
        int column = firstBad(rows, row);
        if (column >= 0) {
            throw new BadInput(source + ": row " + sourceRow + ", column " + column + " is " + rows.at(row, column)
                    + ", expected a finite number");
        }
    }
}
