package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The backward written by hand against central differences of {@link ScalarModel}. */
class GradientsTest {
    private static final double SCALE = 1.75;
    private static final double VARIANCE = 3.25;

    /** One trainer before a step, its random weights, and the same step as a scalar model. */
    private static final class Case implements AutoCloseable {
        final Workers workers = new Workers(2);
        final Trainer trainer;
        final Matrix rows;
        final double[][] scaled;
        final ScalarModel model;

        Case(Architecture architecture, int d, int m, int k, int batch, int auxK, int deadEvery, long seed) {
            Random random = new Random(seed);
            TrainConfig config = ConfigReader.read(
                    TrainConfig.DEFAULT,
                    null,
                    List.of(
                            "architecture=" + architecture,
                            "latents=" + m,
                            "k=" + k,
                            "batch=" + batch,
                            "seed=" + seed,
                            "optimizer.beta1=0",
                            "optimizer.clip=0",
                            "auxk.weight=" + (deadEvery > 0 ? 0.3 : 0),
                            "auxk.k=" + auxK,
                            "auxk.dead_after=" + batch));
            trainer = new Trainer(config, new InputStatistics(SCALE, VARIANCE, new float[d]), 10, workers);
            Sae sae = trainer.state().sae();
            fill(sae.encoder().data(), random, 1);
            fill(sae.encoderBias(), random, 0.5);
            fill(sae.decoderBias(), random, 1);
            int[] dead = deadEvery == 0
                    ? new int[0]
                    : IntStream.range(0, m).filter(i -> i % deadEvery == 0).toArray();
            for (int i : dead) {
                trainer.state().lastFired()[i] = -batch;
            }
            rows = Matrix.zeros(batch, d);
            fill(rows.data(), random, 1);
            scaled = new double[batch][d];
            for (int r = 0; r < batch; r++) {
                for (int c = 0; c < d; c++) {
                    scaled[r][c] = (float) (rows.at(r, c) * SCALE);
                }
            }
            model = new ScalarModel(d, m, k, architecture, VARIANCE, 0.3, auxK, dead);
        }

        private static void fill(float[] values, Random random, double size) {
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (size * random.nextGaussian());
            }
        }

        /** Does the step and compares all that it gives with the scalar model. */
        void check() {
            double[] theta = ScalarModel.weights(trainer.state().sae());
            double[] expected = model.gradient(theta, scaled);
            model.removeParallel(theta, expected);
            double[][] residual = model.residual(theta, scaled);
            StepStats stats = trainer.step(rows);

            assertEquals(model.loss(theta, scaled, residual), stats.loss(), 1e-5 * stats.loss());
            assertEquals(ScalarModel.squares(residual) / ScalarModel.spread(scaled), stats.fvu(), 1e-5 * stats.fvu());
            double active = Arrays.stream(model.active(theta, scaled))
                    .mapToInt(row -> row.length)
                    .sum();
            assertEquals(active / scaled.length, stats.l0(), 1e-12);
            assertEquals(model.dead().length, stats.dead());
            double norm = Math.sqrt(Arrays.stream(expected).map(g -> g * g).sum());
            assertEquals(norm, stats.gradNorm(), 1e-4 * norm);

            // With β₁ = 0 and no clipping the first moment is the gradient itself.
            Adam adam = trainer.state().adam();
            compare("W_enc", expected, 0, adam.encoder.first());
            compare("b_enc", expected, model.encoderBiasAt(), adam.encoderBias.first());
            compare("W_dec", expected, model.decoderAt(), adam.decoder.first());
            compare("b_dec", expected, model.decoderBiasAt(), adam.decoderBias.first());
        }

        private static void compare(String name, double[] expected, int at, float[] actual) {
            double most = Arrays.stream(expected, at, at + actual.length)
                    .map(Math::abs)
                    .max()
                    .orElseThrow();
            assertTrue(most > 0, name + ": the case has no gradient");
            for (int i = 0; i < actual.length; i++) {
                assertEquals(expected[at + i], actual[i], 2e-5 * most, name + " element " + i);
            }
        }

