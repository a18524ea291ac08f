package org.loupe.app;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.loupe.activations.ActivationStore;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Safetensors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/** {@code loupe info}: the tensors of a safetensors file, or what a folder's own description says. */
@Command(
        name = "info",
        description =
                "Say what a file or folder is: an SAE, a store, an index, a graph, an experiment, a safetensors file.",
        footer = {"Example:", "  loupe info runs/demo/sae"})
final class InfoCommand extends LoupeCommand {
    @Parameters(paramLabel = "PATH", description = "A file or folder that Loupe wrote, or any safetensors file.")
    private Path path = Path.of("");

    @Option(names = "--verify", description = "Read all of a store first and compare its checksums.")
    private boolean verify;

    @Override
    void run(Terminal terminal) {
        PrintWriter out = terminal.out();
        if (!Files.exists(path)) {
            throw BadInput.in(path, "no such file or folder");
        }
        if (verify) {
            try (ActivationStore store = ActivationStore.open(path)) {
                store.verify();
            }
            out.println("every shard has its checksum");
        }
        if (Files.isDirectory(path)) {
            folder(out);
        } else if (path.toString().endsWith(".safetensors")) {
            tensors(path, out);
        } else {
            throw BadInput.in(path, "not a kind of file that info knows (a folder of Loupe's, or *.safetensors)");
        }
    }

    private void folder(PrintWriter out) {
        boolean known = false;
        for (Part part : Part.values()) {
            Path description = path.resolve(part.file);
            if (Files.exists(description)) {
                known = true;
                out.println(part.title);
                print(Json.tree(description), "  ", out);
            }
        }
        Path weights = path.resolve("sae_weights.safetensors");
        if (Files.exists(weights)) {
            tensors(weights, out);
        }
        for (String stage : new String[] {"store", "sae", "index"}) {
            if (Files.isDirectory(path.resolve(stage))) {
                known = true;
                out.println("run folder with " + stage + "/ (loupe info " + path.resolve(stage) + ")");
            }
        }
        if (!known) {
            throw BadInput.in(
                    path,
                    "holds none of "
                            + Arrays.stream(Part.values())
                                    .map(part -> part.file)
                                    .collect(Collectors.joining(", ")));
        }
    }

    private static void tensors(Path file, PrintWriter out) {
        try (Safetensors tensors = Safetensors.open(file)) {
            out.println("tensors of " + file.getFileName());
            tensors.entries()
                    .forEach((name, entry) -> out.printf(
                            Locale.ROOT,
                            "  %-24s %-5s %-18s %,d bytes%n",
                            name,
                            entry.dtype(),
                            entry.shape(),
                            entry.size() * entry.dtype().bytes()));
        }
    }

    /** Scalars of a description, one a line, nested keys joined by dots; long arrays only as their length. */
    private static void print(JsonNode node, String prefix, PrintWriter out) {
        for (var property : node.properties()) {
            JsonNode value = property.getValue();
            if (value.isObject()) {
                print(value, prefix + property.getKey() + ".", out);
            } else if (value.isArray()
                    && !value.isEmpty()
                    && value.size() <= 8
                    && value.get(0).isObject()) {
                for (int i = 0; i < value.size(); i++) {
                    print(value.get(i), prefix + property.getKey() + "." + i + ".", out);
                }
            } else if (value.isNull()) {
                out.println(prefix + property.getKey() + ": none");
            } else if (value.isArray() && value.size() > 8) {
                out.println(prefix + property.getKey() + ": " + value.size() + " entries");
            } else {
                out.println(prefix + property.getKey() + ": " + (value.isString() ? value.asString() : value));
            }
        }
    }

    /** The files by which our folders are known. */
    private enum Part {
        SAE("cfg.json", "sparse autoencoder (SAELens' format)"),
        RUN("loupe.json", "made by Loupe"),
        STORE("store.json", "activation store"),
        INDEX("index.json", "feature index"),
        WORLD("synth.json", "rows with a known dictionary"),
        PAIR(JacobianCommand.FILE, "two SAEs around an MLP, in/ and out/, and their Jacobian"),
        GRAPH(TraceCommand.LIST, "attribution graph, in " + TraceCommand.GRAPH),
        EXPERIMENT("results.json", "experiment, its page in report.html");

        private final String file;
        private final String title;

        Part(String file, String title) {
            this.file = file;
            this.title = title;
        }
    }
}
