package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.loupe.tensor.Matrix;

/** The assignment against all of them. */
class AssignmentProperties {
    /** The largest total over every one-to-one choice of columns for rows [row, rows), by trying all. */
    private static double best(Matrix scores, int row, boolean[] taken, int skips) {
        if (row == scores.rows()) {
            return 0;
        }
        double best = skips > 0 ? best(scores, row + 1, taken, skips - 1) : Double.NEGATIVE_INFINITY;
        for (int c = 0; c < scores.cols(); c++) {
            if (!taken[c]) {
                taken[c] = true;
                best = Math.max(best, scores.at(row, c) + best(scores, row + 1, taken, skips));
                taken[c] = false;
            }
        }
        return best;
    }

    /** Few levels make many ties. */
    @Property(tries = 400)
    void isOneToOneAndHasTheLargestTotal(
            @ForAll @IntRange(min = 1, max = 6) int rows,
            @ForAll @IntRange(min = 1, max = 6) int cols,
            @ForAll @IntRange(min = 0, max = 3) int levels,
            @ForAll long seed) {
        Random random = new Random(seed);
        Matrix scores = Matrix.zeros(rows, cols);
        for (int i = 0; i < rows * cols; i++) {
            scores.data()[i] = levels == 0 ? (float) random.nextGaussian() : random.nextInt(levels) - 1;
        }
        int[] columns = Assignment.largest(scores);
        boolean[] taken = new boolean[cols];
        double total = 0;
        int pairs = 0;
        for (int r = 0; r < rows; r++) {
            if (columns[r] >= 0) {
                assertEquals(false, taken[columns[r]], "column taken twice");
                taken[columns[r]] = true;
                total += scores.at(r, columns[r]);
                pairs++;
            }
        }
        assertEquals(Math.min(rows, cols), pairs);
        assertEquals(best(scores, 0, new boolean[cols], Math.max(0, rows - cols)), total, 1e-5);
    }

    /** The first row would take column 0, which is worth more to the second. */
    @Example
    void aRowGivesWayWhereThatIsWorthMore() {
        assertArrayEquals(new int[] {1, 0}, Assignment.largest(new Matrix(2, 2, new float[] {5, 4, 5, 1})));
        assertArrayEquals(new int[] {-1, 0, -1}, Assignment.largest(new Matrix(3, 1, new float[] {1, 3, 2})));
        assertArrayEquals(new int[] {2}, Assignment.largest(new Matrix(1, 3, new float[] {-3, -2, -1})));
    }

    /** 300 rows hidden in 500 columns: too many to try, but the hidden permutation is the only one with all scores at 1. */
    @Example
    void aHiddenPermutationIsFound() {
        Random random = new Random(4);
        Matrix scores = Matrix.zeros(300, 500);
        for (int i = 0; i < scores.data().length; i++) {
            scores.data()[i] = 0.9f * random.nextFloat();
        }
        int[] hidden = new int[300];
        for (int r = 0; r < 300; r++) {
            hidden[r] = (r * 7 + 13) % 500;
            scores.data()[scores.offset(r) + hidden[r]] = 1;
        }
        assertArrayEquals(hidden, Assignment.largest(scores));
    }
}
