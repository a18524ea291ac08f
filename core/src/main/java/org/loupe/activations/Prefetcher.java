package org.loupe.activations;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;
import org.loupe.tensor.Matrix;

/** Reads the next batch on a background thread while the last one is being worked on. Owns two batches of memory. */
public final class Prefetcher implements AutoCloseable {
    private final BlockingQueue<Item> ready = new ArrayBlockingQueue<>(1);
    private final BlockingQueue<Matrix> free = new ArrayBlockingQueue<>(2);
    private final Thread reader;
    private @Nullable Matrix lent;
    private boolean started;
    private long waitedNanos;

    /** A batch, or why there is none. */
    private record Item(@Nullable Matrix rows, @Nullable Throwable failure) {}

    /**
     * Starts reading.
     *
     * @param rows used by this prefetcher alone from now on
     * @param firstStep step of the first batch; the following ones are consecutive
     */
    public Prefetcher(ShuffledRows rows, long firstStep) {
        free.add(Matrix.zeros(rows.batch(), rows.width()));
        free.add(Matrix.zeros(rows.batch(), rows.width()));
        reader = Thread.ofPlatform().daemon().name("loupe-prefetch").start(() -> read(rows, firstStep));
    }

    private void read(ShuffledRows rows, long firstStep) {
        try {
            for (long step = firstStep; ; step++) {
                Matrix out = free.take();
                Item item;
                try {
                    rows.batch(step, out);
                    item = new Item(out, null);
                } catch (RuntimeException | Error e) { // a mapped file that cannot be read throws an InternalError
                    item = new Item(null, e);
                }
                ready.put(item);
                if (item.failure() != null) {
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * The next batch, valid until the next call.
     *
     * @throws RuntimeException whatever reading it threw, an Error likewise
     */
    public Matrix take() {
        if (lent != null) {
            free.add(lent);
            lent = null;
        }
        Item item = ready.poll();
        if (item == null) {
            long start = System.nanoTime();
            item = await();
            if (started) {
                waitedNanos += System.nanoTime() - start;
            }
        }
        started = true;
        if (item.failure() != null) {
            ready.add(item);
        }
        if (item.failure() instanceof Error e) {
            throw e;
        }
        if (item.failure() instanceof RuntimeException e) {
            throw e;
        }
        lent = item.rows();
        return java.util.Objects.requireNonNull(lent);
    }

    private Item await() {
        try {
            return ready.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for a batch", e);
        }
    }

    /** Time for which {@link #take} has waited, the first batch (which nothing could prepare) not counted. */
    public long waitedNanos() {
        return waitedNanos;
    }

    @Override
    public void close() {
        reader.interrupt();
        try {
            reader.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
