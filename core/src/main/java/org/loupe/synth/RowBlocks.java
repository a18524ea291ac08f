package org.loupe.synth;

import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.SplittableRandom;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Rows in order, several blocks at a time. Every block of {@value #ROWS} rows has random numbers of its own, split off in order, so
 * that the rows depend neither on the number of threads nor on how many rows follow them.
 */
final class RowBlocks implements Iterator<Matrix> {
    private static final int ROWS = 1024;

    /** Elements made before they are handed on: bounds the memory. */
    private static final int ELEMENTS = 1 << 22;

    private final RowMaker maker;
    private final SplittableRandom random;
    private final int width;
    private final long rows;
    private final Workers workers;
    private final Codes[] codes;
    private final Matrix buffer;
    private long made;

    RowBlocks(RowMaker maker, SplittableRandom random, int width, long rows, Workers workers) {
        this.maker = maker;
        this.random = random;
        this.width = width;
        this.rows = rows;
        this.workers = workers;
        int blocks = (int) Math.min(Math.max(1, ELEMENTS / ((long) ROWS * width)), (rows + ROWS - 1) / ROWS);
        this.codes = new Codes[blocks];
        this.buffer = Matrix.zeros((int) Math.min((long) blocks * ROWS, rows), width);
    }

    @Override
    public boolean hasNext() {
        return made < rows;
    }

    /** The next rows, in a matrix that the next call overwrites. */
    @Override
    public Matrix next() {
        if (!hasNext()) {
            throw new NoSuchElementException("all " + rows + " rows are made");
        }
        int count = (int) Math.min(buffer.rows(), rows - made);
        int blocks = (count + ROWS - 1) / ROWS;
        SplittableRandom[] streams = new SplittableRandom[blocks];
        Arrays.setAll(streams, i -> random.split());
        Matrix out = new Matrix(count, width, buffer.data());
        workers.forEach(blocks, 1, (from, to, worker) -> {
            for (int b = from; b < to; b++) {
                codes[b] = maker.make(streams[b], Math.min(ROWS, count - b * ROWS), out, b * ROWS);
            }
        });
        made += count;
        return out;
    }

    /** Rows that are made. */
    long made() {
        return made;
    }

    /** Codes of the rows that {@link #next} gave last. */
    Codes codes() {
        int blocks = (int) ((made - 1) % buffer.rows() / ROWS) + 1;
        return Codes.concatenated(Arrays.asList(codes).subList(0, blocks));
    }
}
