package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class RevivalTest {
    private static final int D = TrainRuns.WIDTH;
    private static final int ROWS = 200;
    private static final int DEAD = 10;

    private static Matrix rows() {
        Matrix rows = Matrix.zeros(ROWS, D);
        TrainRuns.rows().read(0, ROWS, rows, 0);
        return rows;
    }

    /** A trainer whose first ten latents are dead and cannot fire: their biases are far below 0. */
    private static Trainer trainer(Workers workers, int targetWidth, String... more) {
        List<String> keys = new ArrayList<>(List.of(
                "latents=40",
                "batch=" + ROWS,
                "auxk.weight=0",
                "auxk.dead_after=" + ROWS,
                "optimizer.warmup=0",
                "optimizer.decay=0",
                "input.encoder_norm=1",
                "arch.penalty.begin=0",
                "arch.jump.threshold=0.5"));
        keys.addAll(List.of(more));
        Trainer trainer = new Trainer(TrainRuns.config(keys.toArray(String[]::new)), rows(), targetWidth, 100, workers);
        for (int i = 0; i < DEAD; i++) {
            trainer.training().encoderBias()[i] = -1000;
            if (trainer.training().activation() instanceof Activation.SignedGated gated) {
                gated.negativeBias()[i] = -1000;
            }
        }
        return trainer;
    }

    /** x − x̂ of the rows as the batch has them, from the weights before the step that resamples, by plain loops. */
    private static double[][] residual(Sae sae, Matrix x, double[][] f) {
        double[][] e = new double[x.rows()][sae.dOut()];
        for (int r = 0; r < x.rows(); r++) {
            for (int c = 0; c < sae.dOut(); c++) {
                e[r][c] = x.at(r, c) - sae.decoderBias()[c];
                for (int i = 0; i < sae.latents(); i++) {
                    e[r][c] -= f[r][i] * sae.decoder().at(i, c);
                }
            }
        }
        return e;
    }

    private static double norm(float[] values, int at, int n) {
        return Math.sqrt(Kernels.BEST.dot(values, at, values, at, n));
    }

    @ParameterizedTest
    @CsvSource({"relu", "jumprelu", "gated", "sign_aware_gated", "topk", "batchtopk", "abstopk"})
    void deadLatentsBeginAnewOnResiduals(String architecture) {
        try (Workers workers = new Workers(2)) {
            Trainer trainer =
                    trainer(workers, 0, "architecture=" + architecture, "resample.every=0.02", "resample.scale=0.25");
            Matrix rows = rows();
            Matrix x = Matrix.zeros(ROWS, D);
            double scale = trainer.state().statistics().inputs().map().scale();
            for (int i = 0; i < x.data().length; i++) {
                x.data()[i] = (float) (rows.data()[i] * scale);
            }
            Sae sae = trainer.training();
            if (architecture.equals("abstopk")) {
                // Far below 0 is active here: no encoder instead.
                Arrays.fill(sae.encoder().data(), 0, DEAD * D, 0);
                Arrays.fill(sae.encoderBias(), 0, DEAD, 0);
            }
            assertEquals(0, trainer.step(rows).dead());
            double[][] before = ScalarForward.activations(trainer, x);
            double[][] e = residual(sae, x, before);
            StepStats second = trainer.step(rows);
            assertTrue(second.dead() >= DEAD);
            boolean[] reborn = new boolean[sae.latents()];
            for (int i = 0; i < reborn.length; i++) {
                reborn[i] = sae.encoderBias()[i] == 0
                        && trainer.parameter("encoder").second()[i * D] == 0;
            }
            assertTrue(IntStream.range(0, DEAD).allMatch(i -> reborn[i]));
            double living = IntStream.range(0, reborn.length)
                    .filter(i -> !reborn[i])
                    .mapToDouble(i -> norm(sae.encoder().data(), i * D, D))
                    .average()
                    .orElseThrow();
            Set<Integer> taken = new HashSet<>();
            for (int i = 0; i < DEAD; i++) {
                assertEquals(0.25 * living, norm(sae.encoder().data(), i * D, D), 1e-5);
                assertEquals(1, norm(sae.decoder().data(), i * D, D), 1e-5);
                int best = 0;
                double most = -2;
                for (int r = 0; r < ROWS; r++) {
                    double dot = 0;
                    double square = 0;
                    for (int c = 0; c < D; c++) {
                        dot += e[r][c] * sae.decoder().at(i, c);
                        square += e[r][c] * e[r][c];
                    }
                    if (dot / Math.sqrt(square) > most) {
                        most = dot / Math.sqrt(square);
                        best = r;
                    }
                }
                assertEquals(1, most, 1e-5, "latent " + i + " has the direction of a residual");
                assertTrue(taken.add(best), "each of another row");
                for (int c = 0; c < D; c++) {
                    assertEquals(
                            sae.decoder().at(i, c) * 0.25 * living,
                            sae.encoder().at(i, c),
                            1e-5);
                }
                for (String name : List.of("encoder", "decoder")) {
                    for (int c = i * D; c < (i + 1) * D; c++) {
                        assertEquals(0, trainer.parameter(name).first()[c]);
                        assertEquals(0, trainer.parameter(name).second()[c]);
                    }
                }
                assertEquals(2 * ROWS, trainer.state().lastFired()[i]);
            }
            own(sae, reborn);
        }
    }

    private static void own(Sae sae, boolean[] reborn) {
        switch (sae.activation()) {
            case Activation.JumpRelu jump -> {
                double living = IntStream.range(0, reborn.length)
                        .filter(i -> !reborn[i])
                        .mapToDouble(i -> jump.threshold()[i])
                        .average()
                        .orElseThrow();
                // Of batchtopk all thresholds are one, the batch's.
                double factor = jump.threshold()[0] == jump.threshold()[39] ? 1 : 0.25;
                assertEquals(factor * living, jump.threshold()[0], 1e-5);
            }
            case Activation.Gated gated -> {
                assertEquals(0, gated.logScale()[3]);
                assertEquals(0, gated.magnitudeBias()[3]);
            }
            case Activation.SignedGated gated -> {
                assertEquals(0, gated.negativeBias()[3]);
                assertEquals(0, gated.logScale()[3]);
                assertEquals(0, gated.negativeMagnitudeBias()[3]);
            }
            default -> {}
        }
    }

    /** z of x, and with it the latents' activations, of a trainer between two steps. */
    private static final class ScalarForward {
        static double[][] activations(Trainer trainer, Matrix x) {
            Sae sae = trainer.training();
            double[][] z = new double[x.rows()][sae.latents()];
            for (int r = 0; r < x.rows(); r++) {
                for (int i = 0; i < sae.latents(); i++) {
                    z[r][i] = sae.encoderBias()[i];
                    for (int c = 0; c < x.cols(); c++) {
                        z[r][i] += sae.encoder().at(i, c) * (x.at(r, c) - sae.decoderBias()[c]);
                    }
                }
            }
            double least = switch (sae.activation()) {
                case Activation.JumpRelu jump
                when sameThroughout(jump.threshold()) ->
                    Arrays.stream(z)
                            .flatMapToDouble(Arrays::stream)
                            .sorted()
                            .skip((long) z.length * sae.latents() - 6L * z.length)
                            .findFirst()
                            .orElseThrow();
                default -> 0;
            };
            double[][] f = new double[x.rows()][sae.latents()];
            for (int r = 0; r < x.rows(); r++) {
                double[] row = z[r];
                boolean signed = sae.activation() instanceof Activation.AbsTopK;
                int k = sae.activation().most();
                double bar = k == 0
                        ? 0
                        : Arrays.stream(row)
                                .map(v -> signed ? Math.abs(v) : v)
                                .sorted()
                                .skip((long) row.length - k)
                                .findFirst()
                                .orElseThrow();
                for (int i = 0; i < row.length; i++) {
                    int latent = i;
                    f[r][i] = switch (sae.activation()) {
                        case Activation.TopK _ -> row[i] >= bar ? Math.max(0, row[i]) : 0;
                        case Activation.AbsTopK _ -> Math.abs(row[i]) >= bar ? row[i] : 0;
                        case Activation.JumpRelu jump ->
                            least > 0 ? (row[i] >= least ? row[i] : 0) : row[i] > jump.threshold()[latent] ? row[i] : 0;
                        case Activation.Gated gated ->
                            row[i] > 0
                                    ? Math.max(
                                            0,
                                            Math.exp(gated.logScale()[i]) * (row[i] - sae.encoderBias()[i])
                                                    + gated.magnitudeBias()[i])
                                    : 0;
                        case Activation.SignedGated gated -> {
                            double u = row[i] - sae.encoderBias()[i];
                            double second = -u + gated.negativeBias()[i];
                            double scale = Math.exp(gated.logScale()[i]);
                            yield row[i] > 0 && row[i] >= second
                                    ? Math.max(0, scale * u + gated.magnitudeBias()[i])
                                    : second > 0 ? -Math.max(0, -scale * u + gated.negativeMagnitudeBias()[i]) : 0;
                        }
                        case Activation.Relu _ -> Math.max(0, row[i]);
                        case Activation.MatchingPursuit _,
                                Activation.ResidualCodes _,
                                Activation.Omp _,
                                Activation.Lasso _ -> throw new IllegalStateException();
                    };
                }
            }
            return f;
        }

        private static boolean sameThroughout(float[] values) {
            return IntStream.range(0, values.length).allMatch(i -> values[i] == values[0]);
        }
    }

    /** Its encoder row is a centred input, so that z is ⟨w, x − μ⟩; its dictionary row what was left of that row's target. */
    @Test
    void aTranscodersLatentReadsTheInputOfItsRow() {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(workers, 10, "architecture=relu", "resample.every=0.02", "resample.scale=1");
            Matrix rows = rows();
            trainer.step(rows);
            trainer.step(rows);
            Sae sae = trainer.training();
            InputStatistics inputs = trainer.state().statistics().inputs();
            for (int i = 0; i < DEAD; i++) {
                double most = -2;
                double z = 0;
                for (int r = 0; r < ROWS; r++) {
                    double dot = 0;
                    double square = 0;
                    for (int c = 0; c < sae.dIn(); c++) {
                        double x = rows.at(r, c) * inputs.map().scale() - inputs.centre()[c];
                        dot += x * sae.encoder().at(i, c);
                        square += x * x;
                    }
                    double norm = norm(sae.encoder().data(), i * sae.dIn(), sae.dIn());
                    if (dot / Math.sqrt(square) / norm > most) {
                        most = dot / Math.sqrt(square) / norm;
                        z = -dot;
                        for (int c = 0; c < sae.dIn(); c++) {
                            z += rows.at(r, c)
                                    * inputs.map().scale()
                                    * sae.encoder().at(i, c);
                        }
                    }
                }
                assertEquals(1, most, 1e-5);
                assertEquals(-z, sae.encoderBias()[i], 1e-4);
            }
        }
    }

    @Test
    void nothingBeginsAnewAfterTheLastTimeOrWithoutTheOption() {
        for (String keys : List.of("resample.until=0.01", "resample.every=0")) {
            try (Workers workers = new Workers(2)) {
                Trainer trainer = trainer(workers, 0, "resample.every=0.02", keys);
                for (int step = 0; step < 4; step++) {
                    trainer.step(rows());
                }
                assertEquals(-1000, trainer.training().encoderBias()[0]);
            }
        }
    }

    @Test
    void nothingIsResampledUnasked() {
        for (Architecture architecture : Architecture.values()) {
            assertEquals(0, TrainRuns.config("architecture=" + architecture).resampleEvery(1000), architecture.key());
        }
        assertEquals(20, TrainRuns.config("resample.every=0.02").resampleEvery(1000));
        assertEquals(1, TrainRuns.config("resample.every=0.02").resampleEvery(3));
        assertEquals(
                0, TrainRuns.config("resample.every=0.02", "resample.until=0").resampleEvery(1000));
    }

    @Test
    void aTiedDictionaryBeginsAnewWithItsEncoder() {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(workers, 0, "architecture=matching_pursuit", "k=1", "resample.every=0.02");
            trainer.step(rows());
            float[] before = trainer.training().decoder().data().clone();
            int dead = trainer.step(rows()).dead();
            assertTrue(dead > 0);
            float[] after = trainer.training().decoder().data();
            long changed = IntStream.range(0, 40)
                    .filter(i -> trainer.parameter("decoder").second()[i * D] == 0
                            && Math.abs(after[i * D] - before[i * D]) > 1e-3)
                    .count();
            assertTrue(changed > 0, dead + " dead");
            assertEquals(1, norm(after, 0, D), 1e-5);
        }
    }

    /** A dead latent's bias goes up by bias · rate in each step, a living one's not; gated's b_mag with it. */
    @ParameterizedTest
    @EnumSource(
            value = Architecture.class,
            mode = EnumSource.Mode.EXCLUDE,
            names = {"MATCHING_PURSUIT", "VQ", "RESIDUAL_VQ", "DICTIONARY_LEARNING", "ABSTOPK"})
    void biasesOfDeadLatentsAreLifted(Architecture architecture) {
        try (Workers workers = new Workers(2)) {
            Trainer still = trainer(workers, 0, "architecture=" + architecture);
            Trainer lifted = trainer(workers, 0, "architecture=" + architecture, "revive.bias=8");
            for (int step = 0; step < 2; step++) {
                still.step(rows());
                lifted.step(rows());
            }
            // The first step ends with ten latents dead for a whole batch, and so does the second.
            for (int i = 0; i < DEAD; i++) {
                assertEquals(-1000 + 2 * 8 * 3e-3, lifted.training().encoderBias()[i], 1e-4);
            }
            int living = IntStream.range(DEAD, 40)
                    .filter(i -> still.state().lastFired()[i] == 2 * ROWS)
                    .findFirst()
                    .orElseThrow();
            assertEquals(
                    still.training().encoderBias()[living], lifted.training().encoderBias()[living], 1e-3);
            if (lifted.training().activation() instanceof Activation.Gated gated) {
                assertEquals(2 * 8 * 3e-3, gated.magnitudeBias()[0], 1e-6);
            }
        }
    }

    /** Rows with the larger residual are drawn more often: with one dead latent, in proportion to ‖e‖². */
    @Test
    void rowsAreDrawnInProportionToTheirSquaredLoss() {
        int[] counts = new int[3];
        for (int seed = 0; seed < 3000; seed++) {
            Matrix residual = new Matrix(3, 1, new float[] {1, 2, 3});
            counts[Revival.draw(residual, 1, new java.util.SplittableRandom(seed), Kernels.BEST)[0]]++;
        }
        for (int r = 0; r < 3; r++) {
            double share = (r + 1) * (r + 1) / 14.0;
            assertEquals(share, counts[r] / 3000.0, 4 * Math.sqrt(share * (1 - share) / 3000));
        }
        Matrix some = new Matrix(4, 1, new float[] {0, 1, 0, 5});
        int[] all = Revival.draw(some, 9, new java.util.SplittableRandom(1), Kernels.BEST);
        Arrays.sort(all);
        assertArrayEquals(new int[] {1, 3}, all);
    }
}