        @Override
        public void close() {
            workers.close();
        }
    }

    @ParameterizedTest(name = "d={0} m={1} k={2} batch={3}")
    @CsvSource({"7, 13, 3, 5, 1", "3, 40, 1, 9, 2", "17, 11, 11, 6, 3", "5, 30, 5, 67, 4", "2, 3, 2, 4, 5"})
    void gradientsEqualFiniteDifferences(int d, int m, int k, int batch, long seed) {
        for (long s = seed; s < seed + 200; s += 100) {
            for (Architecture architecture : Architecture.values()) {
                try (Case c = new Case(architecture, d, m, k, batch, 1, 0, s)) {
                    c.check();
                }
            }
        }
    }

    @ParameterizedTest(name = "d={0} m={1} k={2} batch={3} auxK={4}, every {5}th latent dead")
    @CsvSource({
        "7, 13, 3, 5, 2, 2, 1",
        "5, 40, 1, 9, 30, 3, 2", // more places than dead latents
        "17, 11, 4, 6, 1, 1, 3", // all latents dead: each has entries of both losses
        "5, 30, 5, 67, 9, 4, 4"
    })
    void gradientsOfTheAuxiliaryLossEqualFiniteDifferences(
            int d, int m, int k, int batch, int auxK, int deadEvery, long seed) {
        for (long s = seed; s < seed + 200; s += 100) {
            for (Architecture architecture : Architecture.values()) {
                try (Case c = new Case(architecture, d, m, k, batch, auxK, deadEvery, s)) {
                    c.check();
                }
            }
        }
    }

    @Test
    void latentsWithoutAPositivePreActivationGetNoGradient() {
        try (Case c = new Case(Architecture.TOPK, 6, 20, 8, 5, 3, 3, 9)) {
            float[] bias = c.trainer.state().sae().encoderBias();
            for (int i = 0; i < bias.length; i++) {
                bias[i] = i < 10 ? -100 : -4;
            }
            c.check();
            for (int i = 0; i < 10; i++) {
                assertEquals(0, c.trainer.state().adam().encoderBias.first()[i]);
            }
        }
    }

    /** Of two equal latents the lower one is on; a finite difference would sit on the kink, so gradients are compared by hand. */
    @Test
    void ofEqualLatentsTheLowerIndexWins() {
        try (Case c = new Case(Architecture.TOPK, 5, 8, 1, 4, 1, 0, 3)) {
            Sae sae = c.trainer.state().sae();
            for (int i = 0; i < 8; i++) {
                System.arraycopy(sae.encoder().data(), 0, sae.encoder().data(), i * 5, 5);
                sae.encoderBias()[i] = 20;
            }
            c.trainer.step(c.rows);
            float[] gradient = c.trainer.state().adam().encoderBias.first();
            assertTrue(gradient[0] != 0);
            for (int i = 1; i < 8; i++) {
                assertEquals(0, gradient[i], "latent " + i);
            }
        }
    }

    /** Two steps: a latent is dead when it has not fired for dead_after rows, and alive again after it has fired. */
    @Test
    void deadLatentsAreCountedByRowsSinceTheyFired() {
        try (Case c = new Case(Architecture.TOPK, 5, 12, 2, 4, 1, 0, 3)) {
            double[] theta = ScalarModel.weights(c.trainer.state().sae());
            boolean[] fired = new boolean[12];
            for (int[] row : c.model.active(theta, c.scaled)) {
                for (int i : row) {
                    fired[i] = true;
                }
            }
            assertEquals(0, c.trainer.step(c.rows).dead());
            int silent = (int) IntStream.range(0, 12).filter(i -> !fired[i]).count();
            assertTrue(silent > 0);
            assertEquals(silent, c.trainer.step(c.rows).dead());
            for (int i = 0; i < 12; i++) {
                assertTrue(!fired[i] || c.trainer.state().lastFired()[i] >= 4, "latent " + i);
            }
        }
    }
}
