package org.loupe.eval;

import java.util.Arrays;

/** Rows and values of what fires, kept row by row and handed out column by column: a latent's, or a true feature's. */
final class Occurrences {
    private final int[] starts;
    private final int[] row;
    private final float[] value;

    private Occurrences(int[] starts, int[] row, float[] value) {
        this.starts = starts;
        this.row = row;
        this.value = value;
    }

    /** Index of the first entry of a column. */
    int from(int column) {
        return starts[column];
    }

    /** Index after the last entry of a column. */
    int to(int column) {
        return starts[column + 1];
    }

    /** Number of rows on which a column fires. */
    int count(int column) {
        return starts[column + 1] - starts[column];
    }

    /** Row of an entry; those of a column ascend. */
    int row(int entry) {
        return row[entry];
    }

    float value(int entry) {
        return value[entry];
    }

    /** Collects rows in order. */
    static final class Builder {
        private final int[] counts;
        private int[] column = new int[1024];
        private int[] row = new int[1024];
        private float[] value = new float[1024];
        private int entries;
        private int rows;

        Builder(int columns) {
            this.counts = new int[columns];
        }

        /** Adds a row: entries [from, to); a value of 0 is no firing. */
        void row(int[] index, float[] values, int from, int to) {
            for (int e = from; e < to; e++) {
                if (values[e] != 0) {
                    add(index[e], values[e]);
                }
            }
            rows++;
        }

        private void add(int at, float activation) {
            if (entries == column.length) {
                int longer = Math.addExact(entries, entries / 2);
                column = Arrays.copyOf(column, longer);
                row = Arrays.copyOf(row, longer);
                value = Arrays.copyOf(value, longer);
            }
            counts[at]++;
            column[entries] = at;
            row[entries] = rows;
            value[entries++] = activation;
        }

        Occurrences build() {
            int[] starts = new int[counts.length + 1];
            for (int c = 0; c < counts.length; c++) {
                starts[c + 1] = starts[c] + counts[c];
            }
            int[] next = starts.clone();
            int[] rowOf = new int[entries];
            float[] valueOf = new float[entries];
            for (int e = 0; e < entries; e++) {
                int at = next[column[e]]++;
                rowOf[at] = row[e];
                valueOf[at] = value[e];
            }
            return new Occurrences(starts, rowOf, valueOf);
        }
    }
}
