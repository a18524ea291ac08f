package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.MatrixRows;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.synth.Codes;
import org.loupe.synth.Truth;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import tools.jackson.databind.JsonNode;

class TruthMetricsTest {
    /**
     * Features 0 to 4 along the axes; 0 is the parent of 1 and 2, 4 never fires. Rows 0 to 2: the parent alone; 3 and 4 with child
     * 1; 5 with child 2; 6 and 7: feature 3; 8: nothing.
     */
    private static final float[][] CODES = {
        {1, 0, 0, 0, 0},
        {2, 0, 0, 0, 0},
        {1, 0, 0, 0, 0},
        {1, 1, 0, 0, 0},
        {1, 2, 0, 0, 0},
        {1, 0, 1, 0, 0},
        {0, 0, 0, 4, 0},
        {0, 0, 0, 2, 0},
        {0, 0, 0, 0, 0}
    };

    private static final int[] PARENTS = {-1, 0, 0, -1, -1};

    /** Latents 0 to 3 have the features' directions, with norms; 4 has cosine 0.6 to feature 2 and 0.8 to 3; 5 is minus feature 0. */
    private static final Matrix DECODER = new Matrix(6, 5, new float[] {
        2, 0, 0, 0, 0, //
        0, 1, 0, 0, 0, //
        0, 0, 1, 0, 0, //
        0, 0, 0, 0.5f, 0, //
        0, 0, 0.6f, 0.8f, 0, //
        -1, 0, 0, 0, 0
    });

    private static final float[][] LATENTS = {
        {0.5f, 0, 0, 0, 0, 0},
        {0.8f, 0, 0, 0, 0, 0},
        {0, 0, 0, 0, 0, 0},
        {0, 1.2f, 0, 0, 0, 0},
        {0.5f, 2, 0, 0, 0, 0},
        {0, 0, 0, 0, 0, 0},
        {0, 0, 0, 8, 0, 0},
        {0, 0, 0, 0, 1, 0},
        {0, 0, 0, 1, 0, 0}
    };

    @TempDir
    private Path folder = Path.of("");

    private static Matrix axes(int size) {
        Matrix axes = Matrix.zeros(size, size);
        for (int i = 0; i < size; i++) {
            axes.data()[axes.offset(i) + i] = 1;
        }
        return axes;
    }

    private static Truth truth(Matrix directions, float[][] dense, int... parents) {
        Latents codes = sparse(dense);
        return new Truth(
                directions,
                new Truth.Activity(
                        new float[directions.rows()],
                        parents,
                        new Codes(codes.starts(), codes.index(), codes.value())));
    }

    private static Latents sparse(float[][] dense) {
        int[] starts = new int[dense.length + 1];
        int[] index = new int[dense.length * dense[0].length];
        float[] value = new float[index.length];
        int entries = 0;
        for (int r = 0; r < dense.length; r++) {
            for (int i = 0; i < dense[r].length; i++) {
                if (dense[r][i] != 0) {
                    index[entries] = i;
                    value[entries++] = dense[r][i];
                }
            }
            starts[r + 1] = entries;
        }
        return new Latents(
                starts,
                java.util.Arrays.copyOf(index, entries),
                java.util.Arrays.copyOf(value, entries),
                dense[0].length);
    }

    private static TruthMetrics.Result measure(Truth truth, Matrix decoder, float[][] latents) {
        float[] bias = new float[decoder.cols()];
        Sae sae = new Sae(decoder, new float[decoder.rows()], decoder, bias, new Activation.Relu(), true);
        TruthMetrics metrics = new TruthMetrics(truth, sae);
        int half = latents.length / 2;
        metrics.add(0, sparse(java.util.Arrays.copyOf(latents, half)));
        metrics.add(half, sparse(java.util.Arrays.copyOfRange(latents, half, latents.length)));
        try (Workers workers = new Workers(1)) {
            return metrics.result(workers);
        }
    }

    @Test
    void everyFigureByHand() {
        Scores scores =
                measure(truth(axes(5), CODES, PARENTS), DECODER, LATENTS).scores();
        assertEquals(4.0 / 5, scores.value(Metric.MATCH_COSINE), 1e-7);
        assertEquals(4.0 / 5, scores.value(Metric.RECOVERED_FRACTION));
        // Of latent 5 the nearest feature is one at a right angle; feature 4 is nearest to none but it.
        assertEquals(4.0 / 6, scores.value(Metric.UNIQUENESS));
        assertEquals((1 + 1 + 0 + 0.5) / 4, scores.value(Metric.TRUTH_PRECISION));
        assertEquals((0.5 + 1 + 0 + 0.5) / 4, scores.value(Metric.TRUTH_RECALL));
        assertEquals((2.0 / 3 + 1 + 0 + 0.5) / 4, scores.value(Metric.TRUTH_F1), 1e-12);
        assertEquals((5.2 + 5.2 + 16) / (6 + 5 + 16), scores.value(Metric.TRUTH_SHRINKAGE), 1e-7);
        assertEquals((1 + 1 + 2) / 3.0, scores.value(Metric.SPLITTING));
        assertEquals(2.0 / 3, scores.value(Metric.ABSORPTION));
        assertEquals(1.0 / 3, scores.value(Metric.ABSORPTION_ALONE));
    }

