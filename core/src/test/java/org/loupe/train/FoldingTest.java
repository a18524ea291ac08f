package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.activations.MatrixRows;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The map of the rows in training is folded away: on raw rows the result does what the trained SAE does on mapped ones. */
class FoldingTest {
    private static final int ROWS = 1000;
    private static final int D = TrainRuns.WIDTH;

    private static Matrix rows(float factor) {
        Matrix rows = Matrix.zeros(ROWS, D);
        TrainRuns.rows().read(0, ROWS, rows, 0);
        for (int i = 0; i < rows.data().length; i++) {
            rows.data()[i] *= factor;
        }
        return rows;
    }

    /** Columns of very different size, correlated, far from 0. */
    private static Matrix uneven() {
        Matrix rows = rows(1);
        for (int r = 0; r < ROWS; r++) {
            for (int c = 0; c < D; c++) {
                float before = c > 0 ? rows.at(r, c - 1) / 8 : 0;
                rows.data()[r * D + c] = (rows.at(r, c) * (c < 10 ? 0.2f : 20) + before + 3) * (1 + c % 3);
            }
        }
        return rows;
    }

    private static final List<Integer> PARTS = List.of(10, 14);

    static Stream<Architecture> withAnEncoder() {
        return Stream.of(Architecture.values()).filter(a -> !a.tied());
    }

    /** x' of every row by the definition. */
    private static Matrix mapped(RowMap map, Matrix rows) {
        int d = rows.cols();
        Matrix out = Matrix.zeros(rows.rows(), d);
        for (int r = 0; r < rows.rows(); r++) {
            for (int c = 0; c < d; c++) {
                double sum = 0;
                for (int k = 0; k < d; k++) {
                    double x = rows.at(r, k) - (map.shift().length > 0 ? map.shift()[k] : 0);
                    double weight = map.matrix().length > 0 ? map.matrix()[c * d + k] : c == k ? map.factor()[c] : 0;
                    sum += weight * x;
                }
                out.data()[r * d + c] = (float) sum;
            }
        }
        return out;
    }

    /** Compares the two, and the folded one with what its folder gives back. */
    private static void check(Trainer trainer, Matrix x, Workers workers, Path folder) {
        Sae trained = trainer.training();
        Sae folded = trainer.result();
        DataStatistics statistics = trainer.state().statistics();
        RowMap targets = statistics.targets().map();
        Latents inside =
                new Encoder(trained, workers).encode(mapped(statistics.inputs().map(), x));
        Latents outside = new Encoder(folded, workers).encode(x);
        Matrix written = Matrix.zeros(ROWS, trained.dOut());
        Matrix actual = Matrix.zeros(ROWS, trained.dOut());
        Decoder.decode(trained, inside, written, workers);
        addSkip(trained, mapped(statistics.inputs().map(), x), written);
        Decoder.decode(folded, outside, actual, workers);
        addSkip(folded, x, actual);
        Matrix expected = written;
        Matrix back = mapped(targets, actual);
        double unit = trained.activation() instanceof Activation.ResidualCodes ? 1 : targets.scale();
        // A row of LASSO is finished once its conditions hold to 10⁻⁵ ‖x‖.
        double tolerance = trained.activation() instanceof Activation.Lasso ? 1e-4 : 1e-5;
        int differ = 0;
        for (int r = 0; r < ROWS; r++) {
            boolean same = outside.starts()[r + 1] - outside.starts()[r] == inside.starts()[r + 1] - inside.starts()[r];
            for (int e = inside.starts()[r], o = outside.starts()[r]; same && e < inside.starts()[r + 1]; e++, o++) {
                same = inside.index()[e] == outside.index()[o];
                if (same) {
                    double f = outside.value()[o] * unit;
                    assertEquals(inside.value()[e], f, tolerance * Math.max(1, Math.abs(f)), "row " + r);
                }
            }
            // A tie within rounding may fall either way, in a row or two of a thousand.
            differ += same ? 0 : 1;
            for (int c = 0; same && c < trained.dOut(); c++) {
                double y = expected.at(r, c);
                assertEquals(y, back.at(r, c), tolerance * Math.max(1, Math.abs(y)), "row " + r + " column " + c);
            }
        }
        assertTrue(differ <= 2, differ + " rows have other latents");
        SaeFolder.save(folder, folded, new SaeInfo(Provenance.here("", "", "", "", 0), "a", "b", Map.of(), Map.of()));
        Latents again = new Encoder(SaeFolder.load(folder).sae(), workers).encode(x);
        assertArrayEquals(outside.index(), again.index());
        assertArrayEquals(outside.value(), again.value());
    }

    private static void addSkip(Sae sae, Matrix x, Matrix out) {
        Matrix skip = sae.skip();
        for (int i = 0; skip != null && i < out.data().length; i++) {
            for (int c = 0; c < x.cols(); c++) {
                out.data()[i] += skip.at(i % out.cols(), c) * x.at(i / out.cols(), c);
            }
        }
    }

