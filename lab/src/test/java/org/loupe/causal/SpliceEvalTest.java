package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.eval.Reconstruction;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.tensor.Matrix;
import tools.jackson.databind.JsonNode;

class SpliceEvalTest {
    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static JsonNode reference;

    @BeforeAll
    static void load() throws IOException {
        model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2);
        try (InputStream in = Objects.requireNonNull(SpliceEvalTest.class.getResourceAsStream("/causal/splice.json"))) {
            reference = Json.MAPPER.readTree(in);
        }
    }

    @AfterAll
    static void close() {
        model.close();
    }

    /** The script's documents, packed: [prefix, documents, padding]. */
    private static TokenBatch packed(int length) {
        List<int[]> ids = new ArrayList<>();
        List<int[]> segments = new ArrayList<>();
        for (JsonNode row : reference.path("rows")) {
            int[] id = new int[length];
            int[] segment = new int[length];
            Arrays.fill(segment, -1);
            id[0] = reference.path("prefix").asInt();
            segment[0] = 0;
            int at = 1;
            int document = 1;
            for (JsonNode tokens : row) {
                for (JsonNode token : tokens) {
                    id[at] = token.asInt();
                    segment[at++] = document;
                }
                document++;
            }
            ids.add(id);
            segments.add(segment);
        }
        return new TokenBatch(flat(ids), ids.size(), length, flat(segments));
    }

    private static int[] flat(List<int[]> rows) {
        return rows.stream().flatMapToInt(Arrays::stream).toArray();
    }

    /** The script's replacements. */
    private static Map<String, Reconstruction> replacements() {
        float[] ramp = new float[32];
        for (int c = 0; c < 32; c++) {
            ramp[c] = (c - 15.5f) / 40;
        }
        Map<String, Reconstruction> all = new LinkedHashMap<>();
        all.put("identity", (x, out) -> System.arraycopy(x.data(), 0, out.data(), 0, x.data().length));
        all.put("affine", (x, out) -> {
            for (int i = 0; i < x.data().length; i++) {
                out.data()[i] = 0.5f * x.data()[i] + 0.1f;
            }
        });
        all.put("zero", Reconstruction.constant(new float[32]));
        all.put("ramp", Reconstruction.constant(ramp));
        return all;
    }

    private static SpliceEval splice(HookPoint hook, double normLimit) {
        return new SpliceEval(model, new SplicePoints(List.of(hook), 0, List.of(normLimit)));
    }

    private static SpliceResult.Effect effect(SpliceResult result, String name) {
        return Objects.requireNonNull(result.effects().get(name));
    }

    @Test
    void equalsTransformersDocumentByDocument() {
        assertEquals(3, reference.path("cases").size());
        for (JsonNode test : reference.path("cases")) {
            HookPoint hook = HookPoint.parse(test.path("point").asString());
            SpliceResult result = splice(hook, test.path("norm_limit").asDouble())
                    .run(List.of(packed(18)), replacements(), Progress.NONE);
            assertEquals(test.path("tokens").asLong(), result.tokens());
            assertEquals(test.path("replaced").asLong(), result.replacedRows());
            assertEquals(3, result.sequences());
            assertEquals(test.path("ce_clean").asDouble(), result.ceClean(), 1e-5);
            test.path("replacements").properties().forEach(e -> {
                SpliceResult.Effect effect = effect(result, e.getKey());
                JsonNode expected = e.getValue();
                String what = hook + " " + e.getKey();
                assertEquals(expected.path("ce").asDouble(), effect.ce(), 1e-5, what);
                assertEquals(expected.path("kl").asDouble(), effect.kl(), 1e-5, what);
                assertEquals(expected.path("top1").asDouble(), effect.top1(), 1e-12, what);
                assertEquals(expected.path("kl_error").asDouble(), effect.klError(), 1e-5, what);
                assertEquals(expected.path("increase_error").asDouble(), effect.increaseError(), 1e-5, what);
            });
        }
    }

    @Test
    void replacingRowsByThemselvesChangesNothing() {
        for (String point : List.of("blocks.0.hook_resid_mid", "blocks.2.hook_resid_post", "blocks.1.attn.hook_z")) {
            SpliceResult result = splice(HookPoint.parse(point), 0)
                    .run(List.of(packed(18)), Map.of("identity", replacements().get("identity")), Progress.NONE);
            SpliceResult.Effect effect = effect(result, "identity");
            assertEquals(result.ceClean(), effect.ce(), 1e-12);
            assertEquals(0, effect.kl(), 1e-12);
            assertEquals(1, effect.top1());
            assertEquals(0, effect.increaseError(), 1e-12);
        }
    }

    @Test
    void batchesDoNotMatter() {
        TokenBatch all = packed(20);
        List<TokenBatch> one = new ArrayList<>();
        for (int s = 0; s < all.sequences(); s++) {
            int[] segments = Objects.requireNonNull(all.segments());
            one.add(new TokenBatch(
                    Arrays.copyOfRange(all.ids(), s * 20, (s + 1) * 20),
                    1,
                    20,
                    Arrays.copyOfRange(segments, s * 20, (s + 1) * 20)));
        }
        SpliceEval splice = splice(HookPoint.residPost(1), 15);
        SpliceResult together = splice.run(List.of(all), replacements(), Progress.NONE);
        SpliceResult apart = splice.run(one, replacements(), Progress.NONE);
        assertEquals(together.tokens(), apart.tokens());
        assertEquals(together.replacedRows(), apart.replacedRows());
        assertEquals(together.ceClean(), apart.ceClean(), 1e-6);
        assertEquals(effect(together, "affine").kl(), effect(apart, "affine").kl(), 1e-6);
    }

    /** Row: prefix, documents of 3 and 2 tokens, padding. A plain row: its first token is the prefix. */
    @Test
    void whichPlacesCount() {
        TokenBatch packed = new TokenBatch(new int[] {260, 1, 2, 3, 4, 5, 0}, 1, 7, new int[] {0, 1, 1, 1, 2, 2, -1});
        Matrix x = Matrix.zeros(7, 1);
        x.data()[2] = -9;
        assertEquals(List.of(1, 2, 4), boxed(packed.predicting()));
        assertEquals(List.of(1, 2, 3, 4, 5), boxed(Positions.replaced(packed, List.of(x), List.of(0.0))));
        assertEquals(List.of(1, 3, 4, 5), boxed(Positions.replaced(packed, List.of(x), List.of(8.5))));
        TokenBatch plain = TokenBatch.of(new int[] {260, 1}, new int[] {2, 3});
        assertEquals(List.of(), boxed(plain.predicting()));
        TokenBatch row = TokenBatch.of(new int[] {260, 1, 2, 3});
        assertEquals(List.of(1, 2), boxed(row.predicting()));
        assertEquals(List.of(1, 2, 3), boxed(Positions.replaced(row, List.of(x), List.of(0.0))));
    }

    private static List<Integer> boxed(int[] values) {
        return Arrays.stream(values).boxed().toList();
    }

    @Test
    void textThatPredictsNothingIsRefused() {
        TokenBatch single = new TokenBatch(new int[] {260, 7}, 1, 2, new int[] {0, 1});
        BadInput refused = assertThrows(
                BadInput.class,
                () -> splice(HookPoint.residPost(1), 0).run(List.of(single), replacements(), Progress.NONE));
        assertTrue(String.valueOf(refused.getMessage()).contains("nothing to predict"));
    }
}
