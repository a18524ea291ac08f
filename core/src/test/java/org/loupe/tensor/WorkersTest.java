package org.loupe.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkersTest {
    @Property(tries = 200)
    void everyItemRunsOnceInChunksAtFixedPlaces(
            @ForAll @IntRange(min = 0, max = 500) int items,
            @ForAll @IntRange(min = 1, max = 60) int chunk,
            @ForAll @IntRange(min = 1, max = 4) int threads) {
        AtomicIntegerArray runs = new AtomicIntegerArray(Math.max(1, items));
        AtomicIntegerArray busy = new AtomicIntegerArray(threads);
        AtomicBoolean shared = new AtomicBoolean();
        try (Workers workers = new Workers(threads)) {
            workers.forEach(items, chunk, (from, to, worker) -> {
                shared.compareAndSet(false, busy.incrementAndGet(worker) != 1);
                assertEquals(0, from % chunk);
                assertEquals(Math.min(items, from + chunk), to);
                for (int i = from; i < to; i++) {
                    runs.incrementAndGet(i);
                }
                busy.decrementAndGet(worker);
            });
        }
        assertFalse(shared.get(), "two bodies ran at one time with the same worker number");
        for (int i = 0; i < items; i++) {
            assertEquals(1, runs.get(i), "item " + i);
        }
    }

    @Test
    @Timeout(30)
    void allThreadsWorkAtOnce() throws InterruptedException {
        CountDownLatch together = new CountDownLatch(3);
        AtomicInteger met = new AtomicInteger();
        try (Workers workers = new Workers(3)) {
            workers.forEach(3, 1, (from, to, worker) -> {
                together.countDown();
                try {
                    met.addAndGet(together.await(10, TimeUnit.SECONDS) ? 1 : 0);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }
        assertEquals(3, met.get());
    }

    @ParameterizedTest
    @Timeout(30)
    @ValueSource(ints = {1, 3})
    void aFailureReachesTheCallerAndThePoolGoesOn(int threads) {
        AtomicInteger after = new AtomicInteger();
        try (Workers workers = new Workers(threads)) {
            IllegalStateException thrown = assertThrows(
                    IllegalStateException.class,
                    () -> workers.forEach(1000, 1, (from, to, worker) -> {
                        if (from == 7) {
                            throw new IllegalStateException("chunk 7");
                        }
                    }));
            assertEquals("chunk 7", thrown.getMessage());
            assertThrows(
                    StackOverflowError.class,
                    () -> workers.forEach(5, 1, (from, to, worker) -> {
                        throw new StackOverflowError();
                    }));
            workers.forEach(100, 3, (from, to, worker) -> after.addAndGet(to - from));
        }
        assertEquals(100, after.get());
    }

    @Test
    @Timeout(30)
    void anInterruptedCallerStillWaitsForItsHelpers() {
        AtomicInteger done = new AtomicInteger();
        try (Workers workers = new Workers(3)) {
            Thread.currentThread().interrupt();
            workers.forEach(50, 1, (from, to, worker) -> {
                Thread.onSpinWait();
                done.incrementAndGet();
            });
            assertEquals(50, done.get());
            assertTrue(Thread.interrupted(), "the interrupt is kept for the caller");
        }
    }

    @Test
    void noThreadsAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Workers(0));
    }
}
