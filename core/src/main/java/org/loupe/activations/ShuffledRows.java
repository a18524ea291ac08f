package org.loupe.activations;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SplitMix;

/**
 * Batches for training: consecutive slices of an endless stream of passes over the rows, each pass a permutation of them.
 * {@link #batch} is a pure function of (seed, step), so a resumed run needs no state of it.
 *
 * <p>Pass p permutes blocks of {@value #BLOCK} consecutive rows by (seed, p), reads them in that order into windows held in
 * memory as they are on disk, and gives each window's rows in an order permuted by (seed, p, window). Two windows share the
 * buffer: while one is given out, the next is filled at the same pace, so no batch has to wait for a whole window. Where all
 * rows fit the buffer there is one window, read once, and a pass is a uniform permutation of all rows. Rows already in
 * memory are not copied.
 *
 * <p>Not thread-safe: one thread asks for batches. Asking in order is fast; any other step refills a window.
 */
public final class ShuffledRows {
    /** Rows read together; about 10 to 200 kB at common widths, far below a window. */
    static final int BLOCK = 32;

    private final RowSource source;
    private final int batch;
    private final long seed;
    private final boolean shuffle;
    private final long rows;
    private final int windows;
    private final int blocksPerWindow;
    private final long rowBytes;
    private Window current;
    private Window next;

    /**
     * @param rows what is read; at least one row
     * @param batch rows in a batch
     * @param seed decides every permutation
     * @param bufferRows rows held in memory, at least {@code 2 · BLOCK} unless all rows fit
     * @param shuffle false for the order of the source
     */
    public ShuffledRows(RowSource rows, int batch, long seed, int bufferRows, boolean shuffle) {
        if (rows.rows() < 1) {
            throw new IllegalArgumentException(rows.name() + ": has no rows to train on");
        }
        if (batch < 1 || bufferRows < 1) {
            throw new IllegalArgumentException(
                    "batch is " + batch + " and bufferRows " + bufferRows + ", expected at least 1 each");
        }
        this.source = rows;
        this.batch = batch;
        this.seed = seed;
        this.shuffle = shuffle;
        this.rows = rows.rows();
        this.rowBytes = (long) rows.width() * rows.dtype().bytes();
        int blocks = Math.toIntExact((this.rows + BLOCK - 1) / BLOCK);
        boolean whole = rows.inMemory() || this.rows <= bufferRows;
        int most = whole ? blocks : Math.max(1, bufferRows / 2 / BLOCK);
        this.windows = (blocks + most - 1) / most;
        this.blocksPerWindow = (blocks + windows - 1) / windows;
        this.current = new Window();
        this.next = new Window();
    }

    /** Rows in a batch. */
    public int batch() {
        return batch;
    }

    /** Width of a row. */
    public int width() {
        return source.width();
    }

    /**
     * Rows [step · batch, (step + 1) · batch) of the stream.
     *
     * @param out [≥ batch × width], its first {@code batch} rows are overwritten
     * @throws org.loupe.io.BadInput naming the row and column of a NaN or infinity
     */
    public void batch(long step, Matrix out) {
        out.requireCols(source.width(), "batch");
        long from = Math.multiplyExact(step, batch);
        for (int done = 0; done < batch; ) {
            long pass = (from + done) / rows;
            long offset = (from + done) % rows;
            int wanted = (int) Math.min(batch - done, rows - offset);
            done += shuffle ? shuffled(pass, offset, wanted, out, done) : inOrder(offset, wanted, out, done);
        }
    }

    private int inOrder(long offset, int wanted, Matrix out, int at) {
        source.read(offset, wanted, out, at);
        return wanted;
    }

    private int shuffled(long pass, long offset, int wanted, Matrix out, int at) {
        long windowRows = (long) blocksPerWindow * BLOCK;
        int number = (int) (offset / windowRows);
        Window window = window(pass, number);
        int first = (int) (offset - number * windowRows);
        int count = Math.min(wanted, window.rows() - first);
        for (int i = 0; i < count; i++) {
            window.give(first + i, out, at + i);
        }
        if (windows > 1) {
            fillAhead(pass, number, (first + count) / (double) window.rows());
        }
        return count;
    }

