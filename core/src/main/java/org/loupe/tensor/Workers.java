package org.loupe.tensor;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * The one pool of compute threads. Work is a range cut into chunks of a fixed size; which thread takes a chunk is left to
 * chance, so results are independent of the number of threads exactly when a chunk's result depends on the chunk alone.
 */
public final class Workers implements AutoCloseable {
    private final int threads;
    private final ExecutorService pool;

    /** A pool of this many threads, the calling thread included. */
    public Workers(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads + ", expected at least 1");
        }
        this.threads = threads;
        this.pool = Executors.newFixedThreadPool(
                Math.max(1, threads - 1),
                Thread.ofPlatform().daemon().name("loupe-worker-", 0).factory());
    }

    public int threads() {
        return threads;
    }

    /** The body of a parallel loop: items {@code from} (inclusive) to {@code to} (exclusive). */
    @FunctionalInterface
    public interface Body {
        /**
         * @param worker a number below {@link #threads}, distinct among the bodies that run at one time: an index for scratch
         */
        void run(int from, int to, int worker);
    }

    /** Runs the body over [0, items) in chunks of at most {@code chunk} items and returns when all are done. */
    public void forEach(int items, int chunk, Body body) {
        if (items <= 0) {
            return;
        }
        int chunks = (items + chunk - 1) / chunk;
        int helpers = Math.min(threads, chunks) - 1;
        AtomicInteger next = new AtomicInteger();
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<@Nullable Throwable>();
        CountDownLatch done = new CountDownLatch(helpers);
        for (int helper = 1; helper <= helpers; helper++) {
            int worker = helper;
            pool.execute(() -> {
                drain(items, chunk, chunks, next, failure, body, worker);
                done.countDown();
            });
        }
        drain(items, chunk, chunks, next, failure, body, 0);
        awaitUninterruptibly(done);
        Throwable thrown = failure.get();
        if (thrown instanceof RuntimeException e) {
            throw e;
        }
        if (thrown instanceof Error e) {
            throw e;
        }
    }

    private static void drain(
            int items,
            int chunk,
            int chunks,
            AtomicInteger next,
            AtomicReference<@Nullable Throwable> failure,
            Body body,
            int worker) {
        try {
            for (int c = next.getAndIncrement(); c < chunks && failure.get() == null; c = next.getAndIncrement()) {
                body.run(c * chunk, Math.min(items, (c + 1) * chunk), worker);
            }
        } catch (Throwable e) {
            failure.compareAndSet(null, e);
        }
    }

    /** Helpers write into the caller's arrays, so the caller must not leave before they have stopped. */
    private static void awaitUninterruptibly(CountDownLatch done) {
        boolean interrupted = false;
        while (true) {
            try {
                done.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
