package org.loupe.app;

import org.loupe.io.BadInput;
import picocli.CommandLine.Option;

/** The one thread budget, for libtorch and our own kernels alike. */
final class ThreadsOption {
    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Compute threads (default: all processors). Results do not depend on it.")
    private int threads = Runtime.getRuntime().availableProcessors();

    int count() {
        if (threads < 1) {
            throw new BadInput("--threads is " + threads + ", expected at least 1");
        }
        return threads;
    }
}
