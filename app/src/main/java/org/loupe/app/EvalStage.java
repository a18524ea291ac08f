package org.loupe.app;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.causal.CausalEvaluation;
import org.loupe.causal.HeldOutText;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Evaluation;
import org.loupe.eval.Metric;
import org.loupe.eval.ReportPage;
import org.loupe.eval.RowEvaluation;
import org.loupe.eval.TruthTable;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;
import org.loupe.text.Corpus;

/** Evaluates with progress and one line of result; writes {@code eval.json}, {@code report.html} and, of a known truth, {@code truth.csv}. */
final class EvalStage {
    static final String JSON = "eval.json";
    static final String PAGE = "report.html";
    static final String TRUTH = "truth.csv";

    private EvalStage() {}

    /**
     * The model's side of an evaluation.
     *
     * @param store the rows' own, which has the documents that they come from
     * @param tokens of held-out text
     */
    record Causal(LanguageModel model, ActivationStore store, Corpus corpus, long tokens) {}

    /** @param causal null for the metrics on rows alone */
    static EvalReport run(
            Terminal terminal,
            Path sae,
            RowSource source,
            Evaluation.Options options,
            @Nullable Causal causal,
            Path out,
            Workers workers) {
        long start = System.nanoTime();
        SaeFolder.Loaded loaded = SaeFolder.load(sae);
        RowEvaluation rows;
        EvalReport report;
        try (Progress progress = new Progress(terminal)) {
            Evaluation.Progress shown =
                    (stage, done, total) -> progress.at("eval: " + stage, unit(stage), done, total, "");
            rows = Evaluation.rows(loaded, source, options, workers, shown);
            report = rows.report();
            if (causal != null) {
                List<TokenBatch> text =
                        HeldOutText.batches(causal.model(), causal.corpus(), causal.store(), causal.tokens());
                report = CausalEvaluation.run(
                        rows,
                        loaded,
                        causal.model(),
                        text,
                        causal.store().info().normLimits(),
                        workers,
                        shown);
            }
        }
        report.write(out.resolve(JSON));
        Path steps = sae.resolve("steps.jsonl");
        ReportPage.write(out.resolve(PAGE), report, rows.features(), Files.isRegularFile(steps) ? steps : null);
        boolean known = !rows.features().isEmpty();
        if (known) {
            TruthTable.write(out.resolve(TRUTH), rows.features());
        } else {
            TruthTable.delete(out.resolve(TRUTH));
        }
        terminal.say("eval: " + line(report) + " in " + Progress.clock((System.nanoTime() - start) / 1e9) + " → "
                + out.resolve(JSON) + ", " + PAGE + (known ? ", " + TRUTH : ""));
        return report;
    }

    private static String unit(String stage) {
        return stage.equals("splice") ? "tokens" : "rows";
    }

    /** The figures that matter most, in a line. */
    static String line(EvalReport report) {
        String rows = "FVU " + figure(report, Metric.FVU) + ", L0 " + figure(report, Metric.L0) + ", dead "
                + figure(report, Metric.DEAD_FRACTION);
        return Double.isNaN(report.value(Metric.CE_RECOVERED_MEAN))
                ? rows
                : rows + ", CE recovered " + figure(report, Metric.CE_RECOVERED_MEAN) + " (of mean ablation), KL "
                        + figure(report, Metric.KL);
    }

    static String figure(EvalReport report, Metric metric) {
        return metric.format(report.value(metric));
    }
}