    private static Trainer trained(TrainConfig config, Matrix rows, List<Integer> parts, Workers workers) {
        Trainer trainer =
                new Trainer(config, DataStatistics.of(rows, parts, config.inputInForce(), workers), 20, workers);
        for (int step = 0; step < 20; step++) {
            trainer.step(rows);
        }
        return trainer;
    }

    private static TrainConfig config(Architecture architecture, String... more) {
        List<String> all = new ArrayList<>(List.of("batch=" + ROWS, "architecture=" + architecture));
        all.addAll(List.of(more));
        return TrainRuns.config(all.toArray(String[]::new));
    }

    @ParameterizedTest
    @EnumSource(Architecture.class)
    void oneScale(Architecture architecture, @TempDir Path folder) {
        Matrix rows = rows(40);
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trained(config(architecture), rows, List.of(D), workers);
            RowMap map = trainer.state().statistics().inputs().map();
            assertTrue(map.isScalar() && map.scale() < 0.1, "the rows were far from unit size: " + map.scale());
            check(trainer, rows, workers, folder);
            float[] trained = trainer.training().decoder().data();
            float[] folded = trainer.result().decoder().data();
            if (trainer.result().activation() instanceof Activation.ResidualCodes) {
                for (int i = 0; i < trained.length; i++) {
                    assertEquals(trained[i] / map.scale(), folded[i], 1e-5 * Math.abs(folded[i]));
                }
            } else {
                assertArrayEquals(trained, folded);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"omp", "lasso"})
    void theCodesOfDictionaryLearning(String coding, @TempDir Path folder) {
        Matrix rows = rows(40);
        try (Workers workers = new Workers(2)) {
            for (boolean signed : new boolean[] {false, true}) {
                TrainConfig config = config(
                        Architecture.DICTIONARY_LEARNING,
                        "arch.dictionary.coding=" + coding,
                        "arch.dictionary.signed=" + signed,
                        "input.centre_rows=" + signed);
                check(trained(config, rows, List.of(D), workers), rows, workers, folder);
            }
        }
    }

    static Stream<Architecture> tied() {
        return Stream.of(Architecture.values()).filter(Architecture::tied);
    }

