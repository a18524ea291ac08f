package org.loupe.app;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.sae.SaeFolder;
import org.loupe.train.Architecture;
import org.loupe.train.ConfigReader;
import org.loupe.train.StartFrom;
import org.loupe.train.Sweep;
import org.loupe.train.TrainConfig;
import org.loupe.train.TrainRun;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe train}. */
@Command(
        name = "train",
        description = {
            "Train an SAE, or several, on an activation store, or on any tensor of rows.",
            "",
            "Several SAEs, by --seeds and --sweep, get a folder each in that of --out, and those with the same batch, seed"
                    + " and shuffling share one reading of the rows. Each is to the bit what it would be alone.",
        },
        footer = {
            "Example:",
            "  loupe train --store runs/demo/store --set latents=4096 --set k=32 --out runs/sae",
            "  loupe train --store runs/demo/store --set architecture=jumprelu --set l0=32 --out runs/jump",
            "  loupe train --store runs/demo/store --sweep k=16,32,64 --sweep lr=1e-4,3e-4 --out runs/sweep",
            ""
        })
final class TrainCommand extends LoupeCommand {
    @ArgGroup(multiplicity = "1")
    private RowsOption source = new RowsOption();

    @Option(names = "--config", paramLabel = "YAML", description = "Configuration file; --set goes over it.")
    private @Nullable Path config;

    @Option(names = "--set", paramLabel = "KEY=VALUE", description = "Sets a key of the configuration.")
    private List<String> set = new ArrayList<>();

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "The store's language model, for an objective that runs it: kl, ce, downstream_mse, hybrid.")
    private @Nullable String model;

    @Option(
            names = "--init",
            paramLabel = "SAE",
            description =
                    "Go on from the weights of this SAE, of Loupe's or SAELens' making, as what it is; lr is 3e-4 unless set.")
    private @Nullable Path init;

    @Option(names = "--seed", paramLabel = "N", description = "Short for --set seed=N.")
    private @Nullable Long seed;

    @Option(
            names = "--seeds",
            paramLabel = "N",
            description = "Train N times, with the seeds from the configured one on; the result has mean and spread.")
    private @Nullable Integer seeds;

    @Option(
            names = "--sweep",
            paramLabel = "KEY=VALUE,…",
            description =
                    "Train with each of these values; several such options: with every combination. In the YAML file:"
                            + " a list 'sweep' of mappings.")
    private List<String> sweep = new ArrayList<>();

    @Option(
            names = "--out",
            paramLabel = "SAE",
            required = true,
            description = "Folder of the SAE, or of several SAEs' folders.")
    private Path out = Path.of("");

    @Option(names = "--fresh", description = "Start over instead of going on.")
    private boolean fresh;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    /** Adds the keys of the configuration to the help. */
    @Spec
    void describeKeys(CommandSpec command) {
        List<String> footer = new ArrayList<>(List.of(command.usageMessage().footer()));
        footer.add("Architectures, for --set architecture=…:");
        for (Architecture a : Architecture.values()) {
            footer.add("  " + a.key());
            footer.add("      " + a.about().replace("%", "%%"));
        }
        footer.add("");
        footer.add("Keys of --set and of the YAML file, with their defaults:");
        for (ConfigReader.Key k : ConfigReader.keys()) {
            footer.add("  " + k.name() + " = " + k.defaultValue());
            footer.add("      " + k.about().replace("%", "%%"));
        }
        command.usageMessage().footer(footer.toArray(String[]::new));
    }

    @Override
    void run(Terminal terminal) {
        if (seed != null) {
            set.add("seed=" + seed);
        }
        SaeFolder.Loaded start = init == null ? null : SaeFolder.load(init);
        TrainConfig base = start == null
                ? TrainConfig.DEFAULT
                : ConfigReader.read(TrainConfig.DEFAULT, null, StartFrom.settings(start));
        List<Sweep.Variant> variants = Sweep.read(base, config, set, sweep, seeds);
        boolean runs = variants.stream()
                .anyMatch(variant -> variant.config().objective().runsModel());
        if (model != null && !runs) {
            throw new BadInput("--model is " + model + ", but objective="
                    + variants.getFirst().config().objective().name().toLowerCase(Locale.ROOT)
                    + " runs no model; leave it out, or set objective to kl, ce, downstream_mse or hybrid");
        }
        if (runs && model == null) {
            throw new BadInput("objective: "
                    + variants.getFirst().config().objective().name().toLowerCase(Locale.ROOT)
                    + " runs the language model that the rows are of: give --model and a --store of its rows");
        }
        try (RowSource rows = source.open();
                LanguageModel language = runs && model != null
                        ? ModelOption.load(
                                terminal,
                                model,
                                Precision.F32,
                                variants.getFirst().config().threadCount())
                        : null) {
            if (fresh) {
                variants.forEach(variant -> TrainRun.clear(out.resolve(variant.name())));
            }
            if (variants.getFirst().overrides().isEmpty()) {
                TrainStage.Result result = TrainStage.run(
                        terminal, out, rows, language, init, variants.getFirst().config());
                if (json) {
                    terminal.json(result.toJson());
                }
            } else {
                several(terminal, rows, language, variants);
            }
        }
    }

    /** What has diverged makes the command fail once the others are there. */
    private void several(
            Terminal terminal, RowSource rows, @Nullable LanguageModel language, List<Sweep.Variant> variants) {
        SweepResult result = TrainStage.runAll(terminal, out, rows, language, init, variants);
        terminal.say(result.table());
        if (json) {
            terminal.json(result.toJson());
        }
        result.requireAll();
    }
}
