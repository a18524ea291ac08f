package org.loupe.eval;

import java.util.Arrays;
import org.loupe.tensor.Matrix;

/**
 * The one-to-one assignment of rows to columns with the largest total score: the Hungarian method by shortest augmenting paths
 * (Jonker and Volgenant 1987), O(n² m) for n ≤ m. Potentials run in double. Of assignments with the same total it gives one that
 * depends on the scores alone.
 */
public final class Assignment {
    /** Paths cost −score: the least total cost is the largest total score. */
    private final Matrix scores;

    private final double[] rowPotential;
    private final double[] columnPotential;
    /** Row of each column, −1 while it is free. */
    private final int[] rowOf;

    private Assignment(Matrix scores) {
        this.scores = scores;
        this.rowPotential = new double[scores.rows()];
        this.columnPotential = new double[scores.cols()];
        this.rowOf = new int[scores.cols()];
        Arrays.fill(rowOf, -1);
    }

    /**
     * The best assignment; where there are more rows than columns, the rows that are worth least have none.
     *
     * @param scores finite, not modified
     * @return column of each row, −1 for none, [scores.rows()]
     */
    public static int[] largest(Matrix scores) {
        boolean wide = scores.rows() <= scores.cols();
        Assignment assignment = new Assignment(wide ? scores : scores.transposed());
        for (int row = 0; row < assignment.scores.rows(); row++) {
            assignment.augment(row);
        }
        if (!wide) {
            return assignment.rowOf;
        }
        int[] columnOf = new int[scores.rows()];
        for (int c = 0; c < assignment.rowOf.length; c++) {
            if (assignment.rowOf[c] >= 0) {
                columnOf[assignment.rowOf[c]] = c;
            }
        }
        return columnOf;
    }

    /** Finds the cheapest path from a row through assigned columns to a free one, and reassigns along it. */
    private void augment(int start) {
        int columns = rowOf.length;
        double[] distance = new double[columns];
        Arrays.fill(distance, Double.POSITIVE_INFINITY);
        int[] before = new int[columns];
        boolean[] done = new boolean[columns];
        int row = start;
        int column = -1;
        double least = 0;
        while (row >= 0) {
            int nearest = -1;
            for (int c = 0; c < columns; c++) {
                if (done[c]) {
                    continue;
                }
                double reduced = least - scores.at(row, c) - rowPotential[row] - columnPotential[c];
                if (reduced < distance[c]) {
                    distance[c] = reduced;
                    before[c] = column;
                }
                if (nearest < 0 || distance[c] < distance[nearest]) {
                    nearest = c;
                }
            }
            least = distance[nearest];
            done[nearest] = true;
            column = nearest;
            row = rowOf[nearest];
        }
        rowPotential[start] += least;
        for (int c = 0; c < columns; c++) {
            if (done[c] && c != column) {
                rowPotential[rowOf[c]] += least - distance[c];
                columnPotential[c] -= least - distance[c];
            }
        }
        for (int c = column; c >= 0; c = before[c]) {
            rowOf[c] = before[c] < 0 ? start : rowOf[before[c]];
        }
    }
}
