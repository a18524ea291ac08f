package org.loupe.app;

import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import picocli.CommandLine.Option;

/** The one thread budget, for libtorch and our own kernels alike. */
final class ThreadsOption {
    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Compute threads (default: all processors). Results do not depend on it.")
    private @Nullable Integer threads;

    int count() {
        return given() > 0 ? given() : Runtime.getRuntime().availableProcessors();
    }

    /** The number as a training configuration has it: 0 where none is given, which stands for all processors. */
    int given() {
        if (threads == null) {
            return 0;
        }
        if (threads < 1) {
            throw new BadInput("--threads is " + threads + ", expected at least 1");
        }
        return threads;
    }
}
