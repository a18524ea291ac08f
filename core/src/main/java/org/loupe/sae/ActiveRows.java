package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Keys;
import org.loupe.tensor.Workers;

/**
 * The active latents of each row of a batch, in arrays that are used again from batch to batch: row r owns places {@code
 * starts[r]} to {@code starts[r + 1]} − 1, ordered by latent.
 */
public final class ActiveRows {
    /** Room for the differences between the rows of a batch, and between batches. */
    private static final double ROOM = 1 + 1.0 / 32;

    int rows;
    int[] starts = new int[1];
    int[] index = new int[0];
    float[] value = new float[0];
    private long[] keys = new long[0];
    private int group = 1;
    private Part[] parts = new Part[0];

    /** What one worker finds in one group of rows. */
    static final class Part {
        private int[] counts = new int[0];
        private int[] index = new int[256];
        private float[] value = new float[256];
        private int size;

        /** Appends to the row that is being filled. */
        void add(int latent, float f) {
            if (size == index.length) {
                index = Arrays.copyOf(index, 2 * size);
                value = Arrays.copyOf(value, 2 * size);
            }
            index[size] = latent;
            value[size++] = f;
        }

        /** Appends those of places [from, to) that are not 0, by latent. */
        void addSorted(int[] latents, double[] f, int from, int to) {
            int first = size;
            for (int e = from; e < to; e++) {
                float rounded = (float) f[e];
                if (rounded == 0) {
                    continue;
                }
                add(latents[e], rounded);
                for (int at = size - 1; at > first && index[at] < index[at - 1]; at--) {
                    int latent = index[at];
                    float moved = value[at];
                    index[at] = index[at - 1];
                    value[at] = value[at - 1];
                    index[at - 1] = latent;
                    value[at - 1] = moved;
                }
            }
        }

        /** Ends a row of the group. */
        void endRow(int place) {
            counts[place] = size;
        }
    }

    /** What one worker finds in one group of rows where much is found: every row has places for all latents. */
    static final class FullPart {
        private final int[] counts;
        private final int latents;
        private final int[] index;
        private final float[] value;

        FullPart(int rows, int latents) {
            this.counts = new int[rows];
            this.latents = latents;
            this.index = new int[Math.multiplyExact(rows, latents)];
            this.value = new float[index.length];
        }

        boolean holds(int rows, int ofLatents) {
            return counts.length == rows && latents == ofLatents;
        }

        void clear() {
            Arrays.fill(counts, 0);
        }

        /** Appends to a row of the group. */
        void add(int place, int latent, float f) {
            int at = place * latents + counts[place]++;
            index[at] = latent;
            value[at] = f;
        }
    }

    /** Begins a batch that is filled by {@link #append}. */
    void begin(int newRows) {
        rows = newRows;
        if (starts.length < rows + 1) {
            starts = new int[rows + 1];
        }
    }

    /**
     * Takes the next rows over from parts of as many rows each. Memory is made for the whole batch by what its rows so far need, so that
     * the arrays are rarely made anew.
     */
    void append(int firstRow, int count, FullPart[] found, Workers workers) {
        int each = found[0].counts.length;
        int entries = starts[firstRow];
        for (int r = 0; r < count; r++) {
            entries = Math.addExact(entries, found[r / each].counts[r % each]);
            starts[firstRow + r + 1] = entries;
        }
        if (index.length < entries) {
            double whole = (double) entries / (firstRow + count) * rows * ROOM;
            int size = (int) Math.max(entries, Math.min(whole, Integer.MAX_VALUE - 8.0));
            index = Arrays.copyOf(index, size);
            value = Arrays.copyOf(value, size);
        }
        workers.forEach(count, 1, (from, to, worker) -> {
            FullPart part = found[from / each];
            int n = part.counts[from % each];
            int at = from % each * part.latents;
            System.arraycopy(part.index, at, index, starts[firstRow + from], n);
            System.arraycopy(part.value, at, value, starts[firstRow + from], n);
        });
    }

    /** Begins a batch that is filled in groups of so many rows. */
    void begin(int newRows, int newGroup) {
        rows = newRows;
        group = newGroup;
        int groups = (rows + group - 1) / group;
        if (parts.length < groups) {
            parts = Arrays.copyOf(parts, groups);
        }
    }

    /** The memory of the group that begins at a row; one worker fills it. */
    Part part(int firstRow) {
        Part part = parts[firstRow / group];
        if (part == null) {
            part = new Part();
            parts[firstRow / group] = part;
        }
        if (part.counts.length < group) {
            part.counts = new int[group];
        }
        part.size = 0;
        return part;
    }

    /** Joins the groups. */
    void end(Workers workers) {
        if (starts.length < rows + 1) {
            starts = new int[rows + 1];
        }
        int entries = 0;
        for (int from = 0; from < rows; from += group) {
            Part part = parts[from / group];
            for (int row = from; row < Math.min(rows, from + group); row++) {
                starts[row + 1] = Math.addExact(entries, part.counts[row - from]);
            }
            entries += part.size;
        }
        if (index.length < entries) {
            index = new int[entries];
            value = new float[entries];
        }
        workers.forEach(rows, group, (from, to, worker) -> {
            Part part = parts[from / group];
            System.arraycopy(part.index, 0, index, starts[from], part.size);
            System.arraycopy(part.value, 0, value, starts[from], part.size);
        });
    }

