package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Training by a store's gradients: what is minimised, and that runs are as repeatable as others. */
class GradientWeightedTest {
    private static final int D = TrainRuns.WIDTH;
    private static final int ROWS = 1000;

    private static final List<String> METRIC = List.of("objective=gradient_weighted", "gradient.beta=7");
    private static final List<String> TOKEN =
            List.of("objective=gradient_weighted", "gradient.form=token", "gradient.beta=0.5");
    private static final List<String> SELECT = List.of("gradient.select=1");

    @TempDir
    Path folder;

    /** Rows with gradients, as a store with both is read. */
    private record WithGradients(Matrix x, Matrix g) implements RowSource {
        @Override
        public long rows() {
            return x.rows();
        }

        @Override
        public int width() {
            return x.cols();
        }

        @Override
        public void read(long from, int count, Matrix out, int at) {
            new MatrixRows(x).read(from, count, out, at);
        }

        @Override
        public RowSource gradients() {
            return new MatrixRows(g);
        }

        @Override
        public String gradientLoss() {
            return "kl";
        }
    }

    private static Matrix x() {
        Matrix x = Matrix.zeros(ROWS, D);
        TrainRuns.rows().read(0, ROWS, x, 0);
        return x;
    }

    private static RowSource rows() {
        return new WithGradients(x(), FoldingTest.gradients());
    }

    private static TrainConfig config(List<String> keys, String... more) {
        TrainConfig config = ConfigReader.read(TrainRuns.config(), null, keys);
        return ConfigReader.read(config, null, List.of(more));
    }

    /** M² = s² (I + βF), F = d E[g gᵀ] / E‖g‖² by its definition, and mapped rows have E‖x'‖² = d. */
    @Test
    void theMapIsTheRootOfTheMetric() {
        Matrix g = FoldingTest.gradients();
        Matrix x = x();
        double[][] fisher = fisher(g);
        try (Workers workers = new Workers(3)) {
            for (boolean centred : new boolean[] {false, true}) {
                TrainConfig config = config(METRIC, "input.centre_rows=" + centred);
                GradientMoment moment = GradientMoment.of(new MatrixRows(g), workers);
                RowMap map = DataStatistics.weighted(x, moment, 7, config.inputInForce(), workers)
                        .inputs()
                        .map();
                double squares = 0;
                for (int r = 0; r < ROWS; r++) {
                    for (double v : map.of(x.data(), r * D)) {
                        squares += v * v / ROWS;
                    }
                }
                assertEquals(D, squares, 1e-6 * D);
                double[] unit = new double[D];
                unit[D - 1] = 1;
                double s = Math.pow(norm(map.times(unit)), 2) / (1 + 7 * fisher[D - 1][D - 1]);
                for (int a = 0; a < D; a++) {
                    double[] e = new double[D];
                    e[a] = 1;
                    double[] row = map.times(map.times(e));
                    for (int b = 0; b < D; b++) {
                        assertEquals(s * ((a == b ? 1 : 0) + 7 * fisher[a][b]), row[b], 1e-6 * s);
                    }
                    double[] back = map.solve(map.times(e));
                    assertArrayEquals(e, back, 1e-9);
                }
            }
        }
    }

    private static double norm(double[] v) {
        double squares = 0;
        for (double value : v) {
            squares += value * value;
        }
        return Math.sqrt(squares);
    }

    private static double[][] fisher(Matrix g) {
        double[][] out = new double[D][D];
        double trace = 0;
        for (float v : g.data()) {
            trace += (double) v * v;
        }
        for (int r = 0; r < g.rows(); r++) {
            for (int a = 0; a < D; a++) {
                for (int b = 0; b < D; b++) {
                    out[a][b] += D * (double) g.at(r, a) * g.at(r, b) / trace;
                }
            }
        }
        return out;
    }

    /** What a step gives as its loss is Σ eᵀ(I + βF)e over the same sum of deviations from the mean, e of the saved SAE on raw rows. */
    @Test
    void theLossIsTheErrorInTheMetric() {
        Matrix x = x();
        Matrix g = FoldingTest.gradients();
        double[][] fisher = fisher(g);
        try (Workers workers = new Workers(2)) {
            TrainConfig config = config(METRIC, "batch=" + ROWS, "auxk.weight=0");
            GradientMoment moment = GradientMoment.of(new MatrixRows(g), workers);
            Trainer trainer = new Trainer(
                    config, DataStatistics.weighted(x, moment, 7, config.inputInForce(), workers), 20, workers);
            for (int step = 0; step < 10; step++) {
                trainer.step(x);
            }
            Sae sae = trainer.result();
            Matrix out = Matrix.zeros(ROWS, D);
            Decoder.decode(sae, new Encoder(sae, workers).encode(x), out, workers);
            double[] mean = new double[D];
            x.meanInto(mean);
            double error = 0;
            double spread = 0;
            for (int r = 0; r < ROWS; r++) {
                double[] e = new double[D];
                double[] deviation = new double[D];
                for (int c = 0; c < D; c++) {
                    e[c] = (double) x.at(r, c) - out.at(r, c);
                    deviation[c] = x.at(r, c) - mean[c];
                }
                error += inMetric(fisher, e);
                spread += inMetric(fisher, deviation);
            }
            StepStats stats = trainer.step(x);
            assertEquals(error / spread, stats.loss(), 1e-4 * stats.loss());
            assertEquals(error / spread, stats.fvu(), 1e-4 * stats.fvu());
        }
    }

