package org.loupe.lm;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.bytedeco.pytorch.GradMode;

/**
 * Calls of one model from several threads: one at a time, but for those made in its lanes, which are a part of one. A call's
 * operators are recorded for backward within {@link #recorded} alone.
 */
final class Turns {
    private static final ScopedValue<Boolean> RECORDING = ScopedValue.newInstance();

    private final Lanes lanes;
    private final ReentrantLock turn = new ReentrantLock();

    Turns(Lanes lanes) {
        this.lanes = lanes;
    }

    /** Whether the calling thread's operators record what backward needs. */
    static boolean recording() {
        return RECORDING.orElse(false);
    }

    /** Runs a call when the one before has ended. */
    <T> T take(Supplier<T> call) {
        if (lanes.inside()) {
            return switched(call);
        }
        turn.lock();
        try {
            return switched(call);
        } finally {
            turn.unlock();
        }
    }

    /** Runs calls that record, with all threads in each operator; in a lane with its own. */
    <T> T recorded(Supplier<T> calls) {
        if (lanes.inside()) {
            return ScopedValue.where(RECORDING, true).call(() -> switched(calls));
        }
        turn.lock();
        lanes.productsOnAllThreads();
        try {
            return ScopedValue.where(RECORDING, true).call(() -> switched(calls));
        } finally {
            lanes.productsOnOneThread();
            turn.unlock();
        }
    }

    /** Runs tasks 0 to count − 1 in the lanes; in a lane one after the other. */
    void sideBySide(int count, IntConsumer task) {
        if (lanes.inside()) {
            lanes.run(count, task);
            return;
        }
        turn.lock();
        try {
            lanes.run(count, task);
        } finally {
            turn.unlock();
        }
    }

    /** Sets libtorch's switch for this thread as the scope says, and back. */
    private static <T> T switched(Supplier<T> body) {
        boolean before = GradMode.is_enabled();
        GradMode.set_enabled(recording());
        try {
            return body.get();
        } finally {
            GradMode.set_enabled(before);
        }
    }
}
