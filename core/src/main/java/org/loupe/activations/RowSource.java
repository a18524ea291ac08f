package org.loupe.activations;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.tensor.Matrix;

/**
 * Rows of floats in a fixed order, read at random: an activation store, a tensor of a safetensors file, or a matrix in
 * memory. Reading is thread-safe.
 */
public interface RowSource extends AutoCloseable {
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

    /** What is known about where the rows come from; what is not is empty. */
    default Provenance provenance() {
        return Provenance.here("", "", "", "", 0);
    }

    /**
     * Refuses rows of another model, hook point or width than the ones wanted, naming both. An empty hash or hook point means
     * unknown and is not compared.
     *
     * @param wantedWidth the width that the consumer reads
     * @param wanted provenance of the consumer
     * @param consumer what the consumer is, for the message: {@code "SAE out/sae"}
     */
    default void requireMatches(int wantedWidth, Provenance wanted, String consumer) {
        Provenance made = provenance();
        if (differ(made.modelSha256(), wanted.modelSha256())) {
            throw new BadInput(name() + ": holds activations of model " + named(made) + ", but " + consumer
                    + " is made for " + named(wanted));
        }
        if (differ(made.hook(), wanted.hook())) {
            throw new BadInput(name() + ": holds activations of " + made.hook() + ", but " + consumer + " is made for "
                    + wanted.hook());
        }
        if (width() != wantedWidth) {
            throw new BadInput(
                    name() + ": holds rows of width " + width() + ", but " + consumer + " reads width " + wantedWidth);
        }
    }

    private static boolean differ(String here, String there) {
        return !here.isEmpty() && !there.isEmpty() && !here.equals(there);
    }

    private static String named(Provenance p) {
        return "'" + p.model() + "' (sha256 " + p.modelSha256() + ")";
    }

    /** Releases the files that the rows are read from; rows in memory have none. */
    @Override
    default void close() {}
}
