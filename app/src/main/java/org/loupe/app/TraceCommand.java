package org.loupe.app;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.loupe.activations.ActivationStore;
import org.loupe.io.AtomicFiles;
import org.loupe.io.Json;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.MlpRule;
import org.loupe.lm.Precision;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;
import org.loupe.trace.AttributionGraph;
import org.loupe.trace.GraphJson;
import org.loupe.trace.GraphNames;
import org.loupe.trace.GraphPicture;
import org.loupe.trace.LensLabels;
import org.loupe.trace.Prompt;
import org.loupe.trace.Pruned;
import org.loupe.trace.TraceConfig;
import org.loupe.trace.TracedSae;
import org.loupe.trace.Tracer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe trace}. */
@Command(
        name = "trace",
        description =
                "Draw the attribution graph of a prompt: direct effects among latents of SAEs at several layers, what the"
                        + " SAEs leave out, tokens, and the next token's logits. Attention patterns and norms are frozen. Writes"
                        + " graph.json (circuit-tracer's format), graph-metadata.json and graph.svg.",
        footer = {
            "Example:",
            "  loupe trace --prompt \"The capital of France is\" --saes runs/sae5 runs/sae11 --store runs/store5"
                    + " runs/store11 --out runs/graph"
        })
final class TraceCommand extends LoupeCommand {
    static final String GRAPH = GraphJson.SLUG + ".json";
    static final String LIST = "graph-metadata.json";
    static final String PICTURE = "graph.svg";

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            defaultValue = ModelOption.DEFAULT,
            description = "Name, GGUF file or HuggingFace folder (default: ${DEFAULT-VALUE}).")
    private String model = ModelOption.DEFAULT;

    @Mixin
    private PromptOption prompt = new PromptOption();

    @Option(
            names = "--saes",
            paramLabel = "DIR",
            required = true,
            arity = "1..*",
            description = "Folders of SAEs, one a layer: autoencoders, transcoders.")
    private List<Path> saes = new ArrayList<>();

    @Option(
            names = "--store",
            paramLabel = "STORE",
            arity = "1..*",
            description =
                    "Stores that the SAEs were trained on: rows above their norm limits stay as they are (default: no"
                            + " limits).")
    private List<Path> stores = new ArrayList<>();

    @Option(
            names = "--index",
            paramLabel = "DIR",
            arity = "1..*",
            description =
                    "Feature indexes of the SAEs, for the latents' labels (default: the tokens a latent promotes).")
    private List<Path> indexes = new ArrayList<>();

    @Option(
            names = "--node-threshold",
            paramLabel = "X",
            defaultValue = "0.8",
            description = "Share of the influence that the kept nodes have (default: ${DEFAULT-VALUE}).")
    private double nodeThreshold;

    @Option(
            names = "--edge-threshold",
            paramLabel = "X",
            defaultValue = "0.98",
            description = "Share of the influence that the kept edges have (default: ${DEFAULT-VALUE}).")
    private double edgeThreshold;

    @Option(
            names = "--max-nodes",
            paramLabel = "N",
            defaultValue = "1000",
            description = "Latents to compute edges for, the most influential first (default: ${DEFAULT-VALUE}).")
    private int maxNodes;

    @Option(
            names = "--mlp",
            paramLabel = "RULE",
            defaultValue = "split",
            description = "Edges through MLPs: split (effects add up to what they explain) or gradient (default:"
                    + " ${DEFAULT-VALUE}).")
    private MlpRule mlps = MlpRule.SPLIT;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder of the graph.")
    private Path out = Path.of("");

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Option(names = "--json", description = "Print the figures as JSON.")
    private boolean json;

    @Override
    void run(Terminal terminal) {
        TraceConfig config = new TraceConfig(nodeThreshold, edgeThreshold, maxNodes, mlps);
        if (!Files.isRegularFile(out.resolve(GRAPH))) {
            Freshness.requireEmpty(out, "graph");
        }
        List<SaeFolder.Loaded> loaded = saes.stream().map(SaeFolder::load).toList();
        Map<String, Double> limits = new HashMap<>();
        for (Path store : stores) {
            try (ActivationStore opened = ActivationStore.open(store)) {
                limits.putAll(opened.info().normLimits());
            }
        }
        long start = System.nanoTime();
        try (LanguageModel language = ModelOption.load(terminal, model, Precision.F32, threads.count());
                Workers workers = new Workers(threads.count())) {
            List<TracedSae> traced = TracedSae.all(loaded, language, limits);
            IndexLabels indexed = IndexLabels.open(indexes, traced);
            Prompt text = prompt.of(language.tokenizer());
            AttributionGraph graph;
            try (Progress progress = new Progress(terminal)) {
                graph = Tracer.trace(
                        language,
                        traced,
                        text,
                        config,
                        workers,
                        (done, of) -> progress.at("trace", "latents", done, of, ""));
            }
            GraphNames names =
                    new GraphNames(language.tokenizer()::token, indexed.orElse(LensLabels.of(graph, language)));
            Pruned pruned = Pruned.of(graph, config);
            write(graph, pruned, config, names, language);
            TraceSummary summary = TraceSummary.of(graph, pruned, names);
            terminal.say("trace: " + pruned.nodeCount() + " nodes, " + pruned.edgeCount() + " edges in "
                    + Progress.clock((System.nanoTime() - start) / 1e9) + " → " + out.resolve(GRAPH) + ", " + LIST
                    + ", "
                    + PICTURE);
            if (json) {
                terminal.json(summary.toJson(out));
            } else {
                terminal.result(summary.text());
            }
        }
    }

    private void write(
            AttributionGraph graph, Pruned pruned, TraceConfig config, GraphNames names, LanguageModel language) {
        Json.write(out.resolve(GRAPH), GraphJson.of(graph, pruned, config, names, language.info()));
        Json.write(out.resolve(LIST), GraphJson.list(graph, config, names, language.info()));
        AtomicFiles.writeString(out.resolve(PICTURE), GraphPicture.of(graph, pruned, names));
    }
}
