package org.loupe.app;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.OutputLoss;
import org.loupe.causal.TextAttribution;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.Tokenizer;
import org.loupe.sae.SaeFolder;
import org.loupe.trace.LensLabels;
import org.loupe.trace.Prompt;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe attribute}. */
@Command(
        name = "attribute",
        description =
                "Say which latents an output depends on, for one text: every firing attributed by a backward pass, the strongest"
                        + " taken out one by one and measured exactly.",
        footer = {
            "Example:",
            "  loupe attribute --sae runs/demo/sae --prompt \"The capital of France is\"",
            "  loupe attribute --sae runs/demo/sae --prompt \"The capital of France is\" --token \" Paris\" --against \" London\"",
            "  loupe attribute --sae runs/demo/sae --index runs/demo/index --of ce --prompt - < text.txt"
        })
final class AttributeCommand extends LoupeCommand {
    /** What effects are effects on. */
    enum Loss {
        LOGITS,
        CE,
        KL
    }

    /** Points of an integrated gradient where one alone would say nothing. */
    private static final int STEPS = 10;

    @Option(names = "--sae", paramLabel = "SAE", required = true, description = "Folder of the SAE.")
    private Path sae = Path.of("");

    @Mixin
    private PromptOption prompt = new PromptOption();

    @Option(
            names = "--of",
            paramLabel = "LOSS",
            defaultValue = "logits",
            description =
                    "What is judged: logits (the difference of two next tokens' logits), ce (cross-entropy of the text's own"
                            + " tokens) or kl (of their distributions to the model as it is) (default: ${DEFAULT-VALUE}).")
    private Loss of = Loss.LOGITS;

    @Option(
            names = "--token",
            paramLabel = "TOKEN",
            description = "The next token whose logit is judged (default: the most probable one).")
    private @Nullable String token;

    @Option(
            names = "--against",
            paramLabel = "TOKEN",
            description = "The next token that it is compared with (default: the most probable other one).")
    private @Nullable String against;

    @Option(
            names = "--gradient-steps",
            paramLabel = "N",
            description = "Points at which the gradient is taken; more than 1 integrates it (default: 1; for kl "
                    + STEPS + ", as its slope is 0 at the model as it is).")
    private @Nullable Integer steps;

    @Option(
            names = "--top",
            paramLabel = "N",
            defaultValue = "20",
            description = "Firings to ablate and show, the strongest (default: ${DEFAULT-VALUE}).")
    private int top;

    @Option(
            names = "--store",
            paramLabel = "STORE",
            description = "The SAE's rows: says above which norm rows stay as they are (default: no limit).")
    private @Nullable Path store;

    @Option(
            names = "--index",
            paramLabel = "DIR",
            description = "Feature index of the SAE, for labels (default: the tokens a latent promotes).")
    private @Nullable Path index;

    @Mixin
    private ModelOption model = new ModelOption();

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Option(names = "--json", description = "Print every firing as JSON.")
    private boolean json;

    @Override
    void run(Terminal terminal) {
        int points = check();
        SaeFolder.Loaded loaded = SaeFolder.load(sae);
        Map<String, Double> limits = Map.of();
        if (store != null) {
            try (ActivationStore rows = ActivationStore.open(store)) {
                limits = rows.info().normLimits();
            }
        }
        List<String> labels = index == null ? null : IndexLabels.of(index, loaded);
        try (LanguageModel language = model.load(terminal, threads.count())) {
            Prompt text = prompt.of(language.tokenizer());
            TokenBatch batch = text.batch();
            OutputLoss loss = loss(language, batch);
            TextAttribution found = TextAttribution.of(language, loaded, limits, batch, loss, points, top);
            AttributionReport report = new AttributionReport(
                    language.tokenizer(), text, loss, found, labels(language, loaded, found, labels));
            if (json) {
                terminal.json(report.json());
            } else {
                report.lines().forEach(terminal::result);
            }
        }
    }

    /** How many points the gradient is taken at. */
    private int check() {
        int points = steps != null ? steps : of == Loss.KL ? STEPS : 1;
        if (points < 1 || top < 1) {
            throw new BadInput("--gradient-steps is " + points + " and --top is " + top + ", expected at least 1");
        }
        if (of == Loss.KL && points == 1) {
            throw new BadInput("--gradient-steps is 1, expected more: the slope of kl is 0 at the model as it is");
        }
        if (of != Loss.LOGITS && (token != null || against != null)) {
            throw new BadInput("--token and --against name logits: they go with --of logits");
        }
        return points;
    }

    private OutputLoss loss(LanguageModel language, TokenBatch batch) {
        if (of != Loss.LOGITS && batch.predicting().length == 0) {
            throw new BadInput("--prompt has one token: none follows another, so that " + of + " has nothing to judge");
        }
        return switch (of) {
            case CE -> new OutputLoss.CrossEntropy();
            case KL -> new OutputLoss.KullbackLeibler();
            case LOGITS ->
                OutputLoss.LogitDifference.afterLast(
                        language,
                        batch,
                        single("--token", token, language.tokenizer()),
                        single("--against", against, language.tokenizer()));
        };
    }

    private static OptionalInt single(String option, @Nullable String text, Tokenizer tokenizer) {
        if (text == null) {
            return OptionalInt.empty();
        }
        int[] ids = tokenizer.encode(text);
        if (ids.length != 1) {
            throw new BadInput(option + " \"" + text + "\" is " + ids.length + " tokens "
                    + IntStream.of(ids).mapToObj(tokenizer::token).toList()
                    + ", expected one; most words begin with a space");
        }
        return OptionalInt.of(ids[0]);
    }

    /** Labels of the strongest firings' latents. */
    private static List<String> labels(
            LanguageModel language, SaeFolder.Loaded loaded, TextAttribution found, @Nullable List<String> known) {
        int[] latents = IntStream.of(found.strongest())
                .map(i -> found.firings().latent()[i])
                .toArray();
        List<String> lens = LensLabels.of(
                language, loaded.sae(), HookPoint.parse(loaded.info().hookOut()), latents);
        return IntStream.range(0, latents.length)
                .mapToObj(i -> {
                    String label = known == null ? "" : known.get(latents[i]);
                    return label.isEmpty() ? lens.get(i) : label;
                })
                .toList();
    }
}