    private Window window(long pass, int number) {
        if (!current.is(pass, number)) {
            if (next.is(pass, number)) {
                Window given = current;
                current = next;
                next = given;
            } else {
                current.assign(pass, number);
            }
        }
        current.fill(1.0);
        return current;
    }

    private void fillAhead(long pass, int number, double share) {
        long nextPass = number + 1 < windows ? pass : pass + 1;
        int nextNumber = number + 1 < windows ? number + 1 : 0;
        if (!next.is(nextPass, nextNumber)) {
            next.assign(nextPass, nextNumber);
        }
        next.fill(share);
    }

    /** Blocks of one pass in memory, and the order in which their rows are given. */
    private final class Window {
        private long pass = -1;
        private int number = -1;
        private int[] blocks = {};
        private int[] slots = {};
        private int filled;
        private @Nullable MemorySegment raw;

        boolean is(long pass, int number) {
            return this.pass == pass && this.number == number;
        }

        int rows() {
            return slots.length;
        }

        /** Makes this the window of that number in that pass, with nothing read yet. */
        void assign(long pass, int number) {
            boolean kept = windows == 1 && this.number == 0;
            this.pass = pass;
            this.number = number;
            if (!kept) {
                blocks = blocksOf(pass, number);
                filled = 0;
            }
            long first = (long) number * blocksPerWindow * BLOCK;
            slots = identity((int) Math.min((long) blocks.length * BLOCK, rows - first));
            permute(slots, slots.length, new SplittableRandom(SplitMix.mix(SplitMix.mix(seed, pass + 1), number + 1)));
        }

        /** Reads blocks until this share of them is there. */
        void fill(double share) {
            if (source.inMemory()) {
                return;
            }
            MemorySegment to = raw;
            if (to == null) {
                to = Arena.ofAuto().allocate((long) blocksPerWindow * BLOCK * rowBytes, 64);
                raw = to;
            }
            int wanted = (int) Math.ceil(share * blocks.length);
            for (; filled < wanted; filled++) {
                long from = (long) blocks[filled] * BLOCK;
                source.readRaw(from, (int) Math.min(BLOCK, rows - from), to, (long) filled * BLOCK * rowBytes);
            }
        }

        void give(int place, Matrix out, int at) {
            int slot = slots[place];
            long row = (long) blocks[slot / BLOCK] * BLOCK + slot % BLOCK;
            MemorySegment from = raw;
            if (from == null) {
                source.read(row, 1, out, at);
            } else {
                source.dtype().floats(from, slot * rowBytes, out.data(), out.offset(at), source.width());
            }
            Finite.require(out, at, source.name(), row);
        }
    }

    /** The blocks of a window: all in order for a single window, else a slice of the pass's permutation. */
    private int[] blocksOf(long pass, int number) {
        int total = (int) ((rows + BLOCK - 1) / BLOCK);
        int[] order = identity(total);
        if (windows > 1) {
            // A last block shorter than the others stays last, so that every other block has its place at a multiple of
            // BLOCK.
            int whole = (int) (rows / BLOCK);
            permute(order, whole, new SplittableRandom(SplitMix.mix(seed, pass + 1)));
        }
        int from = number * blocksPerWindow;
        return java.util.Arrays.copyOfRange(order, from, Math.min(total, from + blocksPerWindow));
    }

    private static int[] identity(int size) {
        int[] order = new int[size];
        for (int i = 0; i < size; i++) {
            order[i] = i;
        }
        return order;
    }

    /** Fisher–Yates on the first {@code size} entries. */
    private static void permute(int[] order, int size, SplittableRandom random) {
        for (int i = size - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int held = order[i];
            order[i] = order[j];
            order[j] = held;
        }
    }
}
