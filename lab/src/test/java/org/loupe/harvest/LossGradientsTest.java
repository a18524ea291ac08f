package org.loupe.harvest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.loupe.activations.GradientLoss;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SplitMix;

/** Gradients at a hook point against finite differences, and their second moment against the exact Fisher matrix. */
class LossGradientsTest {
    private static final int LENGTH = 12;
    private static final int VOCABULARY = 300;
    private static final long SEED = 5;

    @TempDir
    private static Path folder;

    private static LanguageModel model;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(org.loupe.lm.ToyModel.write(folder), Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    /** Two rows: two documents after a prefix and padding; one document that fills the row. */
    private static TokenBatch packed() {
        int[] ids = new SplittableRandom(1).ints(2L * LENGTH, 0, VOCABULARY).toArray();
        int[] segments = {0, 1, 1, 1, 1, 2, 2, 2, 2, 2, -1, -1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        return new TokenBatch(ids, 2, LENGTH, segments);
    }

    static Stream<HookPoint> hooks() {
        return Stream.of(
                HookPoint.residPost(0),
                HookPoint.embed(),
                new HookPoint(1, Site.MLP_OUT),
                new HookPoint(1, Site.ATTN_Z),
                new HookPoint(2, Site.LN2_NORMALIZED),
                HookPoint.residPost(2));
    }

    @Test
    void placesThatPredictAreThoseBeforeATokenOfTheirDocument() {
        assertArrayEquals(
                new int[] {1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}, packed().predicting());
        assertArrayEquals(
                new int[] {1, 2, 5, 6}, TokenBatch.causal(new int[8], 2, 4).predicting());
    }

    /** log p of the next token at every place, with other rows at the hook point. */
    private static Matrix logP(TokenBatch batch, HookPoint hook, Matrix rows) {
        try (PointerScope _ = new PointerScope()) {
            Tensor given = Tensors.tensor(rows.data(), batch.sequences(), batch.length(), rows.cols());
            return Tensors.matrix(
                    model.logits(batch, Map.of(hook, (_, _) -> given)).log_softmax(2));
        }
    }

    private static double loss(TokenBatch batch, HookPoint hook, Matrix rows, int[] labels) {
        Matrix logP = logP(batch, hook, rows);
        double sum = 0;
        for (int i = 0; i < labels.length; i++) {
            sum -= labels[i] < 0 ? 0 : logP.at(i, labels[i]);
        }
        return sum;
    }

    /** What a place predicts under a loss, found again from log p, seed and place; −1 where nothing is predicted. */
    private static int[] labels(GradientLoss loss, TokenBatch batch, Matrix logP, int firstRow) {
        int[] labels = new int[batch.size()];
        Arrays.fill(labels, -1);
        for (int i : batch.predicting()) {
            labels[i] = switch (loss) {
                case CE -> batch.ids()[i + 1];
                case KL -> {
                    long bits = SplitMix.mix(SplitMix.mix(SEED, 0x6C6162656CL), (long) firstRow * batch.length() + i);
                    double u = (bits >>> 11) / Math.pow(2, 53);
                    double upTo = 0;
                    int v = -1;
                    while (upTo <= u) {
                        v++;
                        upTo += Math.exp(logP.at(i, v));
                    }
                    yield v;
                }
            };
        }
        return labels;
    }

    @ParameterizedTest
    @MethodSource("hooks")
    void gradientsEqualFiniteDifferences(HookPoint hook) {
        TokenBatch batch = packed();
        for (GradientLoss loss : GradientLoss.values()) {
            Forward.Rows got = new LossGradients(model, hook, loss, SEED).of(batch, 7);
            Matrix x = got.parts().getFirst();
            Matrix g = java.util.Objects.requireNonNull(got.gradients());
            assertArrayEquals(model.activations(batch, hook).data(), x.data(), "the rows are the plain run's bits");
            int[] labels = labels(loss, batch, logP(batch, hook, x), 7);
            double largest = 0;
            for (float v : g.data()) {
                largest = Math.max(largest, Math.abs(v));
            }
            assertTrue(largest > 1e-3);
            float step = 1e-2f;
            for (int i = 0; i < x.data().length; i += 11) {
                float[] up = x.data().clone();
                float[] down = x.data().clone();
                up[i] += step;
                down[i] -= step;
                double difference = (loss(batch, hook, new Matrix(x.rows(), x.cols(), up), labels)
                                - loss(batch, hook, new Matrix(x.rows(), x.cols(), down), labels))
                        / ((double) up[i] - down[i]);
                assertEquals(difference, g.data()[i], 1e-2 * largest, loss + " element " + i);
            }
            for (int last : List.of(4, 9, 10, 11, 23)) {
                for (int c = 0; c < g.cols(); c++) {
                    assertEquals(0, g.at(last, c), "nothing depends on a document's last token, or on padding");
                }
            }
        }
    }

    /** Rows [prefix, first, v] for every v: under the text's labels g at place 1 is the gradient of −log p(v) by the same x. */
    private static TokenBatch everyLabel(int first) {
        int[] ids = new int[3 * VOCABULARY];
        int[] segments = new int[ids.length];
        for (int v = 0; v < VOCABULARY; v++) {
            ids[3 * v] = 260;
            ids[3 * v + 1] = first;
            ids[3 * v + 2] = v;
            segments[3 * v + 1] = 1;
            segments[3 * v + 2] = 1;
        }
        return new TokenBatch(ids, VOCABULARY, 3, segments);
    }

    /**
     * Σ_v p_v g_v = 0, and the mean of g gᵀ over draws at many places is the Fisher matrix Σ_v p_v g_v g_vᵀ: no element is
     * further off than 5 standard errors, which are exact (5.5e-7 a side; 528 elements), nor is any mean element of g.
     */
    @Test
    void drawnGradientsAverageToTheFisherMatrix() {
        HookPoint hook = HookPoint.residPost(1);
        TokenBatch all = everyLabel(17);
        Matrix gradients = gradients(hook, GradientLoss.CE, all, 0);
        double[] p = new double[VOCABULARY];
        Matrix logP = logP(all, hook, model.activations(all, hook));
        for (int v = 0; v < VOCABULARY; v++) {
            p[v] = Math.exp(logP.at(1, v));
        }
        int d = gradients.cols();
        int draws = 6_000;
        int[] ids = new int[3 * draws];
        int[] segments = new int[ids.length];
        for (int i = 0; i < draws; i++) {
            System.arraycopy(all.ids(), 0, ids, 3 * i, 3);
            segments[3 * i + 1] = 1;
            segments[3 * i + 2] = 1;
        }
        Matrix drawn = gradients(hook, GradientLoss.KL, new TokenBatch(ids, draws, 3, segments), 40);
        double most = 0;
        for (int a = 0; a < d; a++) {
            double mean = 0;
            double second = 0;
            double got = 0;
            for (int v = 0; v < VOCABULARY; v++) {
                double g = gradients.at(3 * v + 1, a);
                mean += p[v] * g;
                second += p[v] * g * g;
            }
            for (int i = 0; i < draws; i++) {
                got += drawn.at(3 * i + 1, a) / (double) draws;
            }
            assertEquals(0, mean, 1e-5 * Math.sqrt(second), "E g is 0");
            assertEquals(0, got, 5 * Math.sqrt(second / draws));
            for (int b = 0; b <= a; b++) {
                double fisher = 0;
                double squares = 0;
                double average = 0;
                for (int v = 0; v < VOCABULARY; v++) {
                    double product = (double) gradients.at(3 * v + 1, a) * gradients.at(3 * v + 1, b);
                    fisher += p[v] * product;
                    squares += p[v] * product * product;
                }
                for (int i = 0; i < draws; i++) {
                    average += (double) drawn.at(3 * i + 1, a) * drawn.at(3 * i + 1, b) / draws;
                }
                double error = Math.sqrt((squares - fisher * fisher) / draws);
                assertEquals(fisher, average, 5 * error, a + ", " + b);
                most = Math.max(most, Math.abs(fisher - average) / error);
            }
        }
        assertTrue(most > 1, "the draws do differ from the exact mean: " + most);
    }

    private static Matrix gradients(HookPoint hook, GradientLoss loss, TokenBatch batch, int firstRow) {
        return java.util.Objects.requireNonNull(
                new LossGradients(model, hook, loss, SEED).of(batch, firstRow).gradients());
    }

    /** A place has its draw whatever else is in the batch, and another seed or place another one. */
    @Test
    void drawsDependOnSeedAndPlace() {
        HookPoint hook = HookPoint.residPost(1);
        TokenBatch both = packed();
        Matrix whole = gradients(hook, GradientLoss.KL, both, 3);
        Matrix second = gradients(hook, GradientLoss.KL, both.rows(1, 1), 4);
        Matrix elsewhere = gradients(hook, GradientLoss.KL, both.rows(1, 1), 5);
        double same = 0;
        double other = 0;
        for (int i = 0; i < second.data().length; i++) {
            float expected = whole.data()[whole.offset(LENGTH) + i];
            same = Math.max(same, Math.abs(expected - second.data()[i]));
            other = Math.max(other, Math.abs(expected - elsewhere.data()[i]));
        }
        assertEquals(0, same, 1e-6);
        assertTrue(other > 1e-2);
    }

    @Test
    void drawsAreByTheCumulativeSum() {
        float[] p = {0, 0.25f, 0, 0.5f, 0.25f, 0};
        assertEquals(1, DrawnLabels.draw(p, 0));
        assertEquals(1, DrawnLabels.draw(p, 0.2499));
        assertEquals(3, DrawnLabels.draw(p, 0.25));
        assertEquals(3, DrawnLabels.draw(p, 0.7499));
        assertEquals(4, DrawnLabels.draw(p, 0.75));
        assertEquals(4, DrawnLabels.draw(p, Math.nextDown(1.0)));
    }
}
