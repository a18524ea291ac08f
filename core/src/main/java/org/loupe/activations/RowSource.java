package org.loupe.activations;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
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

    /** Width of a row as {@link #read} gives it: the input and, behind it, the target where there is one. */
    int width();

    /**
     * The last columns of a row that are what a transcoder is to write, given the columns before them; 0 where rows are their
     * own targets.
     */
    default int targetWidth() {
        return 0;
    }

    /** Widths of the input's parts, side by side: one for each hook point. Their sum is {@code width() − targetWidth()}. */
    default List<Integer> parts() {
        return List.of(width() - targetWidth());
    }

    /** The inputs alone, without targets. Closing them closes this source. */
    default RowSource inputs() {
        return targetWidth() == 0 ? this : new InputRows(this);
    }

    /**
     * The gradients of the language model's loss by the rows, as many and as wide. Closing them closes this source.
     *
     * @throws BadInput where there are none
     */
    default RowSource gradients() {
        throw new BadInput(name() + ": holds no gradients; a store made by harvest --gradients does");
    }

    /** What {@link #gradients} are of, by its {@link GradientLoss#key}; empty where that is unknown or there are none. */
    default String gradientLoss() {
        return "";
    }

    /**
     * Copies rows [from, from + count) as f32.
     *
     * @param out [≥ at + count, width()]; rows at to at + count − 1 are overwritten
     * @throws BadInput naming the row and column of a NaN or infinity
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

    /** Hook point of the targets; empty where there are none, or where they are of unknown origin. */
    default String targetHook() {
        return "";
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

    /**
     * Refuses rows that are not pairs of inputs and targets as a transcoder wants them: as {@link #requireMatches} of the
     * inputs, and of the targets likewise.
     *
     * @param wantedInput width that the consumer reads
     * @param wantedTarget width that it writes
     * @param wanted provenance of the consumer, its hook that of the inputs
     * @param wantedTargetHook hook point that it writes; empty where that is unknown
     */
    default void requirePairs(
            int wantedInput, int wantedTarget, Provenance wanted, String wantedTargetHook, String consumer) {
        if (targetWidth() == 0) {
            throw new BadInput(name() + ": holds no targets, but " + consumer + " reads " + orRows(wanted.hook())
                    + " and writes " + orRows(wantedTargetHook) + ": it needs rows of both");
        }
        inputs().requireMatches(wantedInput, wanted, consumer);
        if (differ(targetHook(), wantedTargetHook)) {
            throw new BadInput(name() + ": holds targets of " + targetHook() + ", but " + consumer + " writes "
                    + wantedTargetHook);
        }
        if (targetWidth() != wantedTarget) {
            throw new BadInput(name() + ": holds targets of width " + targetWidth() + ", but " + consumer
                    + " writes width " + wantedTarget);
        }
    }

    private static String orRows(String hook) {
        return hook.isEmpty() ? "rows of unknown origin" : hook;
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
