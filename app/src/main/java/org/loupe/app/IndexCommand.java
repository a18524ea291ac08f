package org.loupe.app;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.index.IndexConfig;
import org.loupe.index.IndexInfo;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.tensor.Workers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code loupe index}. */
@Command(
        name = "index",
        description =
                "Build the feature index: examples, densities, labels, logit lens of every latent, and with a model what it does"
                        + " to the output, measured.",
        footer = {"Example:", "  loupe index runs/demo/sae --store runs/demo/store --model smollm2"})
final class IndexCommand extends LoupeCommand {
    @Parameters(paramLabel = "SAE", description = "Folder of the SAE.")
    private Path sae = Path.of("");

    @Option(names = "--store", paramLabel = "STORE", required = true, description = "Activation store.")
    private Path store = Path.of("");

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description =
                    "The language model, for the tokens' text, the logit lens and the latents' effects (default: none).")
    private @Nullable String model;

    @Mixin
    private EffectOption effects = new EffectOption();

    @Option(names = "--out", paramLabel = "DIR", description = "Folder of the index (default: SAE/index).")
    private @Nullable Path out;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Which examples are sampled (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Option(names = "--fresh", description = "Start over instead of keeping an index that is complete.")
    private boolean fresh;

    @Option(names = "--json", description = "Print the counts as JSON.")
    private boolean json;

    @Override
    void run(Terminal terminal) {
        Path folder = out == null ? sae.resolve("index") : out;
        IndexConfig shape = IndexConfig.DEFAULT;
        IndexConfig config =
                new IndexConfig(shape.top(), shape.intervals(), shape.perInterval(), shape.labelDocuments(), seed);
        try (ActivationStore rows = ActivationStore.open(store);
                Workers workers = new Workers(threads.count());
                LanguageModel language =
                        model == null ? null : ModelOption.load(terminal, model, Precision.F32, threads.count())) {
            IndexInfo info =
                    IndexStage.run(terminal, sae, rows, language, config, effects.config(seed), folder, fresh, workers);
            if (json) {
                terminal.json(Terminal.object(
                        "index",
                        folder.toString(),
                        "latents",
                        info.latents(),
                        "counts",
                        info.counts(),
                        "effects",
                        Optional.ofNullable(info.effects())));
            }
        }
    }
}
