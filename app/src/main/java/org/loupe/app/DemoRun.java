package org.loupe.app;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.StoreInfo;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Evaluation;
import org.loupe.eval.Metric;
import org.loupe.harvest.Harvest;
import org.loupe.index.FeatureIndex;
import org.loupe.index.IndexConfig;
import org.loupe.index.IndexInfo;
import org.loupe.index.LatentProfile;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;
import org.loupe.text.Corpus;
import org.loupe.train.TrainRun;

/** The demo's stages over one run folder; a stage that is complete and not older than what it reads is kept. */
final class DemoRun {
    private final Terminal terminal;
    private final DemoPlan plan;
    private final Path folder;
    private final Path store;
    private final Path sae;
    private final Path index;

    DemoRun(Terminal terminal, DemoPlan plan, Path folder) {
        this.terminal = terminal;
        this.plan = plan;
        this.folder = folder;
        this.store = folder.resolve("store");
        this.sae = folder.resolve("sae");
        this.index = folder.resolve("index");
    }

    /** Forgets what earlier starts have done. */
    void clear() {
        Harvest.clear(store);
        TrainRun.clear(sae);
        try {
            for (String file : List.of(EvalStage.JSON, EvalStage.PAGE, DemoTimes.FILE)) {
                Files.deleteIfExists(folder.resolve(file));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot clear " + folder + ": " + e.getMessage(), e);
        }
    }

    /** Runs what is left to do and prints the summary. */
    void stages(ThreadsOption option) {
        int threads = option.count();
        DemoTimes times = DemoTimes.read(folder);
        Corpus corpus = Corpus.of(List.of(DemoPlan.TEXT), Corpus.Fields.DEFAULT);
        harvest(corpus, threads, times);
        try (Workers workers = new Workers(threads);
                LanguageModel model = ModelOption.load(terminal, DemoPlan.MODEL, Precision.F32, threads)) {
            try (ActivationStore rows = ActivationStore.open(store)) {
                train(rows, option.given(), times);
                EvalReport report =
                        evaluate(rows, new EvalStage.Causal(model, rows, corpus, plan.evalTokens()), workers, times);
                IndexInfo info = IndexStage.run(
                        terminal, sae, rows, model, IndexConfig.DEFAULT, plan.effects(), index, false, workers);
                double seconds = info.seconds().values().stream()
                        .mapToDouble(Double::doubleValue)
                        .sum();
                times.note(folder, "index", seconds, info.rows());
                summary(report, info, times);
            }
        }
    }

    /** In bf16, which takes a third of the time; everything after is measured with the model in f32. */
    private void harvest(Corpus corpus, int threads, DemoTimes times) {
        try (LanguageModel model = ModelOption.load(terminal, DemoPlan.MODEL, Precision.BF16, threads)) {
            terminal.say("model: " + model.info().name() + ", " + model.info().layers() + " blocks, width "
                    + model.info().width());
            Harvest.Result harvest = HarvestStage.run(terminal, model, corpus, plan.harvest(), store);
            if (!harvest.complete()) {
                times.note(folder, "harvest", harvest.seconds(), harvest.tokens());
            }
        }
    }

    private void train(ActivationStore rows, int threads, DemoTimes times) {
        TrainStage.Result result = TrainStage.run(terminal, sae, rows, null, null, plan.train(threads));
        if (!result.complete()) {
            times.note(folder, "train", result.seconds(), result.tokens());
        }
    }

    private EvalReport evaluate(ActivationStore rows, EvalStage.Causal causal, Workers workers, DemoTimes times) {
        Path done = folder.resolve(EvalStage.JSON);
        if (Freshness.newer(done, sae.resolve(SaeFolder.INFO), store.resolve(StoreInfo.FILE))) {
            EvalReport report = EvalReport.read(done);
            if (!Double.isNaN(report.value(Metric.CE_SPLICED))) {
                terminal.say("eval: complete already, " + EvalStage.line(report) + " → " + done);
                return report;
            }
        }
        long start = System.nanoTime();
        Evaluation.Options options = Evaluation.Options.DEFAULT.withRows(plan.evalRows());
        EvalReport report = EvalStage.run(terminal, sae, rows, options, causal, folder, workers);
        times.note(folder, "eval", (System.nanoTime() - start) / 1e9, 0);
        return report;
    }

    private void summary(EvalReport report, IndexInfo info, DemoTimes times) {
        terminal.result("");
        terminal.result(DemoSummary.figures(report, info));
        terminal.result(DemoSummary.times(times.stages()));
        try (FeatureIndex opened = FeatureIndex.open(index)) {
            List<LatentProfile> chosen = DemoSummary.worthLookingAt(opened.summaries());
            terminal.result(
                    chosen.isEmpty()
                            ? "no latent has a clear label, several strings and 50 documents"
                            : "worth looking at (clear label, no flag, many documents, largest lift):");
            chosen.forEach(profile -> terminal.result(DemoSummary.line(profile)));
        }
        terminal.result("");
    }
}
