package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.PairedRows;
import org.loupe.activations.RowSource;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import tools.jackson.databind.node.ObjectNode;

/** What reads x and writes y, and what reads and writes rows of several hook points side by side. */
class TranscoderEvaluationTest {
    private static final String IN = "blocks.1.ln2.hook_normalized";
    private static final String OUT = "blocks.1.hook_mlp_out";
    private static final int ROWS = 137;
    private static final int D_IN = 6;
    private static final int D_OUT = 4;
    private static final int LATENTS = 10;
    private static final int K = 3;
    private static final Matrix X = random(ROWS, D_IN, 1);
    private static final Matrix Y = targets();

    private static Matrix random(int rows, int cols, long seed) {
        Random random = new Random(seed);
        Matrix a = Matrix.zeros(rows, cols);
        for (int i = 0; i < a.data().length; i++) {
            a.data()[i] = (float) random.nextGaussian();
        }
        return a;
    }

    /** Half of what they are is linear in the inputs; their mean is not 0. */
    private static Matrix targets() {
        Matrix y = random(ROWS, D_OUT, 2);
        for (int r = 0; r < ROWS; r++) {
            for (int c = 0; c < D_OUT; c++) {
                y.data()[y.offset(r) + c] += X.at(r, c) - X.at(r, c + 2) + 5;
            }
        }
        return y;
    }

    private static Sae transcoder() {
        return new Sae(
                random(LATENTS, D_IN, 3),
                random(1, LATENTS, 4).data(),
                random(LATENTS, D_OUT, 5),
                random(1, D_OUT, 6).data(),
                new Activation.TopK(K),
                false);
    }

    private static SaeFolder.Loaded loaded(Sae sae, String in, String out) {
        Provenance provenance = Provenance.here("toy", "", "made up", in, 1);
        return new SaeFolder.Loaded(sae, new SaeInfo(provenance, in, out, Map.of(), Map.of()));
    }

    private static RowEvaluation evaluate(SaeFolder.Loaded loaded, RowSource rows, int batch, int threads) {
        try (Workers workers = new Workers(threads)) {
            return Evaluation.rows(
                    loaded, rows, new Evaluation.Options(1000, batch, null), workers, Evaluation.Progress.NONE);
        }
    }

    private static EvalReport evaluate(Sae sae) {
        return evaluate(loaded(sae, IN, OUT), pairs(), 50, 2).report();
    }

    private static RowSource pairs() {
        return new PairedRows(new MatrixRows(X), new MatrixRows(Y));
    }

    private static Scores figures(Map<String, Scores> all, String name) {
        return all.getOrDefault(name, Scores.NONE);
    }

    /** {FVU, cosine, L0} from their definitions, in plain loops over dense vectors of doubles. */
    private static double[] expected(Sae sae) {
        double error = 0;
        double variation = 0;
        double cosine = 0;
        double active = 0;
        for (int r = 0; r < ROWS; r++) {
            double[] z = new double[LATENTS];
            for (int i = 0; i < LATENTS; i++) {
                z[i] = sae.encoderBias()[i];
                for (int c = 0; c < D_IN; c++) {
                    z[i] += sae.encoder().at(i, c) * (double) X.at(r, c);
                }
            }
            double bar = Arrays.stream(z).sorted().toArray()[LATENTS - K];
            double dot = 0;
            double norms = 0;
            double written = 0;
            for (int c = 0; c < D_OUT; c++) {
                double out = sae.decoderBias()[c];
                for (int i = 0; i < LATENTS; i++) {
                    out += z[i] >= bar && z[i] > 0 ? z[i] * sae.decoder().at(i, c) : 0;
                }
                double mean = 0;
                for (int s = 0; s < ROWS; s++) {
                    mean += Y.at(s, c) / (double) ROWS;
                }
                error += Math.pow(Y.at(r, c) - out, 2);
                variation += Math.pow(Y.at(r, c) - mean, 2);
                dot += Y.at(r, c) * out;
                norms += Y.at(r, c) * (double) Y.at(r, c);
                written += out * out;
            }
            for (double value : z) {
                active += value >= bar && value > 0 ? 1 : 0;
            }
            cosine += dot / Math.sqrt(norms * written);
        }
        return new double[] {error / variation, cosine / ROWS, active / ROWS};
    }

    @Test
    void aTranscoderIsMeasuredByWhatItWrites() {
        EvalReport report = evaluate(transcoder());
        double[] expected = expected(transcoder());
        assertEquals(expected[0], report.value(Metric.FVU), 1e-6);
        assertEquals(expected[1], report.value(Metric.COSINE), 1e-6);
        assertEquals(expected[2], report.value(Metric.L0));
        assertEquals(new EvalReport.Subject("TopK, k = 3", IN, D_IN, LATENTS, K, OUT, D_OUT, true), report.sae());
        assertEquals(ROWS, report.window().rows());
        assertEquals(Map.of(), report.parts());
    }

