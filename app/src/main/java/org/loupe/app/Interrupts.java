package org.loupe.app;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Ctrl-C and SIGTERM: one line, then a stop on the spot. Every file is written aside and renamed, so what is in place stays
 * usable; the stop is a halt, since native threads that still compute must not meet the libraries' destructors.
 */
final class Interrupts {
    private static final AtomicBoolean DONE = new AtomicBoolean();
    private static final int INTERRUPTED = 130;

    private Interrupts() {}

    static void install() {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (!DONE.get()) {
                System.err.println("\nloupe: interrupted; the same command goes on from what is written");
                System.err.flush();
                Runtime.getRuntime().halt(INTERRUPTED);
            }
        }));
    }

    /** From here on an interrupt is the ordinary end. */
    static void nothingToLose() {
        DONE.set(true);
    }

    /** Ends the program in the ordinary way. */
    static void exit(int code) {
        DONE.set(true);
        System.exit(code);
    }
}
