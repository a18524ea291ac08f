package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
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
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelFiles;
import org.loupe.lm.Precision;
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

/** A toy model, its harvested rows, and SAEs whose effect is known beforehand. */
class CausalEvaluationTest {
    private static final HookPoint HOOK = HookPoint.residPost(1);
    private static final int WIDTH = 32;

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static ActivationStore store;
    private static Workers workers;

    @BeforeAll
    static void harvest() {
        model = LanguageModel.load(ToyModel.write(folder.resolve("toy")), Precision.F32, 2);
        HarvestConfig config = new HarvestConfig(HOOK, 400, 32, 4, Dtype.F32, 1000, false, 5);
        Harvest.run(model, corpus("a"), config, folder.resolve("store"), _ -> {});
        store = ActivationStore.open(folder.resolve("store"));
        workers = new Workers(2);
    }

    @AfterAll
    static void close() {
        workers.close();
        store.close();
        model.close();
    }

    private static Corpus corpus(String name) {
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            documents.add(new Document("the " + name + " in " + i * i + " thing " + i, ""));
        }
        return new Corpus.InMemory(name, documents);
    }

    private static SaeInfo info(String hook, String sha256) {
        return new SaeInfo(Provenance.here("toy", sha256, "a", hook, 1), hook, hook, Map.of(), Map.of());
    }

    /** Latents +eᵢ and −eᵢ for every axis: relu of both gives x back exactly; {@code gain} scales the decoder. */
    private static Sae axes(int width, float gain, float[] bias) {
        Matrix encoder = Matrix.zeros(2 * width, width);
        Matrix decoder = Matrix.zeros(2 * width, width);
        for (int i = 0; i < width; i++) {
            for (int sign = 0; sign < 2; sign++) {
                int at = encoder.offset(2 * i + sign) + i;
                encoder.data()[at] = 1 - 2 * sign;
                decoder.data()[at] = gain * (1 - 2 * sign);
            }
        }
        return new Sae(encoder, new float[2 * width], decoder, bias, new Activation.TopK(width), false);
    }

    private static EvalReport evaluate(Sae sae) {
        return evaluate(sae, model, store);
    }

    private static EvalReport evaluate(Sae sae, LanguageModel model, ActivationStore store) {
        SaeFolder.Loaded loaded = new SaeFolder.Loaded(
                sae, info(store.info().provenance().hook(), model.info().sha256()));
        RowEvaluation rows = Evaluation.rows(loaded, store, Evaluation.Options.DEFAULT, workers, Progress.NONE);
        List<TokenBatch> text = HeldOutText.batches(model, corpus("a"), store, 200);
        return CausalEvaluation.run(rows, loaded, model, text, store.info().normLimits(), workers, Progress.NONE);
    }

    @Test
    void anSaeThatLosesNothingChangesNothing() {
        EvalReport report = evaluate(axes(WIDTH, 1, new float[WIDTH]));
        assertEquals(0, report.value(Metric.FVU));
        assertEquals(0, report.heldOut().value(Metric.FVU));
        assertEquals(WIDTH, report.heldOut().value(Metric.L0));
        assertEquals(report.value(Metric.CE_CLEAN), report.value(Metric.CE_SPLICED), 1e-12);
        assertEquals(0, report.value(Metric.KL), 1e-12);
        assertEquals(1, report.value(Metric.CE_RECOVERED_MEAN), 1e-9);
        assertEquals(1, report.value(Metric.CE_RECOVERED_ZERO), 1e-9);
        assertEquals(1, report.value(Metric.TOP1_AGREEMENT));
    }

    @Test
    void anSaeThatGivesZerosIsZeroAblation() {
        EvalReport report = evaluate(axes(WIDTH, 0, new float[WIDTH]));
        assertEquals(report.value(Metric.CE_ZERO), report.value(Metric.CE_SPLICED), 1e-12);
        assertEquals(0, report.value(Metric.CE_RECOVERED_ZERO), 1e-9);
        assertTrue(report.value(Metric.KL) > 0.1);
    }

    @Test
    void anSaeThatGivesTheMeanIsMeanAblation() {
        EvalReport first = evaluate(axes(WIDTH, 0, new float[WIDTH]));
        Matrix all = Matrix.zeros(Math.toIntExact(store.rows()), WIDTH);
        store.read(0, all.rows(), all, 0);
        float[] mean = new float[WIDTH];
        for (int c = 0; c < WIDTH; c++) {
            double sum = 0;
            for (int r = 0; r < all.rows(); r++) {
                sum += all.at(r, c);
            }
            mean[c] = (float) (sum / all.rows());
        }
        EvalReport report = evaluate(axes(WIDTH, 0, mean));
        assertEquals(report.value(Metric.CE_MEAN), report.value(Metric.CE_SPLICED), 1e-6);
        assertEquals(0, report.value(Metric.CE_RECOVERED_MEAN), 1e-5);
        assertEquals(first.value(Metric.CE_MEAN), report.value(Metric.CE_MEAN), 1e-12);
        Scores baseline = report.baselines().getOrDefault(Baselines.MEAN, Scores.NONE);
        assertEquals(report.value(Metric.CE_MEAN), baseline.value(Metric.CE_SPLICED));
        assertEquals(report.value(Metric.KL), baseline.value(Metric.KL), 1e-6);
        assertEquals(1, report.value(Metric.FVU), 1e-6);
    }

    @Test
    void baselinesAreSplicedToo() {
        EvalReport report = evaluate(axes(WIDTH, 0.5f, new float[WIDTH]));
        for (String name : List.of(Baselines.PCA, Baselines.RANDOM, Baselines.MEAN)) {
            Scores scores = report.baselines().getOrDefault(name, Scores.NONE);
            assertTrue(scores.has(Metric.CE_SPLICED) && scores.has(Metric.KL), name + scores);
        }
        // 32 components of 32 dimensions lose nothing.
        Scores pca = report.baselines().getOrDefault(Baselines.PCA, Scores.NONE);
        assertEquals(report.value(Metric.CE_CLEAN), pca.value(Metric.CE_SPLICED), 1e-4);
        assertTrue(report.window().tokens() > 100 && report.window().sequences() > 3, report.window() + "");
        assertTrue(report.table().contains("held-out text"));
    }

    /** The same model in bf16: what loses nothing changes nothing, and what loses much does the damage that it does in f32. */
    @ParameterizedTest
    @ValueSource(strings = {"blocks.1.hook_resid_post", "blocks.1.hook_mlp_out"})
    void aModelInBf16IsSplicedLikeOneInF32(String hook, @TempDir Path stores) {
        Sae same = axes(WIDTH, 1, new float[WIDTH]);
        Sae half = axes(WIDTH, 0.5f, new float[WIDTH]);
        HarvestConfig config = new HarvestConfig(HookPoint.parse(hook), 400, 32, 4, Dtype.BF16, 1000, false, 5);
        Harvest.run(model, corpus("a"), config, stores.resolve("f32"), _ -> {});
        try (LanguageModel bf16 = LanguageModel.load(new ModelFiles("toy", folder.resolve("toy")), Precision.BF16, 2)) {
            Harvest.run(bf16, corpus("a"), config, stores.resolve("bf16"), _ -> {});
            try (ActivationStore bf16Rows = ActivationStore.open(stores.resolve("bf16"));
                    ActivationStore f32Rows = ActivationStore.open(stores.resolve("f32"))) {
                EvalReport nothing = evaluate(same, bf16, bf16Rows);
                assertEquals(0, nothing.heldOut().value(Metric.FVU));
                assertEquals(nothing.value(Metric.CE_CLEAN), nothing.value(Metric.CE_SPLICED), 1e-12);
                assertEquals(0, nothing.value(Metric.KL), 1e-12);
                assertEquals(1, nothing.value(Metric.TOP1_AGREEMENT));
                EvalReport halved = evaluate(half, bf16, bf16Rows);
                EvalReport expected = evaluate(half, model, f32Rows);
                for (Metric metric : List.of(Metric.CE_CLEAN, Metric.CE_SPLICED, Metric.CE_MEAN, Metric.CE_ZERO)) {
                    assertEquals(expected.value(metric), halved.value(metric), 0.01, metric.toString());
                }
                assertEquals(expected.value(Metric.KL), halved.value(Metric.KL), 0.02 * expected.value(Metric.KL));
            }
        }
    }

    private static Set<String> stored(ActivationStore store) {
        Set<String> stored = new HashSet<>();
        for (int d = 0; d < store.documents().size(); d++) {
            stored.add(store.documents().get(d).text());
        }
        return stored;
    }

    private static Set<String> heldOut(Corpus corpus, ActivationStore store) {
        Set<String> heldOut = new HashSet<>();
        for (TokenBatch batch : HeldOutText.batches(model, corpus, store, 10_000)) {
            int[] segments = Objects.requireNonNull(batch.segments());
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < batch.size(); i++) {
                if (segments[i] > 0) {
                    text.append(model.tokenizer().decode(batch.ids()[i]));
                }
                if (i + 1 == batch.size() || segments[i + 1] != segments[i]) {
                    if (!text.isEmpty()) {
                        heldOut.add(text.toString());
                    }
                    text.setLength(0);
                }
            }
        }
        return heldOut;
    }

    @Test
    void theTextIsNotInTheStore() {
        Set<String> heldOut = heldOut(corpus("a"), store);
        assertEquals(60, stored(store).size() + heldOut.size());
        assertTrue(Collections.disjoint(stored(store), heldOut));
    }

    @Test
    void theStoresDocumentsAreKnownWhateverTheTextIsCalledAndGains(@TempDir Path texts) throws IOException {
        Path notes = Files.createDirectory(texts.resolve("notes"));
        for (int i = 0; i < 20; i++) {
            Files.writeString(notes.resolve(i + ".txt"), ("the note in " + i * i + " thing ").repeat(1 + i % 5));
        }
        HarvestConfig config = new HarvestConfig(HOOK, 400, 32, 4, Dtype.F32, 1000, false, 5);
        Harvest.run(model, text(notes), config, texts.resolve("store"), _ -> {});
        try (ActivationStore half = ActivationStore.open(texts.resolve("store"))) {
            Set<String> stored = stored(half);
            Set<String> rest = heldOut(text(notes), half);
            assertTrue(Collections.disjoint(stored, rest) && !rest.isEmpty(), rest.toString());
            assertEquals(rest, heldOut(text(texts.resolve(".").resolve("notes")), half));
            assertEquals(rest, heldOut(text(Path.of("").toAbsolutePath().relativize(notes)), half));

            Files.writeString(notes.resolve("added.txt"), "the added thing");
            Set<String> more = heldOut(text(notes), half);
            assertTrue(more.containsAll(rest) && more.contains("the added thing"), more.toString());
            assertEquals(rest.size() + 1, more.size());
            assertTrue(Collections.disjoint(stored, more));
        }
    }

    private static Corpus text(Path folder) {
        return Corpus.of(List.of(folder.toString()), Corpus.Fields.DEFAULT);
    }

    @Test
    void anotherTextIsUnseenAltogether() {
        int tokens = 0;
        for (TokenBatch batch : HeldOutText.batches(model, corpus("b"), store, 10_000)) {
            for (int segment : Objects.requireNonNull(batch.segments())) {
                tokens += segment > 0 ? 1 : 0;
            }
        }
        int all = corpus("b")
                .documents()
                .mapToInt(d -> model.tokenizer().encode(d.text()).length)
                .sum();
        assertEquals(all, tokens);
    }

    @Test
    void aTextThatIsAllInTheStoreIsRefused(@TempDir Path whole) {
        HarvestConfig config = new HarvestConfig(HOOK, 1_000_000, 32, 4, Dtype.F32, 1000, false, 5);
        Harvest.run(model, corpus("a"), config, whole, _ -> {});
        try (ActivationStore all = ActivationStore.open(whole)) {
            String message = refused(() -> HeldOutText.batches(model, corpus("a"), all, 100));
            assertTrue(message.contains("all documents") && message.contains("'a'"), message);
        }
    }

    @Test
    void anSaeOfAnotherModelHookOrWidthIsRefused() {
        Sae sae = axes(WIDTH, 1, new float[WIDTH]);
        String other = refusal(sae, info(HOOK.toString(), "00ff"));
        assertTrue(other.contains("00ff") && other.contains(model.info().sha256()), other);
        String nowhere = refusal(sae, info("", model.info().sha256()));
        assertTrue(nowhere.contains("hook point"), nowhere);
        String wide = refusal(sae, info("blocks.1.mlp.hook_post", model.info().sha256()));
        assertTrue(wide.contains("32") && wide.contains("48"), wide);
        String beyond =
                refusal(sae, info("blocks.7.hook_resid_post", model.info().sha256()));
        assertTrue(beyond.contains("blocks.7.hook_resid_post"), beyond);
    }

    private static String refusal(Sae sae, SaeInfo info) {
        SaeFolder.Loaded good =
                new SaeFolder.Loaded(sae, info(HOOK.toString(), model.info().sha256()));
        RowEvaluation rows = Evaluation.rows(good, store, Evaluation.Options.DEFAULT, workers, Progress.NONE);
        List<TokenBatch> text = HeldOutText.batches(model, corpus("a"), store, 50);
        return refused(() -> CausalEvaluation.run(
                rows, new SaeFolder.Loaded(sae, info), model, text, Map.of(), workers, Progress.NONE));
    }

    private static String refused(Executable executable) {
        return String.valueOf(assertThrows(BadInput.class, executable).getMessage());
    }
}
