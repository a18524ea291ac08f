package org.loupe.app;

import java.nio.file.Path;
import org.loupe.app.web.Explorer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code loupe explore}. */
@Command(
        name = "explore",
        description = "Serve the web page on which one looks at latents, on 127.0.0.1, until Ctrl-C.",
        footer = {"Example:", "  loupe explore runs/demo"})
final class ExploreCommand extends LoupeCommand {
    @Parameters(paramLabel = "RUN_OR_SAE", description = "A run folder, or an SAE folder, with index/ inside.")
    private Path folder = Path.of("");

    @Mixin
    private PortOption port = new PortOption();

    @Override
    void run(Terminal terminal) {
        try (Explorer explorer = Explorer.start(folder, port.number())) {
            explorer.doubt().ifPresent(terminal::say);
            terminal.result("explorer: " + explorer.url() + "  (Ctrl-C ends it)");
            serve();
        }
    }

    /** Waits for the end of the program. */
    static void serve() {
        Interrupts.nothingToLose();
        try {
            Thread.currentThread().join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
