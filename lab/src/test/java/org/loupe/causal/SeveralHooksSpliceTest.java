package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.ActivationStore;
import org.loupe.eval.Baselines;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Evaluation;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.eval.Metric;
import org.loupe.eval.RowEvaluation;
import org.loupe.eval.Scores;
import org.loupe.harvest.Harvest;
import org.loupe.harvest.HarvestConfig;
import org.loupe.harvest.HarvestHooks;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import org.loupe.text.Corpus;
import org.loupe.text.Document;

/** Transcoders and crosscoders of a toy model whose effect is known beforehand, or computed here token by token. */
class SeveralHooksSpliceTest {
    private static final int WIDTH = 32;
    private static final HookPoint EARLY = HookPoint.residPost(0);
    private static final HookPoint NORMALIZED = HookPoint.parse("blocks.1.ln2.hook_normalized");
    private static final HookPoint MLP_0 = HookPoint.parse("blocks.0.hook_mlp_out");
    private static final HookPoint MLP_1 = HookPoint.parse("blocks.1.hook_mlp_out");
    private static final HookPoint POST = HookPoint.residPost(1);
    private static final HookPoint PRE = HookPoint.parse("blocks.2.hook_resid_pre");

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static Workers workers;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder.resolve("toy")), Precision.F32, 2);
        workers = new Workers(2);
    }

    @AfterAll
    static void close() {
        workers.close();
        model.close();
    }

    private static Corpus corpus() {
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            documents.add(new Document("the a in " + i * i + " thing " + i, ""));
        }
        return new Corpus.InMemory("a", documents);
    }

    /** Latents +eᵢ and −eᵢ for every axis, so that the first columns of x come back times {@code gain}. */
    private static Sae axes(int in, int out, float gain) {
        Matrix encoder = Matrix.zeros(2 * in, in);
        Matrix decoder = Matrix.zeros(2 * in, out);
        for (int i = 0; i < in; i++) {
            for (int sign = 0; sign < 2; sign++) {
                encoder.data()[encoder.offset(2 * i + sign) + i] = 1 - 2 * sign;
                if (i < out) {
                    decoder.data()[decoder.offset(2 * i + sign) + i] = gain * (1 - 2 * sign);
                }
            }
        }
        return new Sae(encoder, new float[2 * in], decoder, new float[out], new Activation.TopK(in), false);
    }

    private static Path harvest(List<HookPoint> inputs, @Nullable HookPoint target, boolean keepSinks) {
        Path out = folder.resolve(HookPoint.join(inputs) + "-" + target + "-" + keepSinks);
        HarvestConfig config =
                new HarvestConfig(new HarvestHooks(inputs, target), 400, 32, 4, Dtype.F32, 1000, keepSinks, 5);
        Harvest.run(model, corpus(), config, out, _ -> {});
        return out;
    }

    private static EvalReport evaluate(Sae sae, List<HookPoint> inputs, @Nullable HookPoint target, boolean keepSinks) {
        try (ActivationStore store = ActivationStore.open(harvest(inputs, target, keepSinks))) {
            String in = HookPoint.join(inputs);
            SaeFolder.Loaded loaded = loaded(sae, in, target == null ? in : target.toString());
            RowEvaluation rows = Evaluation.rows(loaded, store, Evaluation.Options.DEFAULT, workers, Progress.NONE);
            List<TokenBatch> text = HeldOutText.batches(model, corpus(), store, 200);
            return CausalEvaluation.run(rows, loaded, model, text, store.info().normLimits(), workers, Progress.NONE);
        }
    }

    private static SaeFolder.Loaded loaded(Sae sae, String in, String out) {
        Provenance provenance = Provenance.here("toy", model.info().sha256(), "a", in, 5);
        return new SaeFolder.Loaded(sae, new SaeInfo(provenance, in, out, Map.of(), Map.of()));
    }

    /**
     * Cross-entropy of the held-out text, sequence by sequence, when the rows of document tokens at some hook points are what
     * the functions make of the clean rows there or elsewhere.
     */
    private static double crossEntropy(
            Map<HookPoint, UnaryOperator<Matrix>> changed, Map<HookPoint, HookPoint> source) {
        Path out = folder.resolve("text");
        HarvestConfig config = new HarvestConfig(EARLY, 400, 32, 4, Dtype.F32, 1000, true, 5);
        Harvest.run(model, corpus(), config, out, _ -> {});
        double sum = 0;
        long count = 0;
        try (ActivationStore store = ActivationStore.open(out)) {
            for (TokenBatch batch : HeldOutText.batches(model, corpus(), store, 200)) {
                int[] segments = Objects.requireNonNull(batch.segments());
                Map<HookPoint, Hook> hooks = new HashMap<>();
                changed.forEach((point, change) -> {
                    Matrix given = change.apply(model.activations(batch, source.getOrDefault(point, point)));
                    hooks.put(point, (_, rows) -> {
                        Matrix all = Tensors.matrix(rows);
                        for (int i = 0; i < all.rows(); i++) {
                            if (segments[i] > 0) {
                                System.arraycopy(given.data(), given.offset(i), all.data(), all.offset(i), all.cols());
                            }
                        }
                        return Tensors.tensor(all.data(), batch.sequences(), batch.length(), all.cols());
                    });
                });
                try (PointerScope _ = new PointerScope()) {
                    Tensor logits = model.logits(batch, hooks);
                    int vocabulary = Math.toIntExact(logits.size(2));
                    float[] values = Tensors.floats(logits);
                    for (int i = 0; i + 1 < batch.size(); i++) {
                        boolean last = i % batch.length() == batch.length() - 1;
                        if (!last && segments[i] > 0 && segments[i] == segments[i + 1]) {
                            double total = 0;
                            for (int v = 0; v < vocabulary; v++) {
                                total += Math.exp(values[i * vocabulary + v]);
                            }
                            sum += Math.log(total) - values[i * vocabulary + batch.ids()[i + 1]];
                            count++;
                        }
                    }
                }
            }
        }
        return sum / count;
    }

    private static UnaryOperator<Matrix> times(double factor) {
        return rows -> {
            Matrix out = Matrix.zeros(rows.rows(), rows.cols());
            for (int i = 0; i < out.data().length; i++) {
                out.data()[i] = (float) (factor * rows.data()[i]);
            }
            return out;
        };
    }

    private static Scores figures(Map<String, Scores> all, String name) {
        return all.getOrDefault(name, Scores.NONE);
    }

    /** blocks.2.hook_resid_pre is blocks.1.hook_resid_post under another name, so that writing what is read is exact. */
    @Test
    void aTranscoderThatWritesTheTruthChangesNothing() {
        EvalReport report = evaluate(axes(WIDTH, WIDTH, 1), List.of(POST), PRE, false);
        assertEquals(0, report.value(Metric.FVU));
        assertEquals(0, report.heldOut().value(Metric.FVU));
        assertEquals(report.value(Metric.CE_CLEAN), report.value(Metric.CE_SPLICED), 1e-12);
        assertEquals(0, report.value(Metric.KL), 1e-12);
        assertEquals(1, report.value(Metric.TOP1_AGREEMENT));
        // So is the best linear map, and so are all 32 principal components of the target.
        for (String name : List.of(Baselines.LINEAR, Baselines.PCA)) {
            Scores scores = figures(report.baselines(), name);
            assertEquals(0, scores.value(Metric.FVU), 1e-6, name);
            assertEquals(report.value(Metric.CE_CLEAN), scores.value(Metric.CE_SPLICED), 1e-3, name);
        }
        assertTrue(figures(report.baselines(), Baselines.MEAN).value(Metric.KL) > 0.01);
        assertTrue(report.heldOut().has(Metric.L0) && report.window().heldOutRows() > 100);
    }

    @Test
    void aTranscoderThatWritesZerosIsZeroAblationOfItsOutput() {
        EvalReport report = evaluate(axes(WIDTH, WIDTH, 0), List.of(NORMALIZED), MLP_1, true);
        assertEquals(report.value(Metric.CE_ZERO), report.value(Metric.CE_SPLICED), 1e-12);
        assertEquals(0, report.value(Metric.CE_RECOVERED_ZERO), 1e-9);
        assertEquals(crossEntropy(Map.of(), Map.of()), report.value(Metric.CE_CLEAN), 1e-6);
        assertEquals(crossEntropy(Map.of(MLP_1, times(0)), Map.of()), report.value(Metric.CE_SPLICED), 1e-6);
        EvalReport alone = evaluate(axes(WIDTH, WIDTH, 0), List.of(MLP_1), null, true);
        assertEquals(alone.value(Metric.CE_ZERO), report.value(Metric.CE_ZERO), 1e-12);
        assertEquals(alone.value(Metric.CE_MEAN), report.value(Metric.CE_MEAN), 1e-9);
        Scores linear = figures(report.baselines(), Baselines.LINEAR);
        assertTrue(linear.value(Metric.FVU) < 1 && linear.has(Metric.KL), linear.toString());
    }

    /** Reads 32 columns after block 0 and writes half of them after block 1: at a residual and at another hook point. */
    @Test
    void aTranscoderPutsItsReadingOfTheInputAtItsOutput() {
        for (HookPoint out : List.of(POST, MLP_1)) {
            EvalReport report = evaluate(axes(WIDTH, WIDTH, 0.5f), List.of(EARLY), out, true);
            double expected = crossEntropy(Map.of(out, times(0.5)), Map.of(out, EARLY));
            assertEquals(expected, report.value(Metric.CE_SPLICED), 1e-6, out.toString());
            assertTrue(Math.abs(expected - report.value(Metric.CE_CLEAN)) > 1e-3);
        }
    }

    @Test
    void aTranscoderMayReadSeveralHookPointsOfOtherWidths() {
        HookPoint inner = HookPoint.parse("blocks.0.mlp.hook_post");
        EvalReport report = evaluate(axes(WIDTH + 48, WIDTH, 0.5f), List.of(EARLY, inner), MLP_1, true);
        double expected = crossEntropy(Map.of(MLP_1, times(0.5)), Map.of(MLP_1, EARLY));
        assertEquals(expected, report.value(Metric.CE_SPLICED), 1e-6);
    }

    @Test
    void aCrosscoderReplacesTheRowsAtAllItsHookPoints() {
        List<HookPoint> hooks = List.of(MLP_1, MLP_0);
        EvalReport same = evaluate(axes(2 * WIDTH, 2 * WIDTH, 1), hooks, null, false);
        assertEquals(0, same.value(Metric.KL), 1e-12);
        assertEquals(0, figures(same.parts(), MLP_0.toString()).value(Metric.FVU));
        EvalReport half = evaluate(axes(2 * WIDTH, 2 * WIDTH, 0.5f), hooks, null, true);
        double expected = crossEntropy(Map.of(MLP_0, times(0.5), MLP_1, times(0.5)), Map.of());
        assertEquals(expected, half.value(Metric.CE_SPLICED), 1e-6);
        double zero = crossEntropy(Map.of(MLP_0, times(0), MLP_1, times(0)), Map.of());
        assertEquals(zero, half.value(Metric.CE_ZERO), 1e-6);
        // A residual-stream hook point first: the run starts there and meets the other one later.
        EvalReport mixed = evaluate(axes(2 * WIDTH, 2 * WIDTH, 0.5f), List.of(MLP_1, EARLY), null, true);
        double both = crossEntropy(Map.of(EARLY, times(0.5), MLP_1, times(0.5)), Map.of());
        assertEquals(both, mixed.value(Metric.CE_SPLICED), 1e-6);
    }

    @Test
    void rowsBeyondTheLimitOfAnyHookPointKeepTheirTrueValues() {
        TokenBatch batch = TokenBatch.of(new int[] {260, 1, 2, 3});
        Matrix small = Matrix.zeros(4, 1);
        Matrix large = new Matrix(4, 1, new float[] {0, 9, 0, 0});
        assertEquals(3, Positions.replaced(batch, List.of(small, large), List.of(1.0, 0.0)).length);
        assertEquals(2, Positions.replaced(batch, List.of(small, large), List.of(0.0, 8.0)).length);
        for (HookPoint limited : List.of(NORMALIZED, MLP_1)) {
            EvalReport report = splice(axes(WIDTH, WIDTH, 0), NORMALIZED, MLP_1, Map.of(limited.toString(), 1e-6));
            assertEquals(0, report.window().heldOutRows());
            assertEquals(0, report.value(Metric.KL), 1e-12);
        }
    }

    @Test
    void whatCannotBeSplicedIsRefused() {
        String backwards = refusal(axes(WIDTH, WIDTH, 1), MLP_1, NORMALIZED);
        assertTrue(backwards.contains("reads " + MLP_1 + " and writes " + NORMALIZED), backwards);
        String wide = refusal(axes(WIDTH, WIDTH, 1), NORMALIZED, HookPoint.parse("blocks.1.mlp.hook_post"));
        assertTrue(wide.contains("writes rows of 32") && wide.contains("48 wide"), wide);
    }

    private static String refusal(Sae sae, HookPoint in, HookPoint out) {
        BadInput refused = assertThrows(BadInput.class, () -> splice(sae, in, out, Map.of()));
        return String.valueOf(refused.getMessage());
    }

    /** Splices an SAE of these hook points, after an evaluation on rows as one of NORMALIZED and MLP_1. */
    private static EvalReport splice(Sae sae, HookPoint in, HookPoint out, Map<String, Double> normLimits) {
        Path folder = harvest(List.of(NORMALIZED), MLP_1, true);
        try (ActivationStore store = ActivationStore.open(folder)) {
            RowEvaluation rows = Evaluation.rows(
                    loaded(sae, NORMALIZED.toString(), MLP_1.toString()),
                    store,
                    Evaluation.Options.DEFAULT,
                    workers,
                    Progress.NONE);
            return CausalEvaluation.run(
                    rows,
                    loaded(sae, in.toString(), out.toString()),
                    model,
                    HeldOutText.batches(model, corpus(), store, 50),
                    normLimits,
                    workers,
                    Progress.NONE);
        }
    }
}