    @Test
    void itsBaselinesAreTheLinearMapAndPcaOfTheTargets() {
        EvalReport report = evaluate(transcoder());
        assertEquals(
                Set.of(Baselines.PCA, Baselines.LINEAR, Baselines.MEAN),
                report.baselines().keySet());
        assertEquals(1, figures(report.baselines(), Baselines.MEAN).value(Metric.FVU));
        // The targets alone, evaluated as an autoencoder's rows, have the same principal components.
        Sae ofTargets = new Sae(
                random(LATENTS, D_OUT, 7),
                new float[LATENTS],
                random(LATENTS, D_OUT, 5),
                new float[D_OUT],
                new Activation.TopK(K),
                false);
        EvalReport alone =
                evaluate(loaded(ofTargets, "", ""), new MatrixRows(Y), 50, 1).report();
        assertEquals(
                figures(alone.baselines(), Baselines.PCA).value(Metric.FVU),
                figures(report.baselines(), Baselines.PCA).value(Metric.FVU),
                1e-12);
        // One input difference of variance 2 and noise of variance 1: about a third is left.
        Scores linear = figures(report.baselines(), Baselines.LINEAR);
        assertEquals(1.0 / 3, linear.value(Metric.FVU), 0.05);
        assertEquals(
                report.value(Metric.MSE) / report.value(Metric.FVU),
                linear.value(Metric.MSE) / linear.value(Metric.FVU),
                1e-9);
        assertFalse(linear.has(Metric.L0));
    }

    /** What the baselines put in a model is what their figures say. */
    @Test
    void baselinesAsReconstructionsReadTheirSide() {
        RowEvaluation evaluation = evaluate(loaded(transcoder(), IN, OUT), pairs(), 50, 1);
        Matrix both = Matrix.beside(List.of(X, Y));
        try (Workers workers = new Workers(1)) {
            evaluation.baselines().reconstructions(workers).forEach((name, reconstruction) -> {
                Matrix out = Matrix.zeros(ROWS, D_OUT);
                reconstruction.apply(both, out);
                RowMetrics metrics = new RowMetrics(D_OUT);
                metrics.add(Y, out, workers);
                double said = figures(evaluation.report().baselines(), name).value(Metric.FVU);
                assertEquals(said, metrics.fvu(), 1e-6, name);
            });
        }
    }

    @Test
    void neitherBatchesNorThreadsMatter() {
        EvalReport one = evaluate(loaded(transcoder(), IN, OUT), pairs(), 50, 1).report();
        assertEquals(
                one.toJson(),
                evaluate(loaded(transcoder(), IN, OUT), pairs(), 50, 3).report().toJson());
        EvalReport other =
                evaluate(loaded(transcoder(), IN, OUT), pairs(), 31, 1).report();
        assertEquals(one.value(Metric.FVU), other.value(Metric.FVU), 1e-12);
    }

    @Test
    void anAutoencoderReadsTheInputsOfPairs() {
        Sae sae = new Sae(
                random(LATENTS, D_IN, 3),
                new float[LATENTS],
                random(LATENTS, D_IN, 5),
                new float[D_IN],
                new Activation.TopK(K),
                true);
        EvalReport pairs = evaluate(loaded(sae, IN, IN), pairs(), 50, 1).report();
        EvalReport alone =
                evaluate(loaded(sae, IN, IN), new MatrixRows(X), 50, 1).report();
        assertEquals(alone.scores(), pairs.scores());
        assertEquals(alone.baselines(), pairs.baselines());
    }

    @Test
    void aTranscoderNeedsPairsOfItsWidths() {
        SaeFolder.Loaded loaded = loaded(transcoder(), IN, OUT);
        String single = Refused.message(() -> evaluate(loaded, new MatrixRows(X), 50, 1));
        assertEquals(
                "rows in memory: holds no targets, but the SAE reads " + IN + " and writes " + OUT
                        + ": it needs rows of both",
                single);
        String wide =
                Refused.message(() -> evaluate(loaded, new PairedRows(new MatrixRows(X), new MatrixRows(X)), 50, 1));
        assertTrue(wide.contains("targets of width 6") && wide.contains("writes width 4"), wide);
        // Of unknown hook points, its widths say that it is none of the rows' own.
        String unknown = Refused.message(() -> evaluate(loaded(transcoder(), "", ""), new MatrixRows(X), 50, 1));
        assertTrue(unknown.contains("rows of unknown origin"), unknown);
    }