    private static double inMetric(double[][] fisher, double[] e) {
        double sum = 0;
        for (int a = 0; a < D; a++) {
            sum += e[a] * e[a];
            for (int b = 0; b < D; b++) {
                sum += 7 * e[a] * fisher[a][b] * e[b];
            }
        }
        return sum;
    }

    /** Gradients that are not used change no bit, and β = 0 uses none. */
    @ParameterizedTest
    @ValueSource(strings = {"objective=local", "gradient.form=metric", "gradient.form=token"})
    void withoutBetaItIsPlainTraining(String key) throws IOException {
        TrainRuns.train(folder.resolve("plain"), TrainRuns.rows(), TrainRuns.config(), event -> {});
        TrainConfig config = key.startsWith("objective")
                ? config(List.of(key))
                : config(List.of("objective=gradient_weighted", "gradient.beta=0", key));
        TrainRuns.train(folder.resolve("with"), rows(), config, event -> {});
        TrainRuns.assertSameSae(folder.resolve("plain"), folder.resolve("with"));
    }

    private static List<String> keys(String kind) {
        return switch (kind) {
            case "metric" -> METRIC;
            case "token" -> TOKEN;
            default -> SELECT;
        };
    }

    @ParameterizedTest
    @ValueSource(strings = {"metric", "token", "select"})
    void threadsAndInterruptionsDoNotChangeABit(String kind) throws IOException {
        List<String> keys = keys(kind);
        Path whole = folder.resolve("whole");
        TrainRuns.train(whole, rows(), config(keys, "threads=3"), event -> {});
        Path interrupted = folder.resolve("interrupted");
        assertThrows(
                TrainRuns.Interruption.class,
                () -> TrainRuns.train(
                        interrupted,
                        rows(),
                        config(keys, "threads=1", "checkpoint_seconds=1e-9"),
                        TrainRuns.interruption(31)));
        TrainRuns.train(interrupted, rows(), config(keys), event -> {});
        TrainRuns.assertSameSae(whole, interrupted);
        assertTrue(
                TrainRuns.log(whole).stream().anyMatch(line -> line.path("dead").asInt() > 0), "AuxK takes part");
        assertEquals(6, TrainRuns.log(whole).getLast().path("l0").asDouble());
        Path plain = folder.resolve("plain");
        TrainRuns.train(plain, TrainRuns.rows(), TrainRuns.config(), event -> {});
        assertTrue(Files.mismatch(plain.resolve("sae_weights.safetensors"), whole.resolve("sae_weights.safetensors"))
                >= 0);
    }

    /** Plain, metric and token runs in one command are what each is alone. */
    @Test
    void togetherTheyAreWhatTheyAreAlone() throws IOException {
        Map<Path, TrainConfig> jobs = new LinkedHashMap<>();
        jobs.put(folder.resolve("plain"), TrainRuns.config());
        jobs.put(folder.resolve("metric"), config(METRIC));
        jobs.put(folder.resolve("metric more"), config(METRIC, "gradient.beta=30"));
        jobs.put(folder.resolve("token"), config(TOKEN));
        jobs.put(folder.resolve("select"), config(SELECT));
        assertEquals(List.of(), TrainRuns.trainAll(jobs, rows(), event -> {}));
        for (Map.Entry<Path, TrainConfig> job : jobs.entrySet()) {
            Path alone = folder.resolve("alone " + job.getKey().getFileName());
            TrainRuns.train(alone, rows(), job.getValue(), event -> {});
            TrainRuns.assertSameSae(alone, job.getKey());
        }
    }

    /** A fine-tune of the SAE of a folder, rows judged by how far they are from 1. */
    private static TrainConfig tune(SaeFolder.Loaded start, String... more) {
        TrainConfig base = ConfigReader.read(TrainConfig.DEFAULT, null, StartFrom.settings(start));
        List<String> set = new ArrayList<>(
                List.of("objective=hybrid", "batch=90", "seed=9", "tokens=1800", "input.sample=180", "threads=2"));
        set.addAll(List.of(more));
        return ConfigReader.read(base, null, set);
    }

