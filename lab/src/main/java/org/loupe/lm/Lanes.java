package org.loupe.lm;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.global.torch;

/**
 * Threads that each run libtorch's operators alone. libtorch's own way, all threads in every operator, waits at a barrier after
 * each one, hundreds of times in a pass, and waits long when another process holds one of the cores; its matrix library
 * (OpenBLAS, with a thread pool of its own) then competes with its OpenMP threads. Here parts of a batch go to threads, and
 * nothing waits until a hook wants all of them.
 */
final class Lanes implements AutoCloseable {
    private final ThreadLocal<Boolean> inside = ThreadLocal.withInitial(() -> false);
    private final ExecutorService pool;
    private final int threads;

    /** Sets libtorch's threads for the whole process: one in each lane, all of them in other threads' operators. */
    Lanes(int threads) {
        this.threads = threads;
        pool = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().name("loupe-lm-", 0).factory());
        run(threads, _ -> {
            inside.set(true);
            torch.get_num_threads(); // a thread's first question takes over the process's setting; only then it can
            // differ
            torch.set_num_threads(1);
            GradMode.set_enabled(false);
        });
        torch.set_num_threads(threads);
        productsOnOneThread();
    }

    /** From now on a matrix product runs on the thread that asks for it. */
    void productsOnOneThread() {
        openblas_nolapack.blas_set_num_threads(1);
    }

    /** From now on a matrix product runs on all threads. */
    void productsOnAllThreads() {
        openblas_nolapack.blas_set_num_threads(threads);
    }

    /** Whether the calling thread is one of the lanes. */
    boolean inside() {
        return inside.get();
    }

    /** Runs tasks 0 to count − 1 and waits for all; the first failure is thrown then. In a lane they run there, one by one. */
    void run(int count, IntConsumer task) {
        if (inside()) {
            for (int i = 0; i < count; i++) {
                task.accept(i);
            }
            return;
        }
        List<Future<?>> futures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int number = i;
            futures.add(pool.submit(() -> task.accept(number)));
        }
        Throwable failure = null;
        for (Future<?> future : futures) {
            try {
                future.get();
            } catch (ExecutionException e) {
                failure = failure == null ? e.getCause() : failure;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                failure = failure == null ? e : failure;
            }
        }
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException("a lane of the language model was interrupted", failure);
        }
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