    @Test
    void everyFeatureHasItsLine() throws IOException {
        List<TrueFeature> features =
                measure(truth(axes(5), CODES, PARENTS), DECODER, LATENTS).features();
        TrueFeature parent = features.getFirst();
        assertEquals(6, parent.fired());
        assertEquals(0, parent.latent());
        assertEquals(5.2 / 6, parent.shrinkage(), 1e-7);
        assertEquals(0.5, features.get(1).absorbed());
        assertEquals(1, features.get(2).absorbed());
        assertEquals(2, features.get(3).covering());
        TrueFeature silent = features.get(4);
        assertTrue(Double.isNaN(silent.recall()) && Double.isNaN(silent.precision()) && Double.isNaN(silent.f1()));
        assertEquals(0, silent.covering());

        Path file = folder.resolve("truth.csv");
        TruthTable.write(file, features);
        List<String> lines = Files.readAllLines(file);
        assertEquals(TruthTable.HEADER, lines.getFirst());
        assertEquals("0,,0.00000,6,0,1.00000,1.00000,0.500000,0.666667,0.866667,1,", lines.get(1));
        assertEquals("2,0,0.00000,1,2,1.00000,0.00000,0.00000,0.00000,,0,1.00000", lines.get(3));
        assertEquals(6, lines.size());
        for (String line : lines) {
            assertEquals(11, line.chars().filter(c -> c == ',').count(), line);
        }
    }

    @Test
    void onlyATableOfOursIsDeleted() throws IOException {
        Path file = folder.resolve("truth.csv");
        TruthTable.delete(file);
        Files.write(file, new byte[] {(byte) 0xff, 1, 2});
        TruthTable.delete(file);
        assertTrue(Files.exists(file));
        TruthTable.write(file, List.of());
        TruthTable.delete(file);
        assertFalse(Files.exists(file));
    }

    /** The parent's latent now fires on one of three rows where the parent is alone: it does not stand for the parent. */
    @Test
    void absorptionNeedsALatentThatWorksAndAHierarchy() {
        float[][] deaf = LATENTS.clone();
        deaf[1] = new float[6];
        Scores scores = measure(truth(axes(5), CODES, PARENTS), DECODER, deaf).scores();
        assertFalse(scores.has(Metric.ABSORPTION) || scores.has(Metric.ABSORPTION_ALONE));
        Scores flat = measure(truth(axes(5), CODES, -1, -1, -1, -1, -1), DECODER, LATENTS)
                .scores();
        assertFalse(flat.has(Metric.ABSORPTION) || flat.has(Metric.ABSORPTION_ALONE));
        assertTrue(flat.has(Metric.TRUTH_F1));
    }

    @Test
    void directionsAloneGiveTheirFiguresAlone() {
        TruthMetrics.Result result = measure(Truth.of(axes(5)), DECODER, LATENTS);
        assertEquals(0.8, result.scores().value(Metric.RECOVERED_FRACTION));
        assertTrue(result.scores().has(Metric.MMCS) && result.scores().has(Metric.MMCS_LATENTS));
        assertFalse(result.scores().has(Metric.TRUTH_F1));
        assertEquals(List.of(), result.features());
    }

    /** The decoder is a noisy permutation of the truth, so that SAELens' means over latents are ours over features. */
    @Test
    void equalsSaelens() throws IOException {
        JsonNode test = TruthMatchTest.reference().path("firing");
        Matrix truth = TruthMatchTest.matrix(test.path("truth"));
        Scores scores = measure(
                        truth(truth, dense(test.path("codes")), -1, -1, -1, -1, -1),
                        TruthMatchTest.matrix(test.path("decoder")),
                        dense(test.path("latents")))
                .scores();
        assertEquals(test.path("precision").asDouble(), scores.value(Metric.TRUTH_PRECISION), 1e-6);
        assertEquals(test.path("recall").asDouble(), scores.value(Metric.TRUTH_RECALL), 1e-6);
        assertEquals(test.path("f1").asDouble(), scores.value(Metric.TRUTH_F1), 1e-6);
    }

    private static float[][] dense(JsonNode rows) {
        Matrix matrix = TruthMatchTest.matrix(rows);
        float[][] out = new float[matrix.rows()][matrix.cols()];
        for (int r = 0; r < out.length; r++) {
            for (int c = 0; c < out[r].length; c++) {
                out[r][c] = matrix.at(r, c);
            }
        }
        return out;
    }

    private static RowEvaluation evaluate(Matrix rows, Evaluation.Options options) {
        Sae sae = new Sae(axes(5), new float[5], axes(5), new float[5], new Activation.TopK(1), true);
        SaeInfo info = new SaeInfo(Provenance.here("toy", "", "", "", 1), "", "", Map.of(), Map.of());
        try (Workers workers = new Workers(2)) {
            return Evaluation.rows(
                    new SaeFolder.Loaded(sae, info), new MatrixRows(rows), options, workers, Evaluation.Progress.NONE);
        }
    }

    /** 1,000 rows with one feature each, in an order without a period: blocks read from elsewhere would not agree. */
    @Test
    void rowsAreComparedWithTheirOwnCodes() {
        Matrix rows = Matrix.zeros(1000, 5);
        float[][] codes = new float[1000][5];
        for (int r = 0; r < 1000; r++) {
            int feature = r * r / 7 % 5;
            codes[r][feature] = 1 + r % 3;
            rows.data()[rows.offset(r) + feature] = codes[r][feature];
        }
        Truth truth = truth(axes(5), codes, -1, -1, -1, -1, -1);
        for (long most : new long[] {1000, 250}) {
            RowEvaluation found = evaluate(rows, new Evaluation.Options(most, 100, truth));
            assertEquals(1, found.report().value(Metric.TRUTH_F1));
            assertEquals(1, found.report().value(Metric.TRUTH_SHRINKAGE), 1e-7);
            assertEquals(
                    most,
                    found.features().stream().mapToLong(TrueFeature::fired).sum());
        }
        String message = Refused.message(() -> evaluate(rows.head(999), new Evaluation.Options(1000, 100, truth)));
        assertTrue(message.contains("999 rows") && message.contains("1000"), message);
    }
}
