package org.loupe.app;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Evaluation;
import org.loupe.io.BadInput;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.synth.Truth;
import org.loupe.tensor.Workers;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code loupe eval}. */
@Command(
        name = "eval",
        description = "Measure an SAE on rows and, with a store and its model, what splicing it in does to the loss;"
                + " baselines beside. Writes eval.json and report.html; of a known truth also truth.csv.",
        footer = {
            "Example:",
            "  loupe eval runs/demo/sae --store runs/demo/store --model smollm2 --json",
            "  loupe eval runs/sae --data world/eval.safetensors --truth world/truth.safetensors"
        })
final class EvalCommand extends LoupeCommand {
    @Parameters(paramLabel = "SAE", description = "Folder of the SAE.")
    private Path sae = Path.of("");

    @ArgGroup(multiplicity = "1")
    private RowsOption source = new RowsOption();

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "The store's language model, for cross-entropy and KL (default: rows only).")
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
            description = "Rows to measure on at most (default: ${DEFAULT-VALUE}).")
    private long rows;

    @Option(
            names = "--truth",
            paramLabel = "FILE",
            description = "What made the data: truth.safetensors of synth, or a file with the directions alone.")
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
        Evaluation.Options options = options();
        try (RowSource opened = source.open();
                Workers workers = new Workers(threads.count())) {
            if (model == null) {
                evaluate(terminal, opened, options, null, workers);
            } else if (opened instanceof ActivationStore store) {
                try (LanguageModel language = ModelOption.load(terminal, model, Precision.F32, threads.count())) {
                    EvalStage.Causal causal = new EvalStage.Causal(language, store, text.corpus(), tokens);
                    evaluate(terminal, store, options, causal, workers);
                }
            } else {
                throw new BadInput(opened.name() + ": rows of --data carry no tokens and do not say what text they are"
                        + " of, so --model has nothing to run on; leave it out, or give a --store");
            }
        }
    }

    private Evaluation.Options options() {
        Evaluation.Options options = Evaluation.Options.DEFAULT.withRows(rows);
        return truth == null ? options : options.withTruth(Truth.read(truth));
    }

    private void evaluate(
            Terminal terminal,
            RowSource opened,
            Evaluation.Options options,
            EvalStage.@Nullable Causal causal,
            Workers workers) {
        EvalReport report = EvalStage.run(terminal, sae, opened, options, causal, out == null ? sae : out, workers);
        if (json) {
            terminal.json(report.toJson());
        } else {
            terminal.result(report.table());
        }
    }
}