    /**
     * Drops all but the n largest values of the batch, of equal ones the earlier; the order stays.
     *
     * @return the least value that is left, or 0 where there were fewer than n
     */
    public float keepLargest(int n) {
        int entries = entries();
        if (entries < n) {
            return 0;
        }
        if (keys.length < entries) {
            keys = new long[entries];
        }
        for (int e = 0; e < entries; e++) {
            keys[e] = Keys.of(value[e], e);
        }
        Keys.selectLargest(keys, entries, n);
        long least = keys[n - 1];
        int kept = 0;
        int from = 0;
        for (int row = 0; row < rows; row++) {
            int to = starts[row + 1];
            for (int e = from; e < to; e++) {
                if (Keys.of(value[e], e) >= least) {
                    index[kept] = index[e];
                    value[kept++] = value[e];
                }
            }
            from = to;
            starts[row + 1] = kept;
        }
        return Keys.value(least);
    }

    /** What an entry becomes. */
    @FunctionalInterface
    public interface Change {
        float value(int latent, float value);
    }

    /** Replaces every value; entries that become 0 go. */
    public void map(Change change) {
        int kept = 0;
        int from = 0;
        for (int row = 0; row < rows; row++) {
            int to = starts[row + 1];
            for (int e = from; e < to; e++) {
                float f = change.value(index[e], value[e]);
                if (f != 0) {
                    index[kept] = index[e];
                    value[kept++] = f;
                }
            }
            from = to;
            starts[row + 1] = kept;
        }
    }

    /**
     * Latents m to 2m − 1 stand for the negatives of 0 to m − 1: makes them latents below m with negative values. Of a latent that is there
     * with both signs the larger value stays, of equal ones the first.
     */
    void foldSigns(int m) {
        int kept = 0;
        int from = 0;
        int[] latents = new int[0];
        float[] values = new float[0];
        for (int row = 0; row < rows; row++) {
            int n = starts[row + 1] - from;
            if (latents.length < n) {
                latents = new int[n];
                values = new float[n];
            }
            System.arraycopy(index, from, latents, 0, n);
            System.arraycopy(value, from, values, 0, n);
            from = starts[row + 1];
            int second = 0;
            while (second < n && latents[second] < m) {
                second++;
            }
            int p = 0;
            for (int q = second; p < second || q < n; ) {
                int positive = p < second ? latents[p] : Integer.MAX_VALUE;
                int negative = q < n ? latents[q] - m : Integer.MAX_VALUE;
                boolean first = positive < negative || (positive == negative && values[p] >= values[q]);
                index[kept] = Math.min(positive, negative);
                value[kept++] = first ? values[p] : -values[q];
                p += positive <= negative ? 1 : 0;
                q += negative <= positive ? 1 : 0;
            }
            starts[row + 1] = kept;
        }
    }

    /** Orders the entries of each row from the largest value down; of equal ones the lower latent first. */
    public void orderByValue() {
        for (int row = 0; row < rows; row++) {
            sort(starts[row], starts[row + 1], (a, b) -> Keys.of(value[a], index[a]) > Keys.of(value[b], index[b]));
        }
    }

    /** Whether the entry at place a stands before the one at place b. */
    @FunctionalInterface
    private interface Before {
        boolean before(int a, int b);
    }

    /** Insertion sort: rows are short, and nearly in order already. */
    private void sort(int from, int to, Before order) {
        for (int e = from + 1; e < to; e++) {
            for (int at = e; at > from && order.before(at, at - 1); at--) {
                int latent = index[at];
                float f = value[at];
                index[at] = index[at - 1];
                value[at] = value[at - 1];
                index[at - 1] = latent;
                value[at - 1] = f;
            }
        }
    }

    /** Begins a batch of that many rows that is filled in place, with room for so many entries. */
    private void allocate(int newRows, int entries) {
        rows = newRows;
        if (starts.length < rows + 1) {
            starts = new int[rows + 1];
        }
        if (index.length < entries) {
            index = new int[entries];
            value = new float[entries];
        }
    }

    /**
     * Fills the batch from steps × rows places, each a latent with its value or −1; places of one row that have the same latent are summed.
     *
     * @param latents step s of row r stands at s · rows + r
     */
    void gather(int newRows, int steps, int[] latents, float[] values) {
        allocate(newRows, steps * newRows);
        int size = 0;
        for (int row = 0; row < rows; row++) {
            for (int step = 0; step < steps; step++) {
                int latent = latents[step * rows + row];
                if (latent < 0) {
                    continue;
                }
                int at = starts[row];
                while (at < size && index[at] != latent) {
                    at++;
                }
                if (at == size) {
                    index[size] = latent;
                    value[size++] = 0;
                }
                value[at] += values[step * rows + row];
            }
            starts[row + 1] = size;
            sort(starts[row], size, (a, b) -> index[a] < index[b]);
        }
    }

    /**
     * Fills the batch from steps × rows places, each a latent with its value or −1, a row's entries in the order of steps.
     *
     * @param latents step s of row r stands at s · rows + r
     * @param cuts [rows · steps + 1], overwritten: step s of row r has the entries from cuts[r · steps + s] on
     */
    public void ofSteps(int newRows, int steps, int[] latents, float[] values, int[] cuts) {
        allocate(newRows, steps * newRows);
        int size = 0;
        for (int row = 0; row < rows; row++) {
            for (int step = 0; step < steps; step++) {
                if (latents[step * rows + row] >= 0) {
                    index[size] = latents[step * rows + row];
                    value[size++] = values[step * rows + row];
                }
                cuts[row * steps + step + 1] = size;
            }
            starts[row + 1] = size;
        }
    }

    public int rows() {
        return rows;
    }

    /** Number of entries of all rows. */
    public int entries() {
        return starts[rows];
    }

    /** [≥ rows + 1], ascending from 0: where each row begins. */
    public int[] starts() {
        return starts;
    }

    /** Latent of each place. */
    public int[] index() {
        return index;
    }

    /** Activation of each place. */
    public float[] value() {
        return value;
    }
}
