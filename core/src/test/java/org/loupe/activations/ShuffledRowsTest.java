package org.loupe.activations;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicInteger;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Dtype;
import org.loupe.tensor.Matrix;

class ShuffledRowsTest {
    @TempDir
    Path folder;

    /** Row r is [r, −r]; not said to be in memory, so windows are filled by readRaw. */
    private static RowSource numbered(int rows) {
        return new RowSource() {
            @Override
            public long rows() {
                return rows;
            }

            @Override
            public int width() {
                return 2;
            }

            @Override
            public void read(long from, int count, Matrix out, int at) {
                for (int i = 0; i < count; i++) {
                    out.data()[out.offset(at + i)] = from + i;
                    out.data()[out.offset(at + i) + 1] = -(from + i);
                }
            }
        };
    }

    private static Matrix numberedMatrix(int rows) {
        Matrix m = Matrix.zeros(rows, 2);
        numbered(rows).read(0, rows, m, 0);
        return m;
    }

    /** The first {@code count} rows of the stream, as source row numbers. */
    private static int[] stream(ShuffledRows rows, int count) {
        int[] out = new int[count];
        Matrix batch = Matrix.zeros(rows.batch(), 2);
        for (int i = 0; i < count; i++) {
            if (i % rows.batch() == 0) {
                rows.batch(i / rows.batch(), batch);
            }
            out[i] = (int) batch.at(i % rows.batch(), 0);
            assertEquals(-out[i], (int) batch.at(i % rows.batch(), 1));
        }
        return out;
    }

    @Property(tries = 200)
    void everyPassIsAPermutation(
            @ForAll @IntRange(min = 1, max = 700) int n,
            @ForAll @IntRange(min = 1, max = 50) int batch,
            @ForAll @IntRange(min = 1, max = 800) int buffer,
            @ForAll long seed,
            @ForAll boolean inMemory,
            @ForAll boolean shuffle) {
        RowSource source = inMemory ? new MatrixRows(numberedMatrix(n)) : numbered(n);
        int[] given = stream(new ShuffledRows(source, batch, seed, buffer, shuffle), 3 * n);
        for (int pass = 0; pass < 3; pass++) {
            BitSet seen = new BitSet();
            for (int i = 0; i < n; i++) {
                seen.set(given[pass * n + i]);
                assertTrue(shuffle || given[pass * n + i] == i);
            }
            assertEquals(n, seen.cardinality());
        }
    }

    @Property(tries = 100)
    void aBatchIsAFunctionOfTheStepAlone(
            @ForAll @IntRange(min = 1, max = 500) int n,
            @ForAll @IntRange(min = 1, max = 40) int batch,
            @ForAll @IntRange(min = 1, max = 600) int buffer,
            @ForAll long seed,
            @ForAll @IntRange(min = 0, max = 60) int step) {
        ShuffledRows used = new ShuffledRows(numbered(n), batch, seed, buffer, true);
        stream(used, Math.min(n, 7 * batch));
        Matrix a = Matrix.zeros(batch, 2);
        Matrix b = Matrix.zeros(batch, 2);
        used.batch(step, a);
        new ShuffledRows(numbered(n), batch, seed, buffer, true).batch(step, b);
        assertArrayEquals(b.data(), a.data());
    }

    @Test
    void seedsAndPassesGiveDifferentOrders() {
        int[] a = stream(new ShuffledRows(numbered(1000), 10, 1, 200, true), 2000);
        int[] b = stream(new ShuffledRows(numbered(1000), 10, 2, 200, true), 1000);
        assertTrue(samePlaces(a, 0, b, 0) < 10);
        assertTrue(samePlaces(a, 0, a, 1000) < 10);
    }

    private static int samePlaces(int[] a, int fromA, int[] b, int fromB) {
        int same = 0;
        for (int i = 0; i < 1000; i++) {
            same += a[fromA + i] == b[fromB + i] ? 1 : 0;
        }
        return same;
    }

