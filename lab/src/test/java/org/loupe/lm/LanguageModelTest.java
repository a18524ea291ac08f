package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint.Site;
import org.loupe.tensor.Matrix;

/** Hooks, packing, partial runs, gradients and generation, on the toy model. */
class LanguageModelTest {
    private static final HookPoint MID = HookPoint.parse("blocks.1.hook_resid_mid");

    @TempDir
    static Path folder;

    private static LanguageModel model;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static int[] ids(int count, long seed) {
        return new SplittableRandom(seed).ints(count, 0, 260).toArray();
    }

    private static void assertClose(float[] expected, float[] actual, double tolerance) {
        assertEquals(expected.length, actual.length);
        double squares = 0;
        for (float e : expected) {
            squares += (double) e * e;
        }
        double rms = Math.sqrt(squares / expected.length);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], tolerance * rms, "element " + i);
        }
    }

    private static float[] logits(TokenBatch batch, Map<HookPoint, Hook> hooks) {
        try (PointerScope _ = new PointerScope()) {
            return Tensors.floats(model.logits(batch, hooks));
        }
    }

    private static float[] rowsOf(Matrix matrix, int first, int count) {
        return Arrays.copyOfRange(matrix.data(), first * matrix.cols(), (first + count) * matrix.cols());
    }

    @Test
    void aLargeBatchInPartsEqualsItsRowsAlone() {
        int[] ids = ids(30 * 50, 1);
        Matrix all = model.activations(TokenBatch.causal(ids, 30, 50), HookPoint.residPost(2));
        for (int row = 0; row < 30; row += 7) {
            Matrix alone = model.activations(
                    TokenBatch.of(Arrays.copyOfRange(ids, row * 50, row * 50 + 50)), HookPoint.residPost(2));
            assertClose(alone.data(), rowsOf(all, row * 50, 50), 1e-5);
        }
    }

    @Test
    void packedDocumentsEqualEachAloneWithThePrefix() {
        int prefix = 2;
        int[] lengths = {7, 1, 12, 5};
        int[] row = new int[32];
        int[] segments = new int[32];
        Arrays.fill(segments, -1);
        int[] text = ids(prefix + 25, 2);
        System.arraycopy(text, 0, row, 0, text.length);
        Arrays.fill(segments, 0, prefix, 0);
        int at = prefix;
        for (int d = 0; d < lengths.length; d++) {
            Arrays.fill(segments, at, at + lengths[d], d + 1);
            at += lengths[d];
        }
        int[] twice = new int[64];
        int[] twiceSegments = new int[64];
        for (int i = 0; i < 64; i++) {
            twice[i] = row[i % 32];
            twiceSegments[i] = segments[i % 32];
        }
        TokenBatch packed = new TokenBatch(twice, 2, 32, twiceSegments);
        for (HookPoint point : List.of(HookPoint.residPost(2), HookPoint.parse("blocks.2.attn.hook_z"))) {
            Matrix rows = model.activations(packed, point);
            int start = prefix;
            for (int length : lengths) {
                int[] alone = new int[prefix + length];
                System.arraycopy(row, 0, alone, 0, prefix);
                System.arraycopy(row, start, alone, prefix, length);
                Matrix expected = model.activations(TokenBatch.of(alone), point);
                assertClose(rowsOf(expected, 0, prefix), rowsOf(rows, 0, prefix), 1e-5);
                assertClose(rowsOf(expected, prefix, length), rowsOf(rows, start, length), 1e-5);
                assertClose(rowsOf(expected, prefix, length), rowsOf(rows, 32 + start, length), 1e-5);
                start += length;
            }
            for (float value : rows.data()) {
                assertTrue(Float.isFinite(value));
            }
        }
    }

    @Test
    void paddingOnTheRightChangesNothing() {
        int[][] rows = {ids(3, 3), ids(20, 4), ids(1, 5)};
        Matrix padded = model.activations(TokenBatch.of(rows), HookPoint.residPost(2));
        for (int r = 0; r < rows.length; r++) {
            Matrix alone = model.activations(TokenBatch.of(rows[r]), HookPoint.residPost(2));
            assertClose(alone.data(), rowsOf(padded, r * 20, rows[r].length), 1e-5);
        }
    }

    @Test
    void aRunFromAnyResidualHookPointEqualsTheWholeRun() {
        TokenBatch batch = TokenBatch.causal(ids(12 * 30, 6), 12, 30);
        float[] expected = logits(batch, Map.of());
        for (HookPoint point : model.hookPoints()) {
            if (point.site().isResidual()) {
                Matrix rows = model.activations(batch, point);
                try (PointerScope _ = new PointerScope()) {
                    Tensor start = Tensors.tensor(rows.data(), 12, 30, 32);
                    float[] actual = Tensors.floats(model.logitsFrom(point, start, batch, Map.of()));
                    assertClose(expected, actual, 1e-6);
                }
            }
        }
    }

    @Test
    void replacedRowsAreWhatTheRestOfTheModelSees() {
        TokenBatch batch = TokenBatch.causal(ids(12 * 30, 7), 12, 30);
        for (HookPoint point : model.hookPoints()) {
            float[] before = logits(batch, Map.of());
            float[] same = logits(batch, Map.of(point, (_, rows) -> rows.clone()));
            float[] doubled = logits(batch, Map.of(point, (_, rows) -> rows.mul(new Scalar(2.0))));
            assertClose(before, same, 1e-6);
            assertTrue(!Arrays.equals(before, doubled), point.toString());
            if (point.site().isResidual()) {
                Matrix rows = model.activations(batch, point);
                for (int i = 0; i < rows.data().length; i++) {
                    rows.data()[i] *= 2;
                }
                try (PointerScope _ = new PointerScope()) {
                    Tensor start = Tensors.tensor(rows.data(), 12, 30, 32);
                    assertClose(Tensors.floats(model.logitsFrom(point, start, batch, Map.of())), doubled, 1e-5);
                }
            }
        }
    }

    @Test
    void aRunStopsAfterItsLastHook() {
        List<HookPoint> called = new ArrayList<>();
        Map<HookPoint, Hook> hooks = new HashMap<>();
        for (HookPoint point : List.of(MID, HookPoint.embed(), new HookPoint(0, Site.MLP_POST))) {
            hooks.put(point, (p, rows) -> {
                called.add(p);
                return rows;
            });
        }
        model.runTo(TokenBatch.of(ids(5, 8)), hooks);
        assertEquals(List.of(HookPoint.embed(), new HookPoint(0, Site.MLP_POST), MID), called);
    }

    @Test
    void theGradientOfAReplacedRowEqualsFiniteDifferences() {
        TokenBatch batch = TokenBatch.causal(ids(2 * 9, 9), 2, 9);
        Matrix rows = model.activations(batch, MID);
        try (PointerScope _ = new PointerScope()) {
            Tensor given = Tensors.tensor(rows.data(), 2, 9, 32).set_requires_grad(true);
            model.withGradients(() -> {
                loss(model.logits(batch, Map.of(MID, (_, _) -> given)), batch).backward();
                return null;
            });
            float[] gradient = Tensors.floats(given.grad());
            float step = 1e-2f;
            double largest = 0;
            for (float g : gradient) {
                largest = Math.max(largest, Math.abs(g));
            }
            for (int i = 0; i < rows.data().length; i += 37) {
                double difference = (lossWith(rows, i, step, batch) - lossWith(rows, i, -step, batch)) / (2 * step);
                assertEquals(difference, gradient[i], 2e-2 * largest, "element " + i);
            }
            assertTrue(largest > 1e-3);
            assertTrue(!model.logits(batch, Map.of(MID, (_, _) -> given)).requires_grad());
        }
    }

    /** Attention is written out there, so a mask has to be added and heads grouped as libtorch's operator does. */
    @ParameterizedTest
    @EnumSource
    void withFrozenGradientsTheRunIsTheSame(MlpRule rule) {
        TokenBatch causal = TokenBatch.causal(ids(2 * 9, 9), 2, 9);
        TokenBatch packed = new TokenBatch(ids(2 * 9, 10), 2, 9, new int[] {
            0, 1, 1, 1, 2, 2, 2, 2, 2, //
            0, 1, 1, 1, 1, 1, 1, -1, -1
        });
        for (TokenBatch batch : List.of(causal, packed)) {
            try (PointerScope _ = new PointerScope()) {
                float[] plain = Tensors.floats(model.logits(batch, Map.of()));
                float[] frozen = model.withFrozenGradients(rule, () -> Tensors.floats(model.logits(batch, Map.of())));
                assertClose(plain, frozen, 1e-4);
                assertArrayEquals(plain, Tensors.floats(model.logits(batch, Map.of())), "the plain run afterwards");
            }
        }
    }

    private static double lossWith(Matrix rows, int element, float step, TokenBatch batch) {
        try (PointerScope _ = new PointerScope()) {
            float[] moved = rows.data().clone();
            moved[element] += step;
            Tensor start = Tensors.tensor(moved, 2, 9, 32);
            return loss(model.logitsFrom(MID, start, batch, Map.of()), batch).item_float();
        }
    }

    private static Tensor loss(Tensor logits, TokenBatch batch) {
        Tensor targets = Tensors.tensor(batch.ids(), 2, 9).narrow(1, 1, 8).reshape(-1);
        return torch.cross_entropy(logits.narrow(1, 0, 8).reshape(-1, 300), targets);
    }

    @Test
    void generationWithACacheEqualsGenerationWithout() {
        Hook steering = (_, rows) -> rows.add(new Scalar(0.3));
        for (Map<HookPoint, Hook> hooks : List.of(Map.<HookPoint, Hook>of(), Map.of(MID, steering))) {
            int[] text = ids(6, 10);
            int[] cached = model.generate(text, 15, _ -> hooks, Sampler.mostLikely(), Set.of())
                    .ids();
            for (int i = 0; i < cached.length; i++) {
                float[] logits = logits(TokenBatch.of(text), hooks);
                int best = 0;
                int last = logits.length - 300;
                for (int t = 0; t < 300; t++) {
                    best = logits[last + t] > logits[last + best] ? t : best;
                }
                assertEquals(best, cached[i], "token " + i);
                text = Arrays.copyOf(text, text.length + 1);
                text[text.length - 1] = best;
            }
        }
    }

    @Test
    void theLogitLensRanksDirectScores() {
        Matrix directions = Matrix.zeros(2, 32);
        SplittableRandom random = new SplittableRandom(11);
        for (int i = 0; i < directions.data().length; i++) {
            directions.data()[i] = (float) random.nextDouble(-1, 1);
        }
        LogitLens lens = model.logitLens(directions, 5);
        Map<String, float[]> weights = ToyModel.weights();
        float[] gain = weights.getOrDefault("model.norm.weight", new float[0]);
        float[] unembedding = weights.getOrDefault("lm_head.weight", new float[0]);
        for (int row = 0; row < 2; row++) {
            double[] scores = new double[300];
            for (int t = 0; t < 300; t++) {
                for (int c = 0; c < 32; c++) {
                    scores[t] += (double) directions.at(row, c) * gain[c] * unembedding[t * 32 + c];
                }
            }
            double[] sorted = scores.clone();
            Arrays.sort(sorted);
            for (int i = 0; i < 5; i++) {
                assertEquals(sorted[299 - i], lens.promotedScores()[row * 5 + i], 1e-4);
                assertEquals(sorted[299 - i], scores[lens.promoted()[row * 5 + i]], 1e-4);
                assertEquals(sorted[i], lens.suppressedScores()[row * 5 + i], 1e-4);
                assertEquals(sorted[i], scores[lens.suppressed()[row * 5 + i]], 1e-4);
            }
        }
    }

    @Test
    void unembeddingTheLastResidualGivesTheLogits() {
        TokenBatch batch = TokenBatch.causal(ids(20 * 40, 12), 20, 40);
        Matrix last = model.activations(batch, HookPoint.residPost(2));
        try (PointerScope _ = new PointerScope()) {
            Tensor rows = Tensors.tensor(last.data(), 20, 40, 32);
            assertArrayEquals(logits(batch, Map.of()), Tensors.floats(model.unembed(rows)));
        }
    }

    @Test
    void resultsDoNotDependOnTheNumberOfThreads() {
        TokenBatch batch = TokenBatch.causal(ids(20 * 40, 13), 20, 40);
        float[] two = logits(batch, Map.of());
        try (LanguageModel other = LanguageModel.load(new ModelFiles("toy", folder), Precision.F32, 1);
                PointerScope _ = new PointerScope()) {
            assertArrayEquals(two, Tensors.floats(other.logits(batch, Map.of())));
        }
    }

    @Test
    void bf16IsNearF32() {
        TokenBatch batch = TokenBatch.causal(ids(12 * 30, 14), 12, 30);
        Matrix expected = model.activations(batch, HookPoint.residPost(2));
        try (LanguageModel other = LanguageModel.load(new ModelFiles("toy", folder), Precision.BF16, 1)) {
            Matrix actual = other.activations(batch, HookPoint.residPost(2));
            assertClose(expected.data(), actual.data(), 0.15);
            assertArrayEquals(new int[] {12 * 30, 32}, new int[] {actual.rows(), actual.cols()});
        }
    }

    @Test
    void whatTheModelDoesNotHaveIsRefused() {
        BadInput block = assertThrows(
                BadInput.class, () -> model.activations(TokenBatch.of(ids(3, 15)), HookPoint.residPost(3)));
        assertTrue(block.toString().contains("blocks.2.hook_resid_post"), block.toString());
        BadInput id = assertThrows(
                BadInput.class, () -> model.activations(TokenBatch.of(new int[] {300}), HookPoint.embed()));
        assertTrue(id.toString().contains("token id 300"), id.toString());
        assertThrows(
                BadInput.class,
                () -> model.activations(TokenBatch.causal(new int[257], 1, 257), HookPoint.residPost(0)));
        try (PointerScope _ = new PointerScope()) {
            Tensor rows = torch.zeros(1, 3, 32);
            assertThrows(
                    BadInput.class,
                    () -> model.logitsFrom(new HookPoint(0, Site.MLP_OUT), rows, TokenBatch.of(ids(3, 16)), Map.of()));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> model.logits(TokenBatch.of(ids(4, 17)), Map.of(MID, (_, _) -> rows)));
        }
    }
}