    private static void tune(Path out, SaeFolder.Loaded start, TrainConfig config, Consumer<TrainEvent> listener) {
        JudgedRows batches = step -> {
            Matrix rows = Matrix.zeros(config.batch(), D);
            rows().read(step % 11 * config.batch(), config.batch(), rows, 0);
            return new JudgedRows.Batch(rows, GradientWeightedTest::farFromOne);
        };
        TrainRun.trainAll(
                List.of(new TrainJob(out, config, start.sae(), "trained")),
                rows(),
                Provenance.here("toy", "00ff", "made up", TrainRuns.HOOK, 0),
                TrainRuns.HOOK,
                TrainRuns.HOOK,
                batches,
                listener);
    }

    private static List<Judge.Term> farFromOne(Matrix reconstruction) {
        Matrix gradient = Matrix.zeros(reconstruction.rows(), D);
        double loss = 0;
        for (int i = 0; i < gradient.data().length; i++) {
            double error = reconstruction.data()[i] - 1;
            loss += error * error;
            gradient.data()[i] = (float) (2 * error);
        }
        return List.of(new Judge.Term(Judge.Kind.KL, loss, gradient));
    }

    /** From another sample of the rows than it was trained by, and after rounding to a folder. */
    @Test
    void whatWasTrainedInTheMetricIsTunedInItFromWhatItIs() {
        Path trained = folder.resolve("trained");
        TrainRuns.train(trained, rows(), config(METRIC), event -> {});
        SaeFolder.Loaded start = SaeFolder.load(trained);
        TrainConfig tune = tune(start);
        assertEquals(7, tune.metric());
        assertEquals(7, tune(start, "objective=gradient_weighted").metric());
        assertEquals(0, tune(start, "objective=local").metric());
        try (Workers workers = new Workers(2)) {
            GradientMoment moment = GradientMoment.of(new MatrixRows(FoldingTest.gradients()), workers);
            Matrix few = new Matrix(180, D, Arrays.copyOf(x().data(), 180 * D));
            DataStatistics other = DataStatistics.weighted(few, moment, tune.metric(), tune.inputInForce(), workers);
            try (Trainer trainer = new Trainer(tune, other, 20, workers)) {
                trainer.startFrom(start.sae());
                Sae begins = trainer.result();
                Latents given = new Encoder(start.sae(), workers).encode(x());
                Latents got = new Encoder(begins, workers).encode(x());
                assertArrayEquals(given.index(), got.index());
                assertArrayEquals(given.value(), got.value(), 1e-5f);
                Matrix expected = Matrix.zeros(ROWS, D);
                Matrix actual = Matrix.zeros(ROWS, D);
                Decoder.decode(start.sae(), given, expected, workers);
                Decoder.decode(begins, got, actual, workers);
                assertArrayEquals(expected.data(), actual.data(), 1e-5f);
            }
            TrainConfig local = tune(start, "objective=local");
            DataStatistics plain = DataStatistics.of(x(), List.of(D), local.inputInForce(), workers);
            try (Trainer trainer = new Trainer(local, plain, 20, workers)) {
                assertTrue(assertThrows(BadInput.class, () -> trainer.startFrom(start.sae()))
                        .toString()
                        .contains("one trained with the metric goes on with the same gradient.beta"));
            }
        }
    }

    @Test
    void tuningInTheMetricIsRepeatable() throws IOException {
        Path trained = folder.resolve("trained");
        TrainRuns.train(trained, rows(), config(METRIC), event -> {});
        SaeFolder.Loaded start = SaeFolder.load(trained);
        Path whole = folder.resolve("whole");
        tune(whole, start, tune(start, "threads=3"), event -> {});
        Path interrupted = folder.resolve("interrupted");
        TrainConfig again = tune(start, "threads=1", "checkpoint_seconds=1e-9");
        assertThrows(TrainRuns.Interruption.class, () -> tune(interrupted, start, again, TrainRuns.interruption(7)));
        tune(interrupted, start, again, event -> {});
        TrainRuns.assertSameSae(whole, interrupted);
        SaeFolder.Loaded tuned = SaeFolder.load(whole);
        assertEquals("kl", tuned.info().training().get("gradients_of"));
        assertEquals(7, tune(tuned).metric(), "and can be tuned once more");
    }

