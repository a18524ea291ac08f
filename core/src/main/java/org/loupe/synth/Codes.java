package org.loupe.synth;

import java.util.Arrays;
import java.util.List;

/**
 * True activations in compressed sparse rows: row r owns the entries {@code starts[r]} to {@code starts[r + 1]}, ordered by feature.
 *
 * @param starts [rows + 1], ascending from 0
 * @param index feature of each entry
 * @param value its activation, not 0
 */
public record Codes(int[] starts, int[] index, float[] value) {
    public Codes {
        if (starts.length == 0
                || starts[0] != 0
                || starts[starts.length - 1] != index.length
                || index.length != value.length) {
            throw new IllegalArgumentException("codes: " + starts.length + " starts, " + index.length + " indices and "
                    + value.length + " values do not fit together");
        }
    }

    public int rows() {
        return starts.length - 1;
    }

    /** Number of entries of all rows. */
    public int entries() {
        return index.length;
    }

    /** Rows of several, one after the other. */
    static Codes concatenated(List<Codes> parts) {
        Builder all = new Builder(parts.stream().mapToInt(Codes::rows).sum());
        for (Codes part : parts) {
            for (int r = 0; r < part.rows(); r++) {
                for (int e = part.starts[r]; e < part.starts[r + 1]; e++) {
                    all.add(part.index[e], part.value[e]);
                }
                all.endRow();
            }
        }
        return all.build();
    }

    /** Collects rows in order. */
    static final class Builder {
        private final int[] starts;
        private int[] index = new int[64];
        private float[] value = new float[64];
        private int entries;
        private int rows;

        Builder(int rows) {
            this.starts = new int[rows + 1];
        }

        /** Adds an entry to the row that has not ended yet. */
        void add(int feature, float activation) {
            if (entries == index.length) {
                int longer = Math.addExact(entries, Math.max(64, entries / 2));
                index = Arrays.copyOf(index, longer);
                value = Arrays.copyOf(value, longer);
            }
            index[entries] = feature;
            value[entries++] = activation;
        }

        void endRow() {
            starts[++rows] = entries;
        }

        Codes build() {
            return new Codes(starts, Arrays.copyOf(index, entries), Arrays.copyOf(value, entries));
        }
    }
}
