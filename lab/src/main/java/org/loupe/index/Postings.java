package org.loupe.index;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.LongConsumer;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.tensor.Matrix;

/**
 * All activations of a store, latent by latent: for each latent the rows on which it fires, ascending, with its
 * activations. It is the transpose of what the encoder gives row by row, made through two scratch files so that the heap
 * holds neither:
 *
 * <pre>
 * by row     (int32 latent, f32 activation)   8 bytes an entry, in row order
 * by latent  (int32 row,    f32 activation)   8 bytes an entry, latent l at entries [starts[l], starts[l + 1])
 * </pre>
 */
final class Postings implements AutoCloseable {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int ENTRY = 8;
    private static final int BATCH = 4096;

    private final Arena arena;
    private final MemorySegment entries;
    private final long[] starts;
    private final Path file;

    /** One latent's activations: value[i] on row[i], rows ascending. */
    record Firings(int[] row, float[] value) {}

    /** Told how many activations are sorted. */
    @FunctionalInterface
    interface Sorted {
        void at(long done, long total);
    }

    private Postings(Arena arena, MemorySegment entries, long[] starts, Path file) {
        this.arena = arena;
        this.entries = entries;
        this.starts = starts;
        this.file = file;
    }

    /**
     * Encodes every row and sorts the activations by latent.
     *
     * @param scratch folder for the scratch files, 16 bytes an activation while this runs and 8 after
     * @param encoded told the rows done
     * @param sorted told the activations sorted
     */
    static Postings build(
            Encoder encoder, int latents, RowSource rows, Path scratch, LongConsumer encoded, Sorted sorted) {
        if (rows.rows() > Integer.MAX_VALUE) {
            throw new BadInput("the store has " + rows.rows() + " rows; an index holds at most " + Integer.MAX_VALUE);
        }
        Path byRow = scratch.resolve("by-row.bin");
        Path byLatent = scratch.resolve("by-latent.bin");
        int[] rowCounts = new int[(int) rows.rows()];
        long[] starts = new long[latents + 1];
        try {
            spill(encoder, rows, byRow, rowCounts, starts, encoded);
            for (int l = 0; l < latents; l++) {
                starts[l + 1] += starts[l];
            }
            Postings postings = transpose(byRow, byLatent, rowCounts, starts, sorted);
            Files.delete(byRow);
            return postings;
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot write the index's scratch files in " + scratch + ": " + e.getMessage(), e);
        }
    }

    /** Writes the entries by row; counts each latent's in counts[latent + 1]. */
    private static void spill(
            Encoder encoder, RowSource rows, Path file, int[] rowCounts, long[] counts, LongConsumer encoded)
            throws IOException {
        Matrix batch = Matrix.zeros((int) Math.min(BATCH, Math.max(1, rows.rows())), rows.width());
        try (FileChannel out = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            for (long from = 0; from < rows.rows(); from += BATCH) {
                int count = (int) Math.min(BATCH, rows.rows() - from);
                rows.read(from, count, batch, 0);
                Latents active = encoder.encode(batch.head(count));
                ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(active.entries(), ENTRY))
                        .order(ByteOrder.LITTLE_ENDIAN);
                for (int r = 0; r < count; r++) {
                    int before = bytes.position();
                    for (int e = active.starts()[r]; e < active.starts()[r + 1]; e++) {
                        if (active.value()[e] != 0) {
                            bytes.putInt(active.index()[e]).putFloat(active.value()[e]);
                            counts[active.index()[e] + 1]++;
                        }
                    }
                    rowCounts[(int) from + r] = (bytes.position() - before) / ENTRY;
                }
                bytes.flip();
                while (bytes.hasRemaining()) {
                    out.write(bytes);
                }
                encoded.accept(from + count);
            }
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // the Postings close it
    private static Postings transpose(Path byRow, Path byLatent, int[] rowCounts, long[] starts, Sorted sorted)
            throws IOException {
        long total = starts[starts.length - 1];
        Arena arena = Arena.ofShared();
        try (Arena reading = Arena.ofConfined();
                FileChannel in = FileChannel.open(byRow, StandardOpenOption.READ);
                FileChannel out = FileChannel.open(
                        byLatent,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            MemorySegment from = in.map(MapMode.READ_ONLY, 0, total * ENTRY, reading);
            MemorySegment to = out.map(MapMode.READ_WRITE, 0, total * ENTRY, arena);
            long[] next = starts.clone();
            long entry = 0;
            for (int row = 0; row < rowCounts.length; row++) {
                for (int e = 0; e < rowCounts[row]; e++, entry++) {
                    int latent = from.get(INT, entry * ENTRY);
                    long at = next[latent]++ * ENTRY;
                    to.set(INT, at, row);
                    to.set(FLOAT, at + 4, from.get(FLOAT, entry * ENTRY + 4));
                }
                if ((row & 0xFFFF) == 0) {
                    sorted.at(entry, total);
                }
            }
            sorted.at(total, total);
            return new Postings(arena, to, starts, byLatent);
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** Number of activations of all latents. */
    long total() {
        return starts[starts.length - 1];
    }

    /** One latent's activations, copied out. Thread-safe. */
    Firings of(int latent) {
        int count = Math.toIntExact(starts[latent + 1] - starts[latent]);
        int[] row = new int[count];
        float[] value = new float[count];
        long at = starts[latent] * ENTRY;
        for (int i = 0; i < count; i++, at += ENTRY) {
            row[i] = entries.get(INT, at);
            value[i] = entries.get(FLOAT, at + 4);
        }
        return new Firings(row, value);
    }

    @Override
    public void close() {
        arena.close();
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + file + ": " + e.getMessage(), e);
        }
    }
}