    /** Where the encoder is the dictionary parts have one scale, and whitening is refused in configurations and in folding. */
    @ParameterizedTest
    @MethodSource("tied")
    void aTiedDictionaryHasOneScale(Architecture architecture, @TempDir Path folder) {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trained(config(architecture), uneven(), PARTS, workers);
            assertTrue(trainer.state().statistics().inputs().map().isScalar());
            check(trainer, uneven(), workers, folder);
            String refusal = assertThrows(BadInput.class, () -> config(architecture, "input.whiten=full"))
                    .getMessage();
            assertTrue(String.valueOf(refusal).contains("input.whiten: full, expected none for " + architecture.key()));
            InputConfig input = config(Architecture.TOPK).input();
            RowMap parts = RowMap.of(uneven(), PARTS, input, workers);
            Folding folding = new Folding(parts, parts, workers);
            assertThrows(IllegalArgumentException.class, () -> folding.fold(trainer.training()));
        }
    }

    @ParameterizedTest
    @EnumSource(Architecture.class)
    void centredRows(Architecture architecture, @TempDir Path folder) {
        Matrix rows = rows(40);
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trained(config(architecture, "input.centre_rows=true"), rows, List.of(D), workers);
            assertEquals(D, trainer.state().statistics().inputs().map().shift().length);
            check(trainer, rows, workers, folder);
        }
    }

    @ParameterizedTest
    @MethodSource("withAnEncoder")
    void aScaleForEachPart(Architecture architecture, @TempDir Path folder) {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trained(config(architecture), uneven(), PARTS, workers);
            check(trainer, uneven(), workers, folder);
        }
    }

    @ParameterizedTest
    @MethodSource("withAnEncoder")
    void whitening(Architecture architecture, @TempDir Path folder) {
        try (Workers workers = new Workers(2)) {
            TrainConfig config = config(architecture, "input.whiten=full", "input.centre_rows=true");
            check(trained(config, uneven(), PARTS, workers), uneven(), workers, folder);
        }
    }

    /** Gradients of few directions, one far larger than the others: a map of condition 1:20. */
    static Matrix gradients() {
        Matrix g = Matrix.zeros(ROWS, D);
        Random random = new Random(8);
        for (int r = 0; r < ROWS; r++) {
            double shared = random.nextGaussian();
            for (int c = 0; c < D; c++) {
                g.data()[r * D + c] = (float) ((c < 6 ? shared : 0) + (c % 4 == 0 ? 0.3 * random.nextGaussian() : 0));
            }
        }
        return g;
    }

    @ParameterizedTest
    @MethodSource("withAnEncoder")
    void theMetricOfGradients(Architecture architecture, @TempDir Path folder) {
        try (Workers workers = new Workers(2)) {
            for (boolean centred : new boolean[] {false, true}) {
                TrainConfig config = config(
                        architecture,
                        "objective=gradient_weighted",
                        "gradient.beta=30",
                        "input.centre_rows=" + centred);
                GradientMoment moment = GradientMoment.of(new MatrixRows(gradients()), workers);
                DataStatistics statistics =
                        DataStatistics.weighted(uneven(), moment, config.metric(), config.inputInForce(), workers);
                Trainer trainer = new Trainer(config, statistics, 20, workers);
                for (int step = 0; step < 20; step++) {
                    trainer.step(uneven());
                }
                check(trainer, uneven(), workers, folder);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"TOPK", "JUMPRELU", "GATED"})
    void aScoreOfRows(Architecture architecture, @TempDir Path folder) {
        Matrix rows = rows(40);
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trained(config(architecture, "cosine=true"), rows, List.of(D), workers);
            check(trainer, rows, workers, folder);
            assertEquals(
                    Math.sqrt(D) / trainer.state().statistics().inputs().map().scale(),
                    Objects.requireNonNull(trainer.result().score()).norm(),
                    1e-4 * Math.sqrt(D));
        }
    }

    /** Inputs are the first 10 columns, targets the other 14, each with a map of its own. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "input.whiten=none",
                "input.whiten=none input.centre_rows=true skip=true",
                "input.whiten=parts skip=true",
                "input.whiten=full",
                "input.whiten=full skip=true",
                "input.whiten=full input.centre_rows=true skip=true",
                "input.whiten=full input.centre_rows=true architecture=jumprelu",
                "input.whiten=full input.centre_rows=true architecture=gated",
                "input.whiten=full input.centre_rows=true architecture=sign_aware_gated",
                "input.whiten=full architecture=relu"
            })
    void aTranscoder(String keys, @TempDir Path folder) {
        try (Workers workers = new Workers(2)) {
            TrainConfig config = config(Architecture.TOPK, keys.split(" "));
            Trainer trainer = trained(config, uneven(), List.of(4, 6), workers);
            check(trainer, uneven().columns(0, 10), workers, folder);
        }
    }

    /** Each part has mean squared norm d_p, and whitened rows the identity for covariance, but for the floor. */
    @Test
    void mapsDoWhatTheyAreCalled() {
        Matrix rows = uneven();
        try (Workers workers = new Workers(2)) {
            InputConfig parts = config(Architecture.TOPK).input();
            Matrix scaled = mapped(RowMap.of(rows, PARTS, parts, workers), rows);
            assertEquals(10, meanSquare(scaled.columns(0, 10)), 1e-4);
            assertEquals(14, meanSquare(scaled.columns(10, 14)), 1e-4);

            InputConfig full = config(
                            Architecture.TOPK, "input.whiten=full", "input.centre_rows=true", "input.whiten_floor=1e-9")
                    .input();
            RowMap map = RowMap.of(rows, PARTS, full, workers);
            Matrix white = mapped(map, rows);
            for (int a = 0; a < D; a++) {
                for (int b = 0; b < D; b++) {
                    double sum = 0;
                    for (int r = 0; r < ROWS; r++) {
                        sum += (double) white.at(r, a) * white.at(r, b) / ROWS;
                    }
                    assertEquals(a == b ? 1 : 0, sum, 1e-3, a + ", " + b);
                }
            }
            Random random = new Random(1);
            double[] v = random.doubles(D).toArray();
            assertArrayEquals(v, map.solve(map.times(v)), 1e-7);
        }
    }

    private static double meanSquare(Matrix rows) {
        double sum = 0;
        for (float x : rows.data()) {
            sum += (double) x * x / rows.rows();
        }
        return sum;
    }

    /** Of one part nothing changes; rows without variance are not divided by 0. */
    @Test
    void onePartIsOneScaleAndRowsWithoutVarianceStayFinite() {
        try (Workers workers = new Workers(1)) {
            Matrix rows = rows(3);
            RowMap none = RowMap.of(
                    rows,
                    List.of(D),
                    config(Architecture.TOPK, "input.whiten=none").input(),
                    workers);
            RowMap parts = RowMap.of(rows, List.of(D), config(Architecture.TOPK).input(), workers);
            assertArrayEquals(none.factor(), parts.factor());
            assertEquals(none.scale(), parts.scale());
            for (String keys : List.of("input.whiten=full", "input.whiten=parts")) {
                Matrix zeros = Matrix.zeros(5, D);
                RowMap flat = RowMap.of(
                        zeros,
                        PARTS,
                        config(Architecture.TOPK, keys, "input.centre_rows=true")
                                .input(),
                        workers);
                for (float x : mapped(flat, zeros).data()) {
                    assertEquals(0, x);
                }
            }
        }
    }
}
