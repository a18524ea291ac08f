package org.loupe.app;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.SafetensorsRows;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Evaluation;
import org.loupe.io.BadInput;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code loupe eval}. */
@Command(
        name = "eval",
        description = "Measure an SAE on the rows of a store and, with the model, what splicing it in does to the loss;"
                + " baselines beside. Writes eval.json and report.html.",
        footer = {"Example:", "  loupe eval runs/demo/sae --store runs/demo/store --model smollm2 --json"})
final class EvalCommand extends LoupeCommand {
    @Parameters(paramLabel = "SAE", description = "Folder of the SAE.")
    private Path sae = Path.of("");

    @Option(names = "--store", paramLabel = "STORE", required = true, description = "Activation store.")
    private Path store = Path.of("");

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "The language model, for cross-entropy and KL (default: rows only).")
    private @Nullable String model;

    @Mixin
    private TextOption text = new TextOption();

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "16384",
            description = "Tokens of text outside the store to splice on (default: ${DEFAULT-VALUE}).")
    private long tokens;

    @Option(
            names = "--rows",
            paramLabel = "N",
            defaultValue = "262144",
            description = "Rows of the store at most (default: ${DEFAULT-VALUE}).")
    private long rows;

    @Option(
            names = "--truth",
            paramLabel = "FILE",
            description = "Safetensors file with the directions that made the data: gives MMCS.")
    private @Nullable Path truth;

    @Option(names = "--out", paramLabel = "DIR", description = "Where to write (default: the SAE folder).")
    private @Nullable Path out;

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Option(names = "--json", description = "Print the report as JSON.")
    private boolean json;

    @Override
    void run(Terminal terminal) {
        if (rows < 1 || tokens < 1) {
            throw new BadInput("--rows is " + rows + " and --tokens is " + tokens + ", expected at least 1");
        }
        try (ActivationStore opened = ActivationStore.open(store);
                Workers workers = new Workers(threads.count());
                LanguageModel language =
                        model == null ? null : ModelOption.load(terminal, model, Precision.F32, threads.count())) {
            Evaluation.Options options = Evaluation.Options.DEFAULT.withRows(rows);
            EvalReport report = EvalStage.run(
                    terminal,
                    sae,
                    opened,
                    truth == null ? options : options.withTruth(directions(truth)),
                    language == null ? null : new EvalStage.Causal(language, text.corpus(), tokens),
                    out == null ? sae : out,
                    workers);
            if (json) {
                terminal.json(report.toJson());
            } else {
                terminal.result(report.table());
            }
        }
    }

    private static Matrix directions(Path file) {
        try (SafetensorsRows all = SafetensorsRows.open(file, null)) {
            Matrix matrix = Matrix.zeros(SaeRows.count(all.rows(), all.width(), all.name()), all.width());
            all.read(0, matrix.rows(), matrix, 0);
            return matrix;
        }
    }
}
