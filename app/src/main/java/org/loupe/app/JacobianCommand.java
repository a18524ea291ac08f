package org.loupe.app;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.StoreMlp;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;
import org.loupe.train.ConfigReader;
import org.loupe.train.GatedMlp;
import org.loupe.train.JacobianMeasurement;
import org.loupe.train.JacobianRun;
import org.loupe.train.TrainConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code loupe jacobian}. */
@Command(
        name = "jacobian",
        description = {
            "Train two SAEs together, one of an MLP's input and one of its output, so that few latents of the first move few latents of"
                    + " the second: the loss has the mean size of the Jacobian between them (Farnik et al. 2025, arXiv 2502.18147)."
                    + " Then measure the Jacobians. A finished pair is only measured.",
        },
        footer = {
            "Example:",
            "  loupe harvest --hook blocks.5.ln2.hook_normalized --out-hook blocks.5.hook_mlp_out --out runs/mlp5",
            "  loupe jacobian --store runs/mlp5 --weight 1 --set latents=2048 --set k=32 --out runs/pair",
            "  loupe jacobian --store runs/mlp5 --weight 0 --set latents=2048 --set k=32 --out runs/control",
            "",
            "Keys of --set and of the YAML file: those of train, with architecture topk and objective local.",
        })
final class JacobianCommand extends LoupeCommand {
    static final String FILE = "jacobian.json";

    @Option(
            names = "--store",
            paramLabel = "STORE",
            required = true,
            description =
                    "Store of an MLP's inputs and outputs: of blocks.L.ln2.hook_normalized with --out-hook blocks.L.hook_mlp_out.")
    private Path store = Path.of("");

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            defaultValue = ModelOption.DEFAULT,
            description = "The store's language model, whose MLP it is (default: ${DEFAULT-VALUE}).")
    private String model = ModelOption.DEFAULT;

    @Option(
            names = "--weight",
            paramLabel = "λ",
            defaultValue = "1",
            description =
                    "Weight of mean |J| beside the two variances unexplained; 0: a control, two SAEs that do not know of each"
                            + " other (default: ${DEFAULT-VALUE}).")
    private double weight;

    @Option(names = "--config", paramLabel = "YAML", description = "Configuration file; --set goes over it.")
    private @Nullable Path config;

    @Option(names = "--set", paramLabel = "KEY=VALUE", description = "Sets a key of the configuration.")
    private List<String> set = new ArrayList<>();

    @Option(
            names = "--measure",
            paramLabel = "STORE",
            description = "Measure on the rows of this store of the same MLP (default: those trained on).")
    private @Nullable Path measured;

    @Option(
            names = "--rows",
            paramLabel = "N",
            defaultValue = "16384",
            description = "Rows to measure on at most (default: ${DEFAULT-VALUE}).")
    private long rows;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Folder of the two SAEs' folders, in and out.")
    private Path out = Path.of("");

    @Option(names = "--fresh", description = "Start over instead of going on.")
    private boolean fresh;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    @Override
    void run(Terminal terminal) {
        if (rows < 1) {
            throw new BadInput("--rows is " + rows + ", expected at least 1");
        }
        TrainConfig read = ConfigReader.read(TrainConfig.DEFAULT, config, set);
        try (ActivationStore pairs = ActivationStore.open(store);
                LanguageModel language = ModelOption.load(terminal, model, Precision.F32, read.threadCount())) {
            GatedMlp mlp = StoreMlp.of(language, pairs);
            if (fresh) {
                JacobianRun.clear(out);
            }
            try (Progress bar = new Progress(terminal)) {
                TrainProgress progress = new TrainProgress(bar, JacobianRun.jobs(out, read), pairs.rows());
                JacobianRun.train(out, pairs, mlp, read, weight, progress::on);
            }
            if (measured == null) {
                measure(terminal, pairs, mlp, read.threadCount());
            } else {
                try (ActivationStore others = ActivationStore.open(measured)) {
                    measure(terminal, others, StoreMlp.of(language, others), read.threadCount());
                }
            }
        }
    }

    private void measure(Terminal terminal, ActivationStore pairs, GatedMlp mlp, int threads) {
        SaeFolder.Loaded in = SaeFolder.load(out.resolve(JacobianRun.IN));
        SaeFolder.Loaded written = SaeFolder.load(out.resolve(JacobianRun.OUT));
        pairs.requirePairs(
                in.sae().dIn(),
                written.sae().dIn(),
                in.info().provenance(),
                written.info().hookOut(),
                "the pair " + out);
        JacobianMeasurement.Result result;
        try (Workers workers = new Workers(threads)) {
            result = JacobianMeasurement.of(in.sae(), written.sae(), mlp, pairs, rows, workers);
        }
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("weight", weight);
        report.putAll(result.toMap());
        Json.write(out.resolve(FILE), report);
        terminal.say(String.format(
                Locale.ROOT,
                "jacobian: weight %s: mean |J| %.4g, %.1f %% above 0.01, evenness %.3f; FVU %.3f in, %.3f out; %,d rows → %s",
                weight,
                result.jacobian().l1(),
                100 * result.jacobian().above(),
                result.jacobian().evenness(),
                result.fvuIn(),
                result.fvuOut(),
                result.rows(),
                out));
        if (json) {
            terminal.json(report);
        }
    }
}
