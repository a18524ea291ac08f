package org.loupe.causal;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.eval.Baselines;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.eval.LatentMetrics;
import org.loupe.eval.Metric;
import org.loupe.eval.Reconstruction;
import org.loupe.eval.RowEvaluation;
import org.loupe.eval.RowMetrics;
import org.loupe.eval.Scores;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Completes an evaluation on rows with what the SAE, its baselines and both ablations do to the model. */
public final class CausalEvaluation {
    private static final String SPLICED = "spliced";
    private static final String ZERO = "zero";

    private CausalEvaluation() {}

    /**
     * Evaluates through the model. A transcoder reads the clean rows at its input's hook point and replaces those at its
     * output's, which the same run reaches later; a crosscoder replaces the rows at all its hook points.
     *
     * @param evaluated the evaluation on rows: its report is extended, its baselines are spliced too
     * @param batches held-out text, see {@link HeldOutText}
     * @param normLimits the store's by hook point: rows with a larger norm keep their true values; hook points that it does not
     *     name have no limit
     * @throws BadInput when the SAE was made for another model, hook point or width than the model has, or is a transcoder that
     *     writes before it reads
     */
    public static EvalReport run(
            RowEvaluation evaluated,
            SaeFolder.Loaded loaded,
            LanguageModel model,
            List<TokenBatch> batches,
            Map<String, Double> normLimits,
            Workers workers,
            Progress progress) {
        SplicePoints points = SplicePoints.of(loaded, model, normLimits);
        Sae sae = loaded.sae();
        Encoder encoder = new Encoder(sae, workers);
        RowMetrics heldOut = new RowMetrics(sae.dOut());
        LatentMetrics usage = new LatentMetrics(sae.latents());
        Map<String, Reconstruction> replacements = new LinkedHashMap<>();
        replacements.put(SPLICED, (rows, out) -> {
            boolean pairs = points.firstReplaced() > 0;
            Matrix x = pairs ? rows.columns(0, sae.dIn()) : rows;
            Latents latents = encoder.encode(x);
            Decoder.decode(sae, latents, out, workers);
            Decoder.addSkip(sae, x, out, workers);
            heldOut.add(pairs ? rows.columns(sae.dIn(), sae.dOut()) : rows, out, workers);
            usage.add(latents);
        });
        replacements.put(ZERO, Reconstruction.constant(new float[sae.dOut()]));
        replacements.putAll(evaluated.baselines().reconstructions(workers));
        SpliceResult result = new SpliceEval(model, points).run(batches, replacements, progress);
        return extend(evaluated.report(), result, heldOut, usage);
    }

    private static EvalReport extend(EvalReport report, SpliceResult result, RowMetrics heldOut, LatentMetrics usage) {
        Scores effects = effect(result, SPLICED)
                .with(Metric.CE_CLEAN, result.ceClean())
                .with(Metric.CE_MEAN, ce(result, Baselines.MEAN))
                .with(Metric.CE_ZERO, ce(result, ZERO));
        Map<String, Scores> baselines = new LinkedHashMap<>();
        report.baselines().forEach((name, scores) -> baselines.put(name, scores.with(effect(result, name))));
        Scores unseen = heldOut.rows() == 0
                ? Scores.NONE
                : heldOut.scores()
                        .with(Metric.L0, usage.scores().value(Metric.L0))
                        .with(Metric.L1, usage.scores().value(Metric.L1));
        EvalReport.Window window = report.window();
        return new EvalReport(
                report.provenance(),
                report.sae(),
                new EvalReport.Window(
                        window.source(),
                        window.rows(),
                        window.available(),
                        result.tokens(),
                        result.sequences(),
                        result.replacedRows()),
                report.scores().with(effects),
                unseen,
                baselines,
                report.parts(),
                report.histograms());
    }

    private static double ce(SpliceResult result, String name) {
        SpliceResult.Effect effect = result.effects().get(name);
        return effect == null ? Double.NaN : effect.ce();
    }

    /** What one replacement does, and how much of each ablation's damage it avoids. */
    private static Scores effect(SpliceResult result, String name) {
        SpliceResult.Effect effect = result.effects().get(name);
        if (effect == null) {
            return Scores.NONE;
        }
        return Scores.NONE
                .with(Metric.CE_SPLICED, effect.ce())
                .with(Metric.CE_INCREASE, effect.increase())
                .with(Metric.CE_INCREASE_ERROR, effect.increaseError())
                .with(Metric.CE_RECOVERED_MEAN, recovered(result, Baselines.MEAN, effect))
                .with(Metric.CE_RECOVERED_ZERO, recovered(result, ZERO, effect))
                .with(Metric.KL, effect.kl())
                .with(Metric.KL_ERROR, effect.klError())
                .with(Metric.TOP1_AGREEMENT, effect.top1());
    }

    /** (CE ablated − CE) / (CE ablated − CE clean); NaN where ablating changes nothing. */
    private static double recovered(SpliceResult result, String ablation, SpliceResult.Effect effect) {
        double ablated = ce(result, ablation);
        double damage = ablated - result.ceClean();
        return damage == 0 ? Double.NaN : (ablated - effect.ce()) / damage;
    }
}
