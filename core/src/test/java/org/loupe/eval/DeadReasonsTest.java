package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.PairedRows;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Latents made by hand, each dead in its way. */
class DeadReasonsTest {
    private static final int ROWS = 95;

    /** Rows (10 ± 1, v), v evenly spread over [−1, 1]: its standard deviation is 0.583. */
    private static Matrix rows() {
        Matrix rows = Matrix.zeros(ROWS, 2);
        for (int r = 0; r < ROWS; r++) {
            rows.data()[2 * r] = 10 + (r % 2 == 0 ? 1 : -1);
            rows.data()[2 * r + 1] = -1 + 2f * r / (ROWS - 1);
        }
        return rows;
    }

    private static Scores evaluate(Sae sae, int batch, int threads) {
        SaeInfo info = new SaeInfo(Provenance.here("", "", "", "", 0), "", "", Map.of(), Map.of());
        try (Workers workers = new Workers(threads)) {
            return Evaluation.rows(
                            new SaeFolder.Loaded(sae, info),
                            new MatrixRows(rows()),
                            new Evaluation.Options(1000, batch, null),
                            workers,
                            Evaluation.Progress.NONE)
                    .report()
                    .scores();
        }
    }

    private static Sae sae(Activation activation, float[] bias, float... weights) {
        Matrix w = new Matrix(bias.length, 2, weights);
        return new Sae(w, bias, w, new float[2], activation, true);
    }

    private static void assertReasons(int away, int high, int beaten, Sae sae) {
        for (int batch : new int[] {7, 1000}) {
            Scores scores = evaluate(sae, batch, batch == 7 ? 1 : 3);
            assertEquals(away, scores.value(Metric.DEAD_TURNED_AWAY), "turned away");
            assertEquals(high, scores.value(Metric.DEAD_THRESHOLD_TOO_HIGH), "threshold too high");
            assertEquals(beaten, scores.value(Metric.DEAD_NEVER_WON), "never won");
            assertEquals(away + high + beaten, scores.value(Metric.DEAD_FRACTION) * sae.latents(), 1e-9, "adds up");
        }
    }

    /** Mean −10 ± 1; second axis with −1.2, which 2.3 brings above 0 but 1 does not; half of the winner, two of them. */
    @Test
    void topK() {
        float[] bias = {0, 0, -1.2f, 0, -0.9f};
        assertReasons(1, 1, 2, sae(new Activation.TopK(1), bias, 1, 0, -1, 0, 0, 1, 0.5f, 0, 0, 1));
    }

    /** At −2.5 the second axis is beyond 4 standard deviations; at −2.2 it is within them. */
    @Test
    void fourStandardDeviationsAreTheBound() {
        assertReasons(1, 1, 0, sae(new Activation.Relu(), new float[] {0, -2.5f, -2.2f}, 1, 0, 0, 1, 0, 1));
    }

    @Test
    void jumpReluIsMeasuredFromItsThreshold() {
        Activation jump = new Activation.JumpRelu(new float[] {1, 2, 2.5f, -3});
        assertReasons(2, 1, 0, sae(jump, new float[] {0, 0, 0, -2.5f}, 1, 0, 0, 1, 0, 1, 0, 1));
    }

    /** The third one's gate opens, and its magnitude is never above 0. */
    @Test
    void gated() {
        Activation gated = new Activation.Gated(new float[3], new float[] {0, 0, -100});
        assertReasons(1, 1, 0, sae(gated, new float[3], 1, 0, -1, 0, 1, 0));
    }

    /** The second gate of the first latent is within reach, the second latent's is not. */
    @Test
    void aSignAwareGateIsTurnedAwayOnBothSides() {
        Activation gated = new Activation.SignedGated(
                new float[] {-1, -50}, new float[2], new float[] {-100, 0}, new float[] {-100, 0});
        assertReasons(1, 1, 0, sae(gated, new float[] {-50, -50}, -1, 0, 0, 1));
    }

