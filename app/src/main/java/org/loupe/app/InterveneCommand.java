package org.loupe.app;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.ActivationPool;
import org.loupe.causal.Comparison;
import org.loupe.causal.Edit;
import org.loupe.causal.Intervention;
import org.loupe.causal.Interventions;
import org.loupe.io.BadInput;
import org.loupe.lm.Continuation;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Sampler;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What {@code loupe ablate} and {@code loupe steer} share: a model with changed latents beside the model as it is. */
abstract class InterveneCommand extends LoupeCommand {
    /** Rows of the store from which means and other rows' activations are taken. */
    private static final long POOL = 65_536;

    private static final int MOVED = 3;

    /** An SAE and the latents of it that are changed. */
    static final class Target {
        @Option(names = "--sae", paramLabel = "SAE", required = true, description = "Folder of the SAE.")
        private Path sae = Path.of("");

        @Option(
                names = "--latent",
                paramLabel = "N[,N…]",
                hideParamSyntax = true,
                split = ",",
                description = "Latents of this SAE to change, comma-separated.")
        private List<Integer> latents = new ArrayList<>();
    }

    @ArgGroup(
            exclusive = false,
            multiplicity = "1..*",
            heading = "%nOne SAE or several, at different hook points, each with its latents:%n")
    private List<Target> targets = new ArrayList<>();

    @Mixin
    private ModelOption model = new ModelOption();

    @Mixin
    private PromptOption prompt = new PromptOption();

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "40",
            description = "Tokens that both models write behind it (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0",
            description = "0 writes the most likely token; else tokens are drawn (default: ${DEFAULT-VALUE}).")
    private double temperature;

    @Option(
            names = "--splice",
            description = "Drop the error term too: the SAE's reconstruction goes on in place of the rows.")
    private boolean splice;

    @Option(
            names = "--store",
            paramLabel = "STORE",
            description =
                    "The SAE's rows: for means, other rows' activations, and the norm above which rows stay as they are.")
    private @Nullable Path store;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Of what is drawn (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Option(names = "--json", description = "Print tokens, log-probabilities and effects as JSON.")
    private boolean json;

    /** Whether {@link #edit} needs a pool. */
    abstract boolean needsPool();

    /**
     * What is done to one latent.
     *
     * @param pool its activations on rows of the store, where needed
     * @param mean their mean
     */
    abstract Edit edit(int latent, float[] pool, float mean, long drawnBy);

    /** The change in words, for one latent's line. */
    abstract String words();

    @Override
    void run(Terminal terminal) {
        check();
        try (Workers workers = new Workers(threads.count());
                LanguageModel language = model.load(terminal, threads.count());
                ActivationStore rows = store == null ? null : ActivationStore.open(store)) {
            List<Intervention> all = new ArrayList<>();
            List<InterventionReport.Change> changes = new ArrayList<>();
            for (Target target : targets) {
                Intervention one = intervention(target, language, rows, workers);
                all.add(one);
                changes.add(new InterventionReport.Change(
                        target.sae.toString(), one.changes().toString(), target.latents, words(), !splice));
            }
            Interventions interventions = new Interventions(language, all);
            int[] prefix = rows == null
                    ? language.tokenizer().prefix()
                    : rows.info().prefix().stream().mapToInt(id -> id).toArray();
            int[] text = joined(prefix, language.tokenizer().encode(prompt.text()));
            if (text.length < prefix.length + 1) {
                throw new BadInput("--prompt has no token, expected at least one");
            }
            Continuation plain = new Interventions(language, List.of()).generate(text, tokens, sampler());
            Continuation changed = interventions.generate(text, tokens, sampler());
            List<Comparison.Place> places = Comparison.of(interventions, joined(text, changed.ids()), MOVED);
            InterventionReport report =
                    new InterventionReport(language.tokenizer(), changes, prefix.length, text, plain, changed, places);
            if (json) {
                terminal.json(report.json());
            } else {
                report.lines().forEach(terminal::result);
            }
        }
    }

    private void check() {
        if (tokens < 0 || !(temperature >= 0)) {
            throw new BadInput(
                    "--tokens is " + tokens + " and --temperature is " + temperature + ", expected at least 0");
        }
        if (needsPool() && store == null) {
            throw new BadInput("means and other rows' activations are taken from the SAE's rows: give their --store");
        }
        for (Target target : targets) {
            if (target.latents.isEmpty() && !splice) {
                throw BadInput.in(target.sae, "no --latent is given for it, and without --splice nothing would change");
            }
        }
    }

    private Sampler sampler() {
        return temperature == 0 ? Sampler.mostLikely() : Sampler.at(temperature, seed);
    }

    private Intervention intervention(
            Target target, LanguageModel language, @Nullable ActivationStore rows, Workers workers) {
        SaeFolder.Loaded loaded = SaeFolder.load(target.sae);
        int[] latents = target.latents.stream().mapToInt(i -> i).toArray();
        Arrays.stream(latents)
                .filter(i -> i < 0 || i >= loaded.sae().latents())
                .findFirst()
                .ifPresent(i -> {
                    throw BadInput.in(
                            target.sae,
                            "has no latent " + i + ", it has 0 to "
                                    + (loaded.sae().latents() - 1));
                });
        ActivationPool pool = needsPool() && rows != null
                ? ActivationPool.of(loaded, rows, latents, POOL, workers)
                : new ActivationPool(latents, new float[latents.length][0]);
        List<Edit> edits = IntStream.range(0, latents.length)
                .mapToObj(i -> edit(latents[i], pool.values()[i], pool.mean(i), seed))
                .toList();
        Map<String, Double> limits = rows == null ? Map.of() : rows.info().normLimits();
        return new Intervention(loaded, language, edits, !splice, limits, workers);
    }

    private static int[] joined(int[] first, int[] second) {
        return IntStream.concat(Arrays.stream(first), Arrays.stream(second)).toArray();
    }
}