    /**
     * Neighbours in the stream come from unrelated places. With n = 20,000 independent pairs a correlation has a standard
     * deviation of 1/√n = 0.007; blocks of 32 in a window of 4,000 rows leave a neighbour from the same block with
     * probability 32/4,000, which adds at most 0.008.
     */
    @Test
    void neighboursComeFromUnrelatedPlaces() {
        int n = 20_000;
        for (int buffer : new int[] {8_000, n}) {
            int[] given = stream(new ShuffledRows(numbered(n), 100, 3, buffer, true), n);
            double mean = (n - 1) / 2.0;
            double covariance = 0;
            double variance = 0;
            int sameBlock = 0;
            for (int i = 0; i + 1 < n; i++) {
                covariance += (given[i] - mean) * (given[i + 1] - mean);
                variance += (given[i] - mean) * (given[i] - mean);
                sameBlock += given[i] / ShuffledRows.BLOCK == given[i + 1] / ShuffledRows.BLOCK ? 1 : 0;
            }
            assertTrue(Math.abs(covariance / variance) < 0.035, "correlation " + covariance / variance);
            assertTrue(sameBlock < 2 * n * ShuffledRows.BLOCK / (buffer / 2), sameBlock + " neighbours of one block");
        }
    }

    /** The mean source place of each batch of 500 varies as much as that of independent draws: sd = n / √(12 · 500). */
    @Test
    void everyBatchIsASampleOfTheWholeSource() {
        int n = 50_000;
        int[] given = stream(new ShuffledRows(numbered(n), 500, 4, 20_000, true), n);
        double expected = n / Math.sqrt(12.0 * 500);
        double squares = 0;
        for (int b = 0; b < 100; b++) {
            double mean = 0;
            for (int i = 0; i < 500; i++) {
                mean += given[b * 500 + i] / 500.0;
            }
            squares += (mean - (n - 1) / 2.0) * (mean - (n - 1) / 2.0) / 100;
        }
        assertTrue(Math.sqrt(squares) < 2 * expected, Math.sqrt(squares) + " against " + expected);
    }

    @Test
    void aStoreLargerThanTheBufferIsReadOnceAPass() {
        int n = 10_000;
        AtomicInteger read = new AtomicInteger();
        RowSource counting = new RowSource() {
            @Override
            public long rows() {
                return n;
            }

            @Override
            public int width() {
                return 2;
            }

            @Override
            public void read(long from, int count, Matrix out, int at) {
                read.addAndGet(count);
            }
        };
        ShuffledRows rows = new ShuffledRows(counting, 100, 5, 2_000, true);
        Matrix out = Matrix.zeros(100, 2);
        int most = 0;
        for (int step = 0; step < 300; step++) {
            int before = read.get();
            rows.batch(step, out);
            most = Math.max(most, step == 0 ? 0 : read.get() - before);
        }
        assertTrue(read.get() <= 3 * n + 1_100, read + " rows read in three passes");
        assertTrue(most <= 200, most + " rows read for one batch of 100: the next window is filled at an even pace");
    }

    @Test
    void bf16StoresAreShuffledThroughTheirRawBytes() {
        Matrix rows = numberedMatrix(256);
        TestStores.write(folder, rows, Dtype.BF16, 100, 156);
        try (ActivationStore store = ActivationStore.open(folder)) {
            int[] given = stream(new ShuffledRows(store, 16, 6, 128, true), 256);
            assertEquals(256, java.util.Arrays.stream(given).distinct().count());
        }
    }

    @Test
    void aNanIsRefusedWithItsRowAndColumn() {
        Matrix rows = numberedMatrix(50);
        rows.data()[rows.offset(37) + 1] = Float.NaN;
        for (boolean shuffle : new boolean[] {true, false}) {
            ShuffledRows shuffled = new ShuffledRows(new MatrixRows(rows), 50, 0, 50, shuffle);
            ActivationStoreTest.assertRefused("row 37, column 1 is NaN", () -> shuffled.batch(0, Matrix.zeros(50, 2)));
        }
    }

    @Test
    void aSourceWithoutRowsIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new ShuffledRows(numbered(0), 1, 0, 1, true));
    }
}
