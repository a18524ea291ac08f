package org.loupe.activations;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.loupe.io.BadInput;
import org.loupe.tensor.Matrix;

class PrefetcherTest {
    private static final Matrix ROWS = TestStores.random(1000, 8, 2);

    private static ShuffledRows shuffled(RowSource source) {
        return new ShuffledRows(source, 64, 9, 2000, true);
    }

    @Test
    void givesTheBatchesOfTheSteps() {
        ShuffledRows plain = shuffled(new MatrixRows(ROWS));
        Matrix expected = Matrix.zeros(64, 8);
        try (Prefetcher prefetcher = new Prefetcher(shuffled(new MatrixRows(ROWS)), 5)) {
            for (int step = 5; step < 50; step++) {
                plain.batch(step, expected);
                assertArrayEquals(expected.data(), prefetcher.take().data(), "step " + step);
            }
        }
    }

    /** A source that does something for each batch. */
    private record Reading(Runnable does) implements RowSource {
        @Override
        public long rows() {
            return 1000;
        }

        @Override
        public int width() {
            return 8;
        }

        @Override
        public void read(long from, int count, Matrix out, int at) {
            does.run();
        }
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void waitsOnlyWhereReadingIsSlowerThanTheStep() {
        assertTrue(waited(2, 20) < 50_000_000L, "a step of 20 ms never waits for a batch that takes 2 ms");
        assertTrue(waited(20, 0) > 150_000_000L, "a step of no time waits for every batch");
    }

    private static long waited(long readMillis, long stepMillis) {
        ShuffledRows rows = new ShuffledRows(new Reading(() -> pause(readMillis)), 64, 0, 64, false);
        try (Prefetcher prefetcher = new Prefetcher(rows, 0)) {
            for (int step = 0; step < 15; step++) {
                prefetcher.take();
                pause(stepMillis);
            }
            return prefetcher.waitedNanos();
        }
    }

    @Test
    void aFailureOfTheReaderReachesTheTaker() {
        Matrix bad = new Matrix(1000, 8, Arrays.copyOf(ROWS.data(), 8000));
        bad.data()[4000] = Float.POSITIVE_INFINITY;
        try (Prefetcher prefetcher = new Prefetcher(shuffled(new MatrixRows(bad)), 0)) {
            BadInput thrown = assertThrows(BadInput.class, () -> {
                for (int step = 0; step < 17; step++) {
                    prefetcher.take();
                }
            });
            assertTrue(String.valueOf(thrown.getMessage()).contains("row 500, column 0 is Infinity"));
            assertEquals(thrown, assertThrows(BadInput.class, prefetcher::take));
        }
    }

    @Test
    @Timeout(value = 10, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void anErrorOfTheReaderReachesTheTaker() {
        // What the JVM throws where a mapped file's pages are gone.
        InternalError error = new InternalError("a fault occurred in an unsafe memory access operation");
        RowSource gone = new Reading(() -> {
            throw error;
        });
        try (Prefetcher prefetcher = new Prefetcher(shuffled(gone), 0)) {
            assertSame(error, assertThrows(InternalError.class, prefetcher::take));
            assertSame(error, assertThrows(InternalError.class, prefetcher::take));
        }
    }
}
