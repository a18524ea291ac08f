package org.loupe.activations;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.loupe.io.Dtype;
import org.loupe.tensor.Matrix;

/**
 * Rows of floats in a fixed order, read at random: an activation store, a tensor of a safetensors file, or a matrix in
 * memory. Reading is thread-safe.
 */
public interface RowSource {
    /** Number of rows. */
    long rows();

    /** Width of a row. */
    int width();

    /**
     * Copies rows [from, from + count) as f32.
     *
     * @param out [≥ at + count, width()]; rows at to at + count − 1 are overwritten
     */
    void read(long from, int count, Matrix out, int at);

    /** Element type of {@link #readRaw}: one that {@link Dtype#floats} decodes. */
    default Dtype dtype() {
        return Dtype.F32;
    }

    /** Copies rows [from, from + count) undecoded: {@code count * width() * dtype().bytes()} bytes from byte {@code at} of {@code out} on. */
    default void readRaw(long from, int count, MemorySegment out, long at) {
        Matrix rows = Matrix.zeros(count, width());
        read(from, count, rows, 0);
        MemorySegment.copy(rows.data(), 0, out, ValueLayout.JAVA_FLOAT_UNALIGNED, at, count * width());
    }

    /** Whether the rows lie in memory already, so that copying them ahead of use gains nothing. */
    default boolean inMemory() {
        return false;
    }

    /** What the rows are, for messages. */
    default String name() {
        return "rows in memory";
    }
}