    /** Far below 0 is a strong activation: who is silent was beaten, or has no encoder. */
    @Test
    void absTopK() {
        assertReasons(0, 1, 2, sae(new Activation.AbsTopK(1), new float[4], -1, 0, 0.5f, 0, -0.5f, 0, 0, 0));
    }

    /** Of (10 ± 1, v) the first takes all of the first axis; the second has z = −6 ± 0.8 and 0.8 v and is beaten, as is the third. */
    @Test
    void signedPursuit() {
        float[] atoms = {-1, 0, -0.6f, 0.8f, 0, 1};
        assertReasons(0, 0, 2, sae(new Activation.Omp(1, true), new float[3], atoms));
        assertReasons(1, 0, 1, sae(new Activation.Omp(1, false), new float[3], 1, 0, -0.6f, 0.8f, 0, 1));
    }

    /** With λ = 8 the first leaves 4 of its axis: |z| of the others is at most 3.2, below λ/2. */
    @Test
    void signedLasso() {
        assertReasons(0, 2, 0, sae(new Activation.Lasso(8, true, 10), new float[3], -1, 0, -0.6f, 0.8f, 0, 1));
    }

    @Test
    void matchingPursuit() {
        assertReasons(1, 0, 1, sae(new Activation.MatchingPursuit(1, 0), new float[3], 1, 0, -1, 0, 0, 1));
    }

    @Test
    void withoutDeadLatentsThereAreNoReasons() {
        Scores scores = evaluate(sae(new Activation.Relu(), new float[1], 1, 0), 10, 1);
        for (Metric reason : List.of(Metric.DEAD_TURNED_AWAY, Metric.DEAD_THRESHOLD_TOO_HIGH, Metric.DEAD_NEVER_WON)) {
            assertFalse(scores.has(reason), reason.key());
        }
    }

    /** μ = (10 + 1/95, 0), since one more row has 11; spread² = 1 − 1/95² + 96/(3 · 94). */
    @Test
    void meanToSpreadByHand() {
        double mean = 10 + 1.0 / ROWS;
        double variance = 1 - 1.0 / ROWS / ROWS + (ROWS + 1) / (3.0 * (ROWS - 1));
        Scores scores = evaluate(sae(new Activation.Relu(), new float[1], 1, 0), 10, 1);
        assertEquals(mean / Math.sqrt(variance), scores.value(Metric.MEAN_TO_SPREAD), 1e-6);
    }

    /** A transcoder's encoder subtracts no b_dec, and its targets, of a mean of their own, have no part. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aTranscoderIsJudgedByItsInputs(boolean counted) {
        Matrix targets = rows();
        for (int i = 0; i < targets.data().length; i++) {
            targets.data()[i] = 30 - 7 * targets.data()[i];
        }
        Matrix w = new Matrix(3, 2, new float[] {1, 0, -1, 0, 0.5f, 0});
        Activation activation = counted ? new Activation.TopK(1) : new Activation.JumpRelu(new float[] {0, 0, 7});
        Sae sae = new Sae(w, new float[3], w, new float[] {-50, 0}, activation, false);
        SaeInfo info = new SaeInfo(Provenance.here("", "", "", "", 0), "in", "out", Map.of(), Map.of());
        try (Workers workers = new Workers(2)) {
            Scores scores = Evaluation.rows(
                            new SaeFolder.Loaded(sae, info),
                            new PairedRows(new MatrixRows(rows()), new MatrixRows(targets)),
                            new Evaluation.Options(1000, 10, null),
                            workers,
                            Evaluation.Progress.NONE)
                    .report()
                    .scores();
            assertEquals(1, scores.value(Metric.DEAD_TURNED_AWAY));
            assertEquals(counted ? 1 : 0, scores.value(Metric.DEAD_NEVER_WON));
            assertEquals(counted ? 0 : 1, scores.value(Metric.DEAD_THRESHOLD_TOO_HIGH));
            assertEquals(8.646, scores.value(Metric.MEAN_TO_SPREAD), 1e-3);
        }
    }
}