    /** With the hook point and width of an autoencoder: W_skip x is no function of latents. */
    @Test
    void aSkipPathMakesATranscoder() {
        Sae skip = new Sae(
                random(LATENTS, D_IN, 3),
                new float[LATENTS],
                random(LATENTS, D_IN, 5),
                new float[D_IN],
                new Activation.TopK(K),
                false,
                random(D_IN, D_IN, 8));
        String single = Refused.message(() -> evaluate(loaded(skip, IN, IN), new MatrixRows(X), 50, 1));
        assertTrue(single.contains("holds no targets"), single);
        RowSource same = new PairedRows(new MatrixRows(X), new MatrixRows(X));
        EvalReport report = evaluate(loaded(skip, IN, IN), same, 50, 1).report();
        assertTrue(report.sae().transcoder() && report.baselines().containsKey(Baselines.LINEAR));
        assertTrue(report.table().contains("a transcoder: "), report.table());
    }

    @Test
    void theReportSaysWhatItIsOf(@TempDir Path folder) throws Exception {
        EvalReport report = evaluate(transcoder());
        String table = report.table();
        assertTrue(table.contains("width 6, " + IN + " → width 4, " + OUT + " of toy"), table);
        assertTrue(table.contains("PCA 3 of y") && table.contains("linear") && !table.contains("random"), table);
        assertTrue(table.contains("PCA sees y itself"), table);
        Path page = folder.resolve("report.html");
        ReportPage.write(page, report, java.util.List.of(), null);
        String html = Files.readString(page);
        assertTrue(html.contains("Transcoder · evaluation") && html.contains(IN + " → " + OUT), html);
        Path file = folder.resolve("eval.json");
        report.write(file);
        assertEquals(report.toJson(), EvalReport.read(file).toJson());
        // Reports from before they said so, and from before there were transcoders.
        ObjectNode unsaid = report.toJson();
        ((ObjectNode) unsaid.path("sae")).remove("transcoder");
        Json.write(file, unsaid);
        assertEquals(report.toJson(), EvalReport.read(file).toJson());
        ObjectNode old = EvalReportTest.full().toJson();
        ((ObjectNode) old.path("sae")).remove(List.of("hookOut", "widthOut", "transcoder"));
        Json.write(file, old);
        assertEquals(EvalReportTest.full().toJson(), EvalReport.read(file).toJson());
    }

    /** Rows of two hook points side by side: each has figures of its own, which add up to those of both. */
    @Test
    void aCrosscoderHasFiguresOfEachPart() {
        Matrix both = Matrix.beside(List.of(X, Y));
        RowSource rows = new RowSource() {
            @Override
            public long rows() {
                return ROWS;
            }

            @Override
            public int width() {
                return D_IN + D_OUT;
            }

            @Override
            public List<Integer> parts() {
                return List.of(D_IN, D_OUT);
            }

            @Override
            public void read(long from, int count, Matrix out, int at) {
                new MatrixRows(both).read(from, count, out, at);
            }

            @Override
            public Provenance provenance() {
                return Provenance.here("toy", "", "made up", IN + "+" + OUT, 1);
            }
        };
        Sae sae = new Sae(
                random(LATENTS, D_IN + D_OUT, 3),
                new float[LATENTS],
                random(LATENTS, D_IN + D_OUT, 5),
                new float[D_IN + D_OUT],
                new Activation.TopK(K),
                true);
        EvalReport report = evaluate(loaded(sae, IN + "+" + OUT, IN + "+" + OUT), rows, 50, 2)
                .report();
        assertEquals(List.of(IN, OUT), List.copyOf(report.parts().keySet()));
        Scores first = figures(report.parts(), IN);
        Scores second = figures(report.parts(), OUT);
        assertEquals(report.value(Metric.MSE), first.value(Metric.MSE) + second.value(Metric.MSE), 1e-9);
        double variation =
                first.value(Metric.MSE) / first.value(Metric.FVU) + second.value(Metric.MSE) / second.value(Metric.FVU);
        assertEquals(report.value(Metric.FVU), report.value(Metric.MSE) / variation, 1e-9);
        assertTrue(Math.abs(first.value(Metric.FVU) - second.value(Metric.FVU)) > 0.1);
        assertTrue(report.baselines().containsKey(Baselines.RANDOM));
        assertTrue(report.table().contains(OUT), report.table());
        assertTrue(report.toJson().at("/parts").path(OUT).path("fvu").isNumber());
    }
}
