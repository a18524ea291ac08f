package org.loupe.app;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.loupe.app.web.Explorer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe demo}: every stage once, each kept where it is complete. */
@Command(
        name = "demo",
        description = "The whole way on a small model: fetch it, harvest, train, evaluate, index, look.",
        footer = {"Example:", "  loupe demo --small --no-serve"})
final class DemoCommand extends LoupeCommand {
    @Option(names = "--small", description = "A shorter run with fewer tokens and latents.")
    private boolean small;

    @Option(names = "--no-serve", description = "End after the summary instead of serving the explorer.")
    private boolean noServe;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Folder of the run (default: runs/demo, with --small runs/demo-small).")
    private @Nullable Path out;

    @Option(names = "--fresh", description = "Start over instead of keeping the stages that are complete.")
    private boolean fresh;

    @Mixin
    private PortOption port = new PortOption();

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Override
    void run(Terminal terminal) {
        int listen = port.number();
        Path folder = out != null ? out : Path.of("runs", small ? "demo-small" : "demo");
        DemoPlan plan = small ? DemoPlan.SMALL : DemoPlan.FULL;
        DemoRun run = new DemoRun(terminal, plan, folder);
        if (fresh) {
            run.clear();
        }
        run.stages(threads);
        if (noServe) {
            terminal.result("look at it: ./loupe explore " + folder);
        } else {
            serve(terminal, folder, listen);
        }
    }

    private static void serve(Terminal terminal, Path folder, int port) {
        try (Explorer explorer = Explorer.start(folder, port)) {
            terminal.result("look at it: " + explorer.url() + "  (Ctrl-C ends it)");
            ExploreCommand.serve();
        }
    }
}
