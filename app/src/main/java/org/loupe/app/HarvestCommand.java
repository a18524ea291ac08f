package org.loupe.app;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.GradientLoss;
import org.loupe.harvest.Harvest;
import org.loupe.harvest.HarvestConfig;
import org.loupe.harvest.HarvestHooks;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.text.Corpus;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe harvest}. */
@Command(
        name = "harvest",
        description = "Run text through a language model and store the activations at one or several hook points.",
        footer = {
            "Example:",
            "  loupe harvest --model smollm2 --text wordnet --hook blocks.11.hook_resid_post --tokens 200000"
                    + " --out runs/store",
            "  for a transcoder: --hook blocks.11.ln2.hook_normalized --out-hook blocks.11.hook_mlp_out",
            "  for a crosscoder: --hook blocks.5.hook_resid_post --hook blocks.11.hook_resid_post",
            "  for training by what rows do to the model's output: --gradients"
        })
final class HarvestCommand extends LoupeCommand {
    static final String DEFAULT_HOOK = "blocks.11.hook_resid_post";

    @Mixin
    private ModelOption model = new ModelOption();

    @Mixin
    private TextOption text = new TextOption();

    @Option(
            names = "--hook",
            paramLabel = "H",
            defaultValue = DEFAULT_HOOK,
            description = "Hook point, in TransformerLens' names; given several times, their rows stand side by side"
                    + " (default: ${DEFAULT-VALUE}).")
    private List<String> hooks = List.of(DEFAULT_HOOK);

    @Option(
            names = "--out-hook",
            paramLabel = "H",
            description = "Hook point whose rows a transcoder is to write, stored beside (default: none).")
    private @Nullable String outHook;

    @Option(
            names = "--gradients",
            paramLabel = "LOSS",
            arity = "0..1",
            fallbackValue = "kl",
            description =
                    "Store the gradients of the model's loss by the rows too, for --set objective=gradient_weighted."
                            + " kl, or no value: of labels that the model itself draws (their E[g g'] is the Fisher matrix);"
                            + " ce: of the text's own next tokens (default: none).")
    private @Nullable GradientLoss gradients;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "1000000",
            description = "Tokens of text to run (default: ${DEFAULT-VALUE}).")
    private long tokens;

    @Option(names = "--out", paramLabel = "STORE", required = true, description = "Folder of the store.")
    private Path out = Path.of("");

    @Option(
            names = "--context",
            paramLabel = "N",
            defaultValue = "128",
            description = "Tokens in a row (default: ${DEFAULT-VALUE}).")
    private int context;

    @Option(
            names = "--batch",
            paramLabel = "N",
            defaultValue = "32",
            description = "Rows in one forward pass (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
            names = "--dtype",
            paramLabel = "T",
            defaultValue = "bf16",
            description = "Number format on disk: bf16 or f32 (default: ${DEFAULT-VALUE}).")
    private Dtype dtype = Dtype.BF16;

    @Option(names = "--keep-sinks", description = "Store rows with a norm above 3 × the median too.")
    private boolean keepSinks;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Order of the documents (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Option(names = "--fresh", description = "Start over instead of going on.")
    private boolean fresh;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    @Override
    void run(Terminal terminal) {
        HarvestHooks points = new HarvestHooks(
                hooks.stream().map(HookPoint::parse).toList(),
                outHook == null ? null : HookPoint.parse(outHook),
                gradients);
        HarvestConfig shape = HarvestConfig.of(points, tokens);
        HarvestConfig config =
                new HarvestConfig(points, tokens, context, batch, dtype, shape.shardRows(), keepSinks, seed);
        Corpus corpus = text.corpus();
        corpus.get(0); // a text that cannot be read is refused before the model is loaded
        try (LanguageModel loaded = model.load(terminal, threads.count())) {
            points.all().forEach(loaded::width);
            if (fresh) {
                Harvest.clear(out);
            }
            Harvest.Result result = HarvestStage.run(terminal, loaded, corpus, config, out);
            if (json) {
                terminal.json(HarvestStage.toJson(result, out));
            }
        }
    }
}
