package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.RowSource;
import org.loupe.activations.SafetensorsRows;
import org.loupe.activations.TestStores;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.io.SafetensorsWriter;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.synth.Truth;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class EvaluationTest {
    private static final int WIDTH = 12;
    private static final int LATENTS = 40;
    private static final int K = 3;

    private static SaeFolder.Loaded loaded(Sae sae, String in, String out) {
        return new SaeFolder.Loaded(sae, new SaeInfo(provenance("", in), in, out, Map.of(), Map.of()));
    }

    private static Provenance provenance(String sha256, String hook) {
        return Provenance.here("toy", sha256, "made up", hook, 1);
    }

    private static Sae sae(int latents, int width, int k) {
        Matrix w = random(latents, width, 7);
        for (int r = 0; r < latents; r++) {
            double norm = 0;
            for (int c = 0; c < width; c++) {
                norm += w.at(r, c) * w.at(r, c);
            }
            for (int c = 0; c < width; c++) {
                w.data()[w.offset(r) + c] /= (float) Math.sqrt(norm);
            }
        }
        float[] bias = random(1, width, 8).data();
        return new Sae(w, random(1, latents, 9).data(), w, bias, new Activation.TopK(k), true);
    }

    private static Matrix random(int rows, int cols, long seed) {
        Random random = new Random(seed);
        Matrix a = Matrix.zeros(rows, cols);
        for (int i = 0; i < a.data().length; i++) {
            a.data()[i] = (float) random.nextGaussian();
        }
        return a;
    }

    private static Scores baseline(EvalReport report, String name) {
        return report.baselines().getOrDefault(name, Scores.NONE);
    }

    private static RowEvaluation evaluate(Sae sae, Matrix x, Evaluation.Options options, int threads) {
        try (Workers workers = new Workers(threads)) {
            return Evaluation.rows(
                    loaded(sae, "hook", "hook"), new MatrixRows(x), options, workers, Evaluation.Progress.NONE);
        }
    }

    /** The metrics from their definitions, in plain loops over dense vectors of doubles. */
    private static double[] fvuL0L1Dead(Sae sae, Matrix x) {
        double error = 0;
        double variation = 0;
        double active = 0;
        double l1 = 0;
        boolean[] fired = new boolean[sae.latents()];
        double[] mean = new double[x.cols()];
        for (int i = 0; i < x.data().length; i++) {
            mean[i % x.cols()] += x.data()[i] / (double) x.rows();
        }
        for (int r = 0; r < x.rows(); r++) {
            double[] z = new double[sae.latents()];
            for (int i = 0; i < z.length; i++) {
                z[i] = sae.encoderBias()[i];
                for (int c = 0; c < x.cols(); c++) {
                    z[i] += sae.encoder().at(i, c) * (double) (x.at(r, c) - sae.decoderBias()[c]);
                }
            }
            double bar =
                    Arrays.stream(z).sorted().skip(z.length - K).findFirst().orElseThrow();
            for (int c = 0; c < x.cols(); c++) {
                double out = sae.decoderBias()[c];
                for (int i = 0; i < z.length; i++) {
                    out += z[i] >= bar && z[i] > 0 ? z[i] * sae.decoder().at(i, c) : 0;
                }
                error += (x.at(r, c) - out) * (x.at(r, c) - out);
                variation += (x.at(r, c) - mean[c]) * (x.at(r, c) - mean[c]);
            }
            for (int i = 0; i < z.length; i++) {
                if (z[i] >= bar && z[i] > 0) {
                    fired[i] = true;
                    active++;
                    l1 += z[i];
                }
            }
        }
        double dead = 0;
        for (boolean f : fired) {
            dead += f ? 0 : 1;
        }
        return new double[] {error / variation, active / x.rows(), l1 / x.rows(), dead / fired.length};
    }

    @Test
    void equalsTheDefinitionsInPlainLoops() {
        Sae sae = sae(LATENTS, WIDTH, K);
        Matrix x = random(37, WIDTH, 11);
        double[] expected = fvuL0L1Dead(sae, x);
        EvalReport report =
                evaluate(sae, x, new Evaluation.Options(1000, 10, null), 2).report();
        assertEquals(expected[0], report.value(Metric.FVU), 1e-6);
        assertEquals(expected[1], report.value(Metric.L0));
        assertEquals(expected[2], report.value(Metric.L1), 1e-6);
        assertEquals(expected[3], report.value(Metric.DEAD_FRACTION));
        assertEquals(37, report.window().rows());
    }

    @Test
    void aDictionaryThatHoldsTheRowsReconstructsThem() {
        Matrix directions = Matrix.zeros(WIDTH, WIDTH);
        for (int i = 0; i < WIDTH; i++) {
            directions.data()[directions.offset(i) + i] = 1;
        }
        Sae sae = new Sae(directions, new float[WIDTH], directions, new float[WIDTH], new Activation.TopK(1), true);
        Matrix x = Matrix.zeros(4, WIDTH);
        for (int r = 0; r < 4; r++) {
            x.data()[x.offset(r) + 2 * r] = r + 1;
        }
        EvalReport report = evaluate(sae, x, Evaluation.Options.DEFAULT.withTruth(Truth.of(directions.head(5))), 1)
                .report();
        assertEquals(0, report.value(Metric.FVU));
        assertEquals(1, report.value(Metric.L0));
        assertEquals(8.0 / WIDTH, report.value(Metric.DEAD_FRACTION));
        assertEquals(0, report.value(Metric.COHERENCE_MAX));
        assertEquals(1, report.value(Metric.MMCS));
        assertEquals(5.0 / WIDTH, report.value(Metric.MMCS_LATENTS), 1e-7);
        // The mean spends nothing and has FVU 1; three axes hold all the variance around the mean of four points.
        assertEquals(1.0, baseline(report, Baselines.MEAN).value(Metric.FVU));
        assertEquals(3, report.value(Metric.PCA_COMPONENTS));
    }

    @Test
    void baselinesAreOnTheSameRowsWithTheSameNumberOfCoefficients() {
        Sae sae = sae(LATENTS, WIDTH, K);
        Matrix x = random(500, WIDTH, 12);
        EvalReport report =
                evaluate(sae, x, new Evaluation.Options(500, 64, null), 2).report();
        Scores pca = baseline(report, Baselines.PCA);
        Scores random = baseline(report, Baselines.RANDOM);
        assertEquals(K, pca.value(Metric.L0));
        assertEquals(K, random.value(Metric.L0));
        // Isotropic rows: k of d directions hold somewhat more than their share of the sample's variance.
        assertTrue(pca.value(Metric.FVU) < 1 - (double) K / WIDTH && pca.value(Metric.FVU) > 0.5, pca.toString());
        // Choosing 3 of 40 random directions beats 3 fixed ones on isotropic rows, and any learnt scale beats the mean.
        assertTrue(random.value(Metric.FVU) < pca.value(Metric.FVU), random.toString());
        assertEquals(
                report.value(Metric.MSE) / report.value(Metric.FVU),
                pca.value(Metric.MSE) / pca.value(Metric.FVU),
                1e-9);
        assertEquals(
                report.value(Metric.MSE) / report.value(Metric.FVU),
                random.value(Metric.MSE) / random.value(Metric.FVU),
                1e-9);
    }

    @Test
    void theNumberOfThreadsDoesNotMatter() {
        Sae sae = sae(LATENTS, WIDTH, K);
        Matrix x = random(300, WIDTH, 13);
        Evaluation.Options options = new Evaluation.Options(300, 100, Truth.of(random(20, WIDTH, 14)));
        assertEquals(
                evaluate(sae, x, options, 1).report().toJson(),
                evaluate(sae, x, options, 3).report().toJson());
    }

    @Test
    void fewerRowsAreSpreadEvenly() {
        Matrix x = random(1000, WIDTH, 15);
        List<String> blocks = new ArrayList<>();
        List<String> told = new ArrayList<>();
        MatrixRows rows = new MatrixRows(x);
        try (Workers workers = new Workers(1)) {
            EvalReport report = Evaluation.rows(
                            loaded(sae(LATENTS, WIDTH, K), "", ""),
                            new RowSource() {
                                @Override
                                public long rows() {
                                    return rows.rows();
                                }

                                @Override
                                public int width() {
                                    return rows.width();
                                }

                                @Override
                                public void read(long from, int count, Matrix out, int at) {
                                    blocks.add(count + " from " + from);
                                    rows.read(from, count, out, at);
                                }
                            },
                            new Evaluation.Options(250, 100, null),
                            workers,
                            (stage, done, total) -> told.add(stage + ' ' + done + '/' + total))
                    .report();
            assertEquals(new EvalReport.Window("rows in memory", 250, 1000, 0, 0, 0), report.window());
        }
        assertEquals(List.of("100 from 0", "100 from 300", "50 from 600"), blocks.subList(0, 3));
        assertEquals("rows 100/250", told.getFirst());
        assertEquals("random dictionary 250/250", told.getLast());
    }

    @ParameterizedTest
    @CsvSource({"9223372036854775807, 37", "37, 37", "36, 36", "31, 31", "30, 30", "7, 7"})
    void soManyRowsAreTakenAsAllowedOrThere(long most, long taken) {
        Evaluation.Options options = new Evaluation.Options(most, 10, null);
        EvalReport report = evaluate(sae(LATENTS, WIDTH, K), random(37, WIDTH, 15), options, 1)
                .report();
        assertEquals(taken, report.window().rows());
    }

    /** The same rows in memory, as a tensor of a file and as a store have the same figures, and the report names each. */
    @Test
    void theFiguresAreTheRowsWhereverTheyLie(@TempDir Path folder) {
        Matrix x = random(50, WIDTH, 17);
        Path file = folder.resolve("rows.safetensors");
        new SafetensorsWriter().f32("other", random(9, WIDTH, 18)).f32("x", x).write(file);
        TestStores.write(folder.resolve("store"), x, Dtype.F32, 20, 30);
        Sae sae = sae(LATENTS, WIDTH, K);
        EvalReport inMemory = evaluate(sae, x, Evaluation.Options.DEFAULT, 1).report();
        try (RowSource tensor = SafetensorsRows.open(file, "x");
                RowSource store = ActivationStore.open(folder.resolve("store"))) {
            for (RowSource rows : List.of(tensor, store)) {
                EvalReport report = evaluate(madeFor("blocks.1.hook_resid_post", "00ff", sae), rows);
                assertEquals(inMemory.scores(), report.scores());
                assertEquals(inMemory.baselines(), report.baselines());
                assertEquals(new EvalReport.Window(rows.name(), 50, 50, 0, 0, 0), report.window());
                assertTrue(report.table().contains(rows.name() + ", 50 of 50 rows"), report.table());
                assertTrue(report.table().contains("no model: cross-entropy and KL are not measured"), report.table());
            }
            assertTrue(
                    tensor.name().contains("rows.safetensors") && tensor.name().contains("'x'"), tensor.name());
        }
    }

    @Test
    void aTensorOfAnotherWidthOrWithNanIsNamed(@TempDir Path folder) {
        Matrix x = random(50, WIDTH, 19);
        x.data()[x.offset(33) + 4] = Float.NaN;
        Path file = folder.resolve("rows.safetensors");
        new SafetensorsWriter().f32("nan", x).f32("wide", random(5, 9, 1)).write(file);
        SaeFolder.Loaded loaded = madeFor("", "", sae(LATENTS, WIDTH, K));
        try (RowSource wide = SafetensorsRows.open(file, "wide");
                RowSource nan = SafetensorsRows.open(file, "nan")) {
            assertEquals(
                    file + ": tensor 'wide': holds rows of width 9, but the SAE reads width 12",
                    Refused.message(() -> evaluate(loaded, wide)));
            assertEquals(
                    file + ": tensor 'nan': row 33, column 4 is NaN, expected a finite number",
                    Refused.message(() -> evaluate(loaded, nan)));
        }
    }

    private static SaeFolder.Loaded madeFor(String hook, String sha256, Sae sae) {
        return new SaeFolder.Loaded(sae, new SaeInfo(provenance(sha256, hook), hook, hook, Map.of(), Map.of()));
    }

    private static EvalReport evaluate(SaeFolder.Loaded loaded, RowSource rows) {
        try (Workers workers = new Workers(1)) {
            return Evaluation.rows(loaded, rows, Evaluation.Options.DEFAULT, workers, Evaluation.Progress.NONE)
                    .report();
        }
    }

    @Test
    void whatDoesNotFitIsRefusedWithBothValues() {
        Sae sae = sae(LATENTS, WIDTH, K);
        String width = Refused.message(() -> evaluate(sae, random(5, 9, 1), Evaluation.Options.DEFAULT, 1));
        assertTrue(width.contains("width 9") && width.contains("width 12"), width);
        assertTrue(width.contains("rows in memory"), width);
        String none = Refused.message(() -> evaluate(
                sae, random(5, WIDTH, 1), Evaluation.Options.DEFAULT.withTruth(Truth.of(Matrix.zeros(0, WIDTH))), 1));
        assertTrue(none.contains("[0 × 12]") && none.contains("at least one"), none);
        String truth = Refused.message(() ->
                evaluate(sae, random(5, WIDTH, 1), Evaluation.Options.DEFAULT.withTruth(Truth.of(random(3, 4, 1))), 1));
        assertTrue(truth.contains("[3 × 4]") && truth.contains("12"), truth);
        Refused.message(() -> evaluate(sae, Matrix.zeros(0, WIDTH), Evaluation.Options.DEFAULT, 1));
        try (Workers workers = new Workers(1)) {
            String hooks = Refused.message(() -> Evaluation.rows(
                    loaded(sae, "blocks.1.hook_resid_mid", "blocks.1.hook_mlp_out"),
                    new MatrixRows(random(5, WIDTH, 1)),
                    Evaluation.Options.DEFAULT,
                    workers,
                    Evaluation.Progress.NONE));
            assertTrue(hooks.contains("hook_resid_mid") && hooks.contains("hook_mlp_out"), hooks);
        }
    }

    /** TestStores' rows are of blocks.1.hook_resid_post of a model with hash 00ff. */
    @Test
    void aStoreOfAnotherHookModelOrWidthIsRefused(@TempDir Path folder) {
        TestStores.write(folder, random(20, WIDTH, 1), Dtype.F32, 20);
        String hook = refusal(folder, "blocks.2.hook_resid_post", "00ff", WIDTH);
        assertTrue(hook.contains("blocks.1.hook_resid_post") && hook.contains("blocks.2.hook_resid_post"), hook);
        String model = refusal(folder, "blocks.1.hook_resid_post", "11ee", WIDTH);
        assertTrue(model.contains("00ff") && model.contains("11ee"), model);
        String width = refusal(folder, "blocks.1.hook_resid_post", "00ff", 7);
        assertTrue(width.contains("width 12") && width.contains("width 7"), width);
    }

    private static String refusal(Path folder, String hook, String sha256, int width) {
        try (ActivationStore store = ActivationStore.open(folder)) {
            return Refused.message(() -> evaluate(madeFor(hook, sha256, sae(LATENTS, width, K)), store));
        }
    }

    @Test
    void aRowWithNanIsNamed() {
        Matrix x = random(50, WIDTH, 1);
        x.data()[x.offset(33) + 4] = Float.NaN;
        String message =
                Refused.message(() -> evaluate(sae(LATENTS, WIDTH, K), x, new Evaluation.Options(50, 8, null), 2));
        assertTrue(message.contains("row 33") && message.contains("column 4") && message.contains("NaN"), message);
    }
}
