package org.loupe.app;

import org.loupe.io.BadInput;
import picocli.CommandLine.Option;

/** Where the explorer listens. */
final class PortOption {
    private static final int LARGEST = 65_535;

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "7878",
            description = "Port of the explorer; 0 for any free one (default: ${DEFAULT-VALUE}).")
    private int port;

    int number() {
        if (port < 0 || port > LARGEST) {
            throw new BadInput("--port is " + port + ", expected 0 to " + LARGEST);
        }
        return port;
    }
}
