package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.loupe.io.Json;
import org.loupe.sae.Activation;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import tools.jackson.databind.JsonNode;

class TruthMatchTest {
    static JsonNode reference() throws IOException {
        try (InputStream in =
                Objects.requireNonNull(TruthMatchTest.class.getResourceAsStream("/eval/synthetic.json"))) {
            return Json.MAPPER.readTree(in);
        }
    }

    static Matrix matrix(JsonNode rows) {
        Matrix out = Matrix.zeros(rows.size(), rows.get(0).size());
        for (int r = 0; r < out.rows(); r++) {
            for (int c = 0; c < out.cols(); c++) {
                out.data()[out.offset(r) + c] = (float) rows.get(r).get(c).asDouble();
            }
        }
        return out;
    }

    private static TruthMatch match(Matrix truth, Matrix decoder, boolean signed) {
        try (Workers workers = new Workers(2)) {
            return TruthMatch.of(truth, decoder, signed, workers);
        }
    }

    /** SAELens takes |cosine| for every SAE, as we do for signed ones; scipy's assignment is of max(0, cosine). */
    @Test
    void equalsSaelensAndScipy() throws IOException {
        JsonNode cases = reference().path("match");
        assertEquals(3, cases.size());
        for (JsonNode test : cases) {
            Matrix truth = matrix(test.path("truth"));
            Matrix decoder = matrix(test.path("decoder"));
            Scores signed = match(truth, decoder, true).scores();
            assertEquals(test.path("mcc").asDouble(), signed.value(Metric.MATCH_COSINE), 1e-6);
            assertEquals(test.path("uniqueness").asDouble(), signed.value(Metric.UNIQUENESS), 1e-12);
            TruthMatch plain = match(truth, decoder, false);
            assertEquals(test.path("match_cosine").asDouble(), plain.scores().value(Metric.MATCH_COSINE), 1e-6);
            for (int t = 0; t < truth.rows(); t++) {
                int expected = test.path("latents").get(t).asInt();
                assertTrue(expected == plain.latent(t) || (expected < 0 && !(plain.cosine(t) > 0)), "feature " + t);
            }
        }
    }

    /** One feature is found upside down: that counts for a signed latent alone. */
    @Test
    void aLatentOfTheOppositeDirectionCountsOnlyWhereItIsSigned() {
        Matrix truth = new Matrix(2, 2, new float[] {1, 0, 0, 1});
        Matrix decoder = new Matrix(2, 2, new float[] {-3, 0, 0, 2});
        TruthMatch plain = match(truth, decoder, false);
        assertEquals(0.5, plain.scores().value(Metric.MATCH_COSINE));
        assertEquals(0.5, plain.scores().value(Metric.RECOVERED_FRACTION));
        assertFalse(plain.recovered(0));
        assertTrue(plain.recovered(1), "given up for the one that is upside down");
        assertEquals(0, plain.near(0).length);
        TruthMatch signed = match(truth, decoder, true);
        assertEquals(1, signed.scores().value(Metric.MATCH_COSINE));
        assertEquals(1, signed.scores().value(Metric.RECOVERED_FRACTION));
        assertEquals(-1, signed.cosine(0));
        assertArrayEquals(new int[] {0}, signed.near(0));
    }

    @Test
    void onlyAbsTopKHasSignedActivations() {
        assertTrue(new Activation.AbsTopK(3).signed());
        assertFalse(new Activation.TopK(3).signed());
        assertFalse(new Activation.MatchingPursuit(3, 0).signed());
    }

    /** Cosines 0.8, 1, 0.8 and 0.6 to the one feature: 0.6 is not near, and of equal ones the lower comes first. */
    @Test
    void nearLatentsComeInOrder() {
        Matrix truth = new Matrix(1, 2, new float[] {5, 0});
        Matrix decoder = new Matrix(4, 2, new float[] {4, 3, 1, 0, 4, -3, 3, 4});
        TruthMatch match = match(truth, decoder, false);
        assertArrayEquals(new int[] {1, 0, 2}, match.near(0));
        assertEquals(1, match.latent(0));
        assertEquals(0.25, match.scores().value(Metric.UNIQUENESS));
    }

    @Test
    void withFewerLatentsSomeFeaturesHaveNone() {
        Matrix truth = new Matrix(3, 2, new float[] {1, 0, 0, 1, 1, 1});
        TruthMatch match = match(truth, new Matrix(1, 2, new float[] {0, 9}), false);
        assertEquals(-1, match.latent(0));
        assertEquals(0, match.latent(1));
        assertTrue(Double.isNaN(match.cosine(2)));
        assertEquals(1, match.scores().value(Metric.MATCH_COSINE));
        assertEquals(1.0 / 3, match.scores().value(Metric.RECOVERED_FRACTION));
    }
}
