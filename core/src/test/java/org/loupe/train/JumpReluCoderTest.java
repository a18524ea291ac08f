package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.sae.Activation;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The threshold's gradient and path against what analysis says of them. */
class JumpReluCoderTest {
    private static final int ROWS = 20_000;
    private static final double THETA = 0.5;

    /** One latent that reads column 0 of rows from N(0, 1), with a dictionary row beside it, so that only the penalty moves θ. */
    private static Trainer trainer(List<String> keys, Workers workers) {
        List<String> all = new java.util.ArrayList<>(List.of(
                "architecture=jumprelu",
                "latents=1",
                "k=1",
                "batch=" + ROWS,
                "lr=1e-3",
                "l1=2",
                "arch.penalty.warmup=0",
                "auxk.weight=0",
                "input.normalize=false",
                "optimizer.clip=0",
                "optimizer.beta1=0",
                "optimizer.warmup=0",
                "optimizer.decay=0"));
        all.addAll(keys);
        TrainConfig config = ConfigReader.read(TrainConfig.DEFAULT, null, all);
        Trainer trainer = new Trainer(
                config,
                DataStatistics.same(new InputStatistics(RowMap.scalar(1, 2), 1, new float[] {0, 0})),
                1000,
                workers);
        System.arraycopy(new float[] {1, 0}, 0, trainer.training().encoder().data(), 0, 2);
        System.arraycopy(new float[] {0, 1}, 0, trainer.training().decoder().data(), 0, 2);
        ((Activation.JumpRelu) trainer.training().activation()).threshold()[0] = (float) THETA;
        return trainer;
    }

    private static Matrix rows(long seed) {
        Random random = new Random(seed);
        Matrix rows = Matrix.zeros(ROWS, 2);
        for (int r = 0; r < ROWS; r++) {
            rows.data()[2 * r] = (float) random.nextGaussian();
        }
        return rows;
    }

    /** E of dL/dθ = −(1/V) p(θ) (θ E[dL/df at θ] + λ); x̂ is in column 1, where x is 0, so dL/df = 2 f: 0 below θ and 2 θ above it. */
    @ParameterizedTest
    @EnumSource(StepKernel.class)
    void theGradientIsMinusTheDensityTimesWhatACrossingCosts(StepKernel kernel) {
        try (Workers workers = new Workers(2)) {
            double epsilon = 0.2 / kernel.reach();
            Trainer trainer = trainer(
                    List.of("arch.jump.kernel=" + kernel, "bandwidth=" + epsilon, "arch.jump.threshold=1"), workers);
            trainer.step(rows(1));
            double density = Math.exp(-THETA * THETA / 2) / Math.sqrt(2 * Math.PI);
            double expected = -density * (THETA * THETA + 2);
            assertEquals(expected, trainer.parameter("threshold").gradient()[0], 0.06 * Math.abs(expected));
        }
    }

    /** Under Adam a gradient that keeps its sign moves θ by its learning rate a step, whatever its size: 500 steps by 500 · lr · factor. */
    @Test
    void inFiveHundredStepsThetaMovesAsFarAsAdamSays() {
        List<String> keys = List.of(
                "lr=1e-6", "arch.jump.threshold_lr=2000", "bandwidth=1", "arch.jump.threshold=1", "optimizer.beta2=0");
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(keys, workers);
            Matrix rows = rows(2);
            for (int step = 0; step < 500; step++) {
                trainer.step(rows);
            }
            float theta = ((Activation.JumpRelu) trainer.training().activation()).threshold()[0];
            assertEquals(THETA + 500 * 1e-6 * 2000, theta, 1e-3);
        }
    }

    /** The chain rule: d/d log θ is θ d/dθ; and Adam, without a second moment's memory, moves log θ by its learning rate a step. */
    @Test
    void withLogThresholdTheStepIsOneOfItsLogarithm() {
        List<String> keys = List.of(
                "lr=1e-6", "arch.jump.threshold_lr=2000", "bandwidth=1", "arch.jump.threshold=1", "optimizer.beta2=0");
        try (Workers workers = new Workers(2)) {
            Trainer plain = trainer(keys, workers);
            List<String> log = new java.util.ArrayList<>(keys);
            log.add("arch.jump.log_threshold=true");
            Trainer trainer = trainer(log, workers);
            Matrix rows = rows(4);
            plain.step(rows);
            trainer.step(rows);
            float gradient = plain.parameter("threshold").gradient()[0];
            assertEquals(THETA * gradient, trainer.parameter("threshold").gradient()[0], 1e-5 * Math.abs(gradient));
            for (int step = 1; step < 500; step++) {
                trainer.step(rows);
            }
            float theta = ((Activation.JumpRelu) trainer.training().activation()).threshold()[0];
            assertEquals(Math.log(THETA) + 500 * 1e-6 * 2000, Math.log(theta), 1e-3);
        }
    }

    /** What pulls θ below 0 leaves it there: f = z H(z − θ) would let negative activations through. */
    @Test
    void thetaStaysAboveZero() {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(
                    List.of("arch.jump.threshold_lr=1000", "bandwidth=1", "arch.jump.threshold=1", "l1=0"), workers);
            Matrix rows = rows(3);
            for (int r = 0; r < ROWS; r++) {
                rows.data()[2 * r + 1] = 50 * rows.data()[2 * r];
            }
            boolean reached = false;
            for (int step = 0; step < 20; step++) {
                trainer.step(rows);
                float theta = ((Activation.JumpRelu) trainer.training().activation()).threshold()[0];
                assertTrue(theta >= 0, "θ = " + theta);
                reached |= theta == 0;
            }
            assertTrue(reached, "the case pulls θ to 0");
        }
    }
}
