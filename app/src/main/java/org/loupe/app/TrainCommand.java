package org.loupe.app;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.RowSource;
import org.loupe.train.ConfigReader;
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
        description = "Train an SAE on an activation store, or on any tensor of rows.",
        footer = {
            "Example:",
            "  loupe train --store runs/demo/store --set latents=4096 --set k=32 --out runs/sae",
            "",
            "Keys of --set and of the YAML file, with their defaults:"
        })
final class TrainCommand extends LoupeCommand {
    @ArgGroup(multiplicity = "1")
    private RowsOption source = new RowsOption();

    @Option(names = "--config", paramLabel = "YAML", description = "Configuration file; --set goes over it.")
    private @Nullable Path config;

    @Option(names = "--set", paramLabel = "KEY=VALUE", description = "Sets a key of the configuration.")
    private List<String> set = new ArrayList<>();

    @Option(names = "--seed", paramLabel = "N", description = "Short for --set seed=N.")
    private @Nullable Long seed;

    @Option(names = "--out", paramLabel = "SAE", required = true, description = "Folder of the SAE.")
    private Path out = Path.of("");

    @Option(names = "--fresh", description = "Start over instead of going on.")
    private boolean fresh;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    /** Adds the keys of the configuration to the help. */
    @Spec
    void describeKeys(CommandSpec command) {
        List<String> footer = new ArrayList<>(List.of(command.usageMessage().footer()));
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
        TrainConfig read = ConfigReader.read(TrainConfig.DEFAULT, config, set);
        try (RowSource rows = source.open()) {
            if (fresh) {
                TrainRun.clear(out);
            }
            TrainStage.Result result = TrainStage.run(terminal, out, rows, read);
            if (json) {
                terminal.json(result.toJson());
            }
        }
    }
}