    /** Penalties find their target in the metric and with the token's term too. */
    @ParameterizedTest
    @CsvSource({"metric,relu", "metric,jumprelu", "metric,batchtopk", "token,relu", "token,batchtopk"})
    void theL0AskedForIsReached(String kind, String architecture) throws IOException {
        TrainConfig config = config(keys(kind), "architecture=" + architecture, "l0=5", "tokens=60000");
        TrainRuns.train(folder, rows(), config, event -> {});
        List<Double> last = TrainRuns.log(folder).stream()
                .map(line -> line.path("l0").asDouble())
                .toList();
        double mean = last.subList(last.size() - 20, last.size()).stream()
                .mapToDouble(v -> v)
                .average()
                .orElseThrow();
        assertEquals(5, mean, 0.5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"metric", "token", "select"})
    void rowsWithoutGradientsAreRefusedByName(String kind) {
        Path out = folder.resolve("sae");
        String message = String.valueOf(assertThrows(
                        BadInput.class, () -> TrainRuns.train(out, TrainRuns.rows(), config(keys(kind)), event -> {}))
                .getMessage());
        assertEquals("rows in memory: holds no gradients; a store made by harvest --gradients does", message);
        assertTrue(!Files.exists(out), "nothing is written");
    }

    @ParameterizedTest
    @ValueSource(strings = {"metric", "token", "select"})
    void gradientsOfZerosAreRefused(String kind) {
        RowSource flat = new WithGradients(x(), Matrix.zeros(ROWS, D));
        assertTrue(assertThrows(BadInput.class, () -> TrainRuns.train(folder, flat, config(keys(kind)), event -> {}))
                .toString()
                .contains("rows in memory: all are 0, so they weigh nothing"));
    }

    /** Batches made in memory, as of bench, have none. */
    @ParameterizedTest
    @ValueSource(strings = {"metric", "token", "select"})
    void aTrainerOfRowsAloneIsRefused(String kind) {
        try (Workers workers = new Workers(1)) {
            assertTrue(
                    assertThrows(BadInput.class, () -> new Trainer(config(keys(kind)), x(), 0, 20, workers))
                            .toString()
                            .contains(
                                    "objective: gradient_weighted, downstream.metric and gradient.select need a store with gradients"));
        }
    }

    @Test
    void theSecondMomentIsTheSameOfPartsAndThreads() {
        Random random = new Random(3);
        Matrix g = Matrix.zeros(2_500, 5);
        for (int i = 0; i < g.data().length; i++) {
            g.data()[i] = (float) (random.nextGaussian() + 0.5);
        }
        double[][] expected = new double[5][5];
        double trace = 0;
        for (int r = 0; r < g.rows(); r++) {
            for (int a = 0; a < 5; a++) {
                trace += (double) g.at(r, a) * g.at(r, a) / g.rows();
                for (int b = 0; b < 5; b++) {
                    expected[a][b] += (double) g.at(r, a) * g.at(r, b) / g.rows();
                }
            }
        }
        for (int threads : new int[] {1, 3}) {
            try (Workers workers = new Workers(threads)) {
                double[][] moment =
                        GradientMoment.of(new MatrixRows(g), workers).matrix();
                for (int a = 0; a < 5; a++) {
                    assertArrayEquals(expected[a], moment[a], 1e-9);
                }
            }
        }
        assertEquals(Math.sqrt(5 / trace), GradientMoment.scale(new MatrixRows(g)), 1e-12);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "architecture=vq objective=gradient_weighted|objective: gradient_weighted, expected local for vq",
                "architecture=matching_pursuit objective=gradient_weighted|gradient.form: metric, expected token for matching_pursuit",
                "cosine=true objective=gradient_weighted|gradient.form: metric, expected token with cosine",
                "loss=norm objective=gradient_weighted gradient.form=token|loss: norm, expected squared with gradient.form = token",
                "architecture=batchtopk gradient.select=1|gradient.select: 1.0, expected 0 for batchtopk",
                "gradient.select=1 objective=gradient_weighted|gradient.select: 1.0, expected 0 with gradient.form = metric",
                "input.whiten=full objective=gradient_weighted|input.whiten: full, expected none or parts where gradients are used",
                "input.whiten=full gradient.select=2|input.whiten: full, expected none or parts where gradients are used",
                "objective=kl downstream.metric=true architecture=matching_pursuit|downstream.metric: true, expected false for matching_pursuit",
                "objective=kl downstream.metric=true cosine=true|downstream.metric: true, expected false with cosine",
                "objective=kl downstream.metric=true input.whiten=full|input.whiten: full, expected none or parts where gradients are used",
                "gradient.beta=-1|gradient.beta: -1.0, expected ≥ 0 and < 1e6",
                "gradient.form=rank|gradient.form: 'rank', expected one of metric, token",
                "objective=fisher|objective: 'fisher', expected one of local, gradient_weighted",
                "objective=kl gradient.select=1|gradient.select: 1.0, expected 0 with objective = kl, whose rows come from the model",
                "objective=hybrid architecture=vq|objective: hybrid, expected local for vq",
            })
    void whatCannotGoTogetherIsRefused(String keys, String message) {
        String refusal = String.valueOf(assertThrows(BadInput.class, () -> config(List.of(keys.split(" "))))
                .getMessage());
        assertTrue(refusal.contains(message), refusal);
    }
}
