package org.loupe.activations;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.tensor.Matrix;

/** The inputs of pairs: their first columns, read together with the targets and cut off. */
record InputRows(RowSource pairs) implements RowSource {
    @Override
    public long rows() {
        return pairs.rows();
    }

    @Override
    public int width() {
        return pairs.width() - pairs.targetWidth();
    }

    @Override
    public List<Integer> parts() {
        return pairs.parts();
    }

    @Override
    public void read(long from, int count, Matrix out, int at) {
        out.requireCols(width(), name());
        Matrix both = Matrix.zeros(count, pairs.width());
        pairs.read(from, count, both, 0);
        both.copyColumns(0, width(), out, at, 0);
    }

    @Override
    public Dtype dtype() {
        return pairs.dtype();
    }

    @Override
    public void readRaw(long from, int count, MemorySegment out, long at) {
        long rowBytes = (long) width() * dtype().bytes();
        long pairBytes = (long) pairs.width() * dtype().bytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment both = arena.allocate(Math.max(1, count * pairBytes), 64);
            pairs.readRaw(from, count, both, 0);
            for (int r = 0; r < count; r++) {
                MemorySegment.copy(both, r * pairBytes, out, at + r * rowBytes, rowBytes);
            }
        }
    }

    @Override
    public boolean inMemory() {
        return pairs.inMemory();
    }

    @Override
    public String name() {
        return pairs.name();
    }

    @Override
    public Provenance provenance() {
        return pairs.provenance();
    }

    @Override
    public void close() {
        pairs.close();
    }
}
