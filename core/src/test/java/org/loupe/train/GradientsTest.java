package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The backward written by hand against central differences of {@link ScalarModel}. */
class GradientsTest {
    private static final double SCALE = 1.75;
    private static final double VARIANCE = 3.25;
    private static final double GRADIENT_SCALE = 0.6;

    private static final long STEP = 5;

    /** One trainer in the middle of a run, its random weights, and the same step as a scalar model. */
    private static final class Case implements AutoCloseable {
        final Workers workers = new Workers(2);
        final Trainer trainer;
        final Matrix rows;
        final double[][] scaled;
        final ScalarModel model;

        Case(Shape shape, List<String> keys, int auxK, int deadEvery, long seed) {
            Random random = new Random(seed);
            int d = shape.d();
            int m = shape.m();
            int batch = shape.batch();
            List<String> all = new ArrayList<>(List.of(
                    "latents=" + m,
                    "k=" + shape.k(),
                    "batch=" + batch,
                    "seed=" + seed,
                    "l1=0.7",
                    "bandwidth=0.8",
                    "arch.penalty.warmup=0",
                    "arch.penalty.p=1",
                    "arch.jump.threshold=0.6",
                    "resample.until=0",
                    "optimizer.beta1=0",
                    "optimizer.clip=0",
                    "auxk.weight=" + (deadEvery > 0 ? 0.3 : 0),
                    "auxk.k=" + auxK,
                    "auxk.dead_after=" + batch));
            all.addAll(keys);
            TrainConfig config = ConfigReader.read(TrainConfig.DEFAULT, null, all);
            DataStatistics statistics = DataStatistics.same(
                            new InputStatistics(RowMap.scalar(SCALE, d), VARIANCE, new float[d]))
                    .withGradients(GRADIENT_SCALE);
            trainer = new Trainer(config, statistics, 2 * STEP, workers);
            TrainState start = trainer.state();
            Arrays.fill(start.lastFired(), STEP * batch);
            int[] dead = deadEvery == 0
                    ? new int[0]
                    : IntStream.range(0, m).filter(i -> i % deadEvery == 0).toArray();
            for (int i : dead) {
                start.lastFired()[i] = (STEP - 1) * batch;
            }
            trainer.restore(
                    new TrainState(STEP, statistics, start.arrays(), start.control(), start.lastFired()),
                    Path.of("none"));
            randomise(config, random);
            Matrix x = Matrix.zeros(batch, d);
            fill(x.data(), random, 1);
            Matrix g = Matrix.zeros(config.readsGradients() ? batch : 0, d);
            fill(g.data(), random, 2);
            for (int c = 0; g.rows() > 0 && c < d; c++) {
                g.data()[c] *= 50; // so long that it is shortened
            }
            rows = g.rows() > 0 ? Matrix.beside(List.of(x, g)) : x;
            scaled = new double[batch][d];
            for (int r = 0; r < batch; r++) {
                for (int c = 0; c < d; c++) {
                    scaled[r][c] = (float) (x.at(r, c) * SCALE);
                }
            }
            ArchitectureConfig.Gumbel gumbel = config.arch().gumbel();
            double temperature = Math.sqrt(VARIANCE / d) * Math.sqrt(gumbel.temperature() * gumbel.final_temperature());
            long salt = GumbelCoder.salt(ScalarModel.PROGRESS);
            model = new ScalarModel(
                    d,
                    m,
                    shape.k(),
                    config,
                    VARIANCE,
                    0.7,
                    temperature,
                    (row, latent) -> gumbel.noise() * temperature * GumbelCoder.noise(seed, salt, row, latent),
                    0.3,
                    auxK,
                    dead,
                    unit(g));
        }

        /** ĝ by its definition. */
        private static double[][] unit(Matrix g) {
            int d = g.cols();
            double[][] out = new double[g.rows()][d];
            for (int r = 0; r < g.rows(); r++) {
                double squares = 0;
                for (int c = 0; c < d; c++) {
                    squares += Math.pow(GRADIENT_SCALE * g.at(r, c), 2);
                }
                for (int c = 0; c < d; c++) {
                    out[r][c] = GRADIENT_SCALE * g.at(r, c) * Math.min(1, 3 * Math.sqrt(d / squares));
                }
            }
            return out;
        }

        private void randomise(TrainConfig config, Random random) {
            Sae sae = trainer.training();
            fill(sae.decoderBias(), random, 1);
            if (config.architecture().classic()) {
                fill(sae.decoder().data(), random, 0.7);
            }
            if (config.architecture().tied()) {
                return;
            }
            fill(sae.encoder().data(), random, 1);
            fill(sae.encoderBias(), random, 0.5);
            int d = sae.dIn();
            for (int i = 0; i < sae.latents(); i++) {
                if (config.norms() == Norms.FREE) {
                    Kernels.BEST.scale(0.5f + random.nextFloat(), sae.decoder().data(), i * d, d);
                }
                if (config.aligned()) {
                    float inner = Kernels.BEST.dot(
                            sae.encoder().data(), i * d, sae.decoder().data(), i * d, d);
                    Kernels.BEST.addScaled(
                            1 - inner,
                            sae.decoder().data(),
                            i * d,
                            sae.encoder().data(),
                            i * d,
                            d);
                }
            }
            switch (sae.activation()) {
                case Activation.JumpRelu jump
                when config.architecture() == Architecture.JUMPRELU -> {
                    for (int i = 0; i < jump.threshold().length; i++) {
                        jump.threshold()[i] = 0.2f + random.nextFloat();
                    }
                }
                case Activation.Gated gated -> {
                    fill(gated.logScale(), random, 0.5);
                    fill(gated.magnitudeBias(), random, 0.5);
                }
                case Activation.SignedGated gated -> {
                    fill(gated.logScale(), random, 0.5);
                    fill(gated.magnitudeBias(), random, 0.5);
                    fill(gated.negativeBias(), random, 0.5);
                    fill(gated.negativeMagnitudeBias(), random, 0.5);
                }
                default -> {}
            }
        }

        private static void fill(float[] values, Random random, double size) {
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (size * random.nextGaussian());
            }
        }

        /** Does the step and compares what it says of itself with the scalar model at θ. */
        private StepStats step(double[] theta) {
            double[][][] levels = model.activations(theta, scaled, theta);
            double[][] f = levels[levels.length - 1];
            double[][] residual = model.residual(theta, scaled, f);
            double loss = model.loss(theta, scaled, theta);
            StepStats stats = trainer.step(rows);

            assertEquals(loss, stats.loss(), 2e-5 * loss);
            assertEquals(ScalarModel.squares(residual) / ScalarModel.spread(scaled), stats.fvu(), 1e-5 * stats.fvu());
            if (model.config().architecture() != Architecture.GUMBEL_TOPK
                    && model.config().architecture() != Architecture.MATCHING_PURSUIT) {
                double active = Arrays.stream(f)
                        .flatMapToDouble(Arrays::stream)
                        .filter(v -> v != 0)
                        .count();
                assertEquals(active / scaled.length, stats.l0(), 1e-12);
            }
            assertEquals(model.dead().length, stats.dead());
            return stats;
        }

        /** Does the step and compares all that it gives with the scalar model. */
        void check(Set<String> moved) {
            double[] theta = ScalarModel.weights(trainer.training());
            double[] expected = model.gradient(theta, scaled);
            if (model.config().norms() == Norms.UNIT) {
                model.removeParallel(theta, expected);
            }
            StepStats stats = step(theta);
            double norm = Math.sqrt(Arrays.stream(expected).map(g -> g * g).sum());
            assertEquals(norm, stats.gradNorm(), 1e-4 * norm);

            // With β₁ = 0 and no clipping the first moment is the gradient itself.
            if (!model.config().architecture().tied()) {
                compare(moved, "encoder", expected, 0);
                compare(moved, "encoder_bias", expected, model.encoderBiasAt());
            }
            compare(moved, "decoder", expected, model.decoderAt());
            compare(moved, "decoder_bias", expected, model.decoderBiasAt());
            if (model.config().cosine()) {
                compare(moved, "score_exponent", expected, ScalarModel.exponentAt(expected));
            }
            switch (model.config().architecture()) {
                case JUMPRELU -> compare(moved, "threshold", expected, model.ownAt());
                case GATED -> {
                    compare(moved, "log_scale", expected, model.ownAt());
                    compare(moved, "magnitude_bias", expected, model.ownAt() + model.m());
                }
                case SIGN_AWARE_GATED -> {
                    compare(moved, "log_scale", expected, model.ownAt());
                    compare(moved, "magnitude_bias", expected, model.ownAt() + model.m());
                    compare(moved, "negative_bias", expected, model.ownAt() + 2 * model.m());
                    compare(moved, "negative_magnitude_bias", expected, model.ownAt() + 3 * model.m());
                }
                default -> {}
            }
        }

        /**
         * Does the step and compares where codes and b_dec have gone with the gradient G of the scalar model's loss, whose factor is
         * φ: c − (1 − γ) G / (2φN), N of the coder's state, and b_dec − (1 − γ) G / (2φ rows stages).
         */
        void checkCodes(Set<String> moved) {
            TrainConfig config = model.config();
            double fresh = 1 - config.arch().vq().decay();
            float[] taken = Objects.requireNonNull(trainer.state().arrays().get("codes.taken"));
            for (int i = 0; i < taken.length; i++) {
                taken[i] = 0.5f + i % 3;
            }
            float[] before = taken.clone();
            double[] theta = ScalarModel.weights(trainer.training());
            double[] gradient = model.gradient(theta, scaled);
            double[][] f = model.activations(theta, scaled, theta)[0];
            step(theta);
            double[] expected = theta.clone();
            double factor = 1 / (scaled.length * VARIANCE);
            int d = scaled[0].length;
            for (int i = 0; i < model.m(); i++) {
                int latent = i;
                double n = Arrays.stream(f).mapToDouble(row -> row[latent]).sum();
                double kept = (1 - fresh) * before[i] + fresh * n;
                assertEquals(kept, taken[i], 1e-5 * (1 + kept));
                for (int c = 0; n > 0 && c < d; c++) {
                    int at = model.decoderAt() + i * d + c;
                    expected[at] -= fresh * gradient[at] / (2 * factor * kept);
                }
            }
            double stages = Arrays.stream(f[0]).sum();
            for (int c = 0; c < d; c++) {
                int at = model.decoderBiasAt() + c;
                expected[at] -= fresh * gradient[at] / (2 * factor * scaled.length * stages);
            }
            double[] after = ScalarModel.weights(trainer.training());
            for (int at = model.decoderAt(); at < model.ownAt(); at++) {
                assertEquals(expected[at], after[at], 1e-5 * (1 + Math.abs(expected[at])), "weight " + at);
                if (Math.abs(expected[at] - theta[at]) > 1e-3) {
                    moved.add(at < model.decoderBiasAt() ? "decoder" : "decoder_bias");
                }
            }
        }

        private void compare(Set<String> moved, String name, double[] expected, int at) {
            float[] actual = trainer.parameter(name).first();
            double most = Arrays.stream(expected, at, at + actual.length)
                    .map(Math::abs)
                    .max()
                    .orElseThrow();
            if (most > 0) {
                moved.add(name);
            }
            for (int i = 0; i < actual.length; i++) {
                assertEquals(expected[at + i], actual[i], 1e-4 * most, name + " element " + i);
            }
        }

        @Override
        public void close() {
            workers.close();
        }
    }

    private record Shape(int d, int m, int k, int batch) {}

    private static final List<Shape> SHAPES = List.of(
            new Shape(7, 13, 3, 5),
            new Shape(3, 30, 1, 9),
            new Shape(17, 11, 11, 6),
            new Shape(5, 21, 3, 35),
            new Shape(2, 3, 2, 4));

    @ParameterizedTest
    @ValueSource(
            strings = {
                "architecture=topk",
                "architecture=topk loss=norm",
                "architecture=topk aligned=true",
                "architecture=hierarchical_topk",
                "architecture=gumbel_topk",
                "architecture=gumbel_topk arch.gumbel.form=relaxed",
                "architecture=gumbel_topk arch.gumbel.form=relaxed arch.gumbel.noise=0",
                "architecture=batchtopk",
                "architecture=matryoshka arch.nested.prefixes=3",
                "architecture=matryoshka loss=norm aligned=true",
                "architecture=abstopk",
                "architecture=matching_pursuit",
                "architecture=relu",
                "architecture=relu norms=free",
                "architecture=relu norms=free arch.penalty.form=tanh",
                "architecture=relu loss=norm",
                "architecture=relu aligned=true arch.penalty.p=1.5",
                "architecture=p_anneal arch.penalty.p=0.5",
                "architecture=jumprelu",
                "architecture=jumprelu arch.jump.input_gradient=true",
                "architecture=jumprelu arch.jump.penalty=quadratic",
                "architecture=jumprelu arch.jump.penalty=tanh norms=free arch.jump.kernel=gaussian",
                "architecture=jumprelu arch.jump.kernel=epanechnikov",
                "architecture=jumprelu arch.jump.preactivation=0.4",
                "architecture=jumprelu arch.jump.preactivation=2 arch.jump.input_gradient=true norms=free",
                "architecture=gated",
                "architecture=gated norms=free",
                "architecture=gated loss=norm aligned=true",
                "architecture=sign_aware_gated",
                "architecture=sign_aware_gated norms=free",
                "architecture=topk cosine=true",
                "architecture=relu cosine=true norms=free",
                "architecture=matryoshka cosine=true",
                "architecture=jumprelu cosine=true",
                "architecture=gated cosine=true loss=norm",
                "architecture=abstopk cosine=true",
                "architecture=topk objective=gradient_weighted gradient.form=token gradient.beta=0.8",
                "architecture=topk aligned=true objective=gradient_weighted gradient.form=token gradient.beta=3",
                "architecture=hierarchical_topk objective=gradient_weighted gradient.form=token gradient.beta=2",
                "architecture=matryoshka objective=gradient_weighted gradient.form=token gradient.beta=2",
                "architecture=matching_pursuit objective=gradient_weighted gradient.form=token gradient.beta=2",
                "architecture=relu norms=free objective=gradient_weighted gradient.form=token gradient.beta=2",
                "architecture=jumprelu objective=gradient_weighted gradient.form=token gradient.beta=0",
                "architecture=gated objective=gradient_weighted gradient.form=token gradient.beta=2",
                "architecture=topk gradient.select=1.5",
                "architecture=topk gradient.select=0.4 objective=gradient_weighted gradient.form=token gradient.beta=1"
            })
    void gradientsEqualFiniteDifferences(String keys) {
        long seed = 1;
        Set<String> moved = new TreeSet<>();
        List<String> wanted = new ArrayList<>(List.of("decoder", "decoder_bias"));
        for (Shape shape : SHAPES) {
            for (int deadEvery : shape.m() < 20 ? new int[] {0, 3} : new int[] {0}) {
                try (Case c = new Case(shape, List.of(keys.split(" ")), 4, deadEvery, seed++)) {
                    c.check(moved);
                    wanted.addAll(c.trainer.parameters());
                }
            }
        }
        if (keys.contains("matching_pursuit")) {
            wanted.removeAll(List.of("encoder", "encoder_bias"));
        }
        assertTrue(moved.containsAll(wanted), "parameters with a gradient: " + moved + " of " + wanted);
    }

    /** Codebook and commitment, assignments and what is not differentiated held fixed: each moves against its term's gradient. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "architecture=vq",
                "architecture=vq arch.vq.commitment=2 arch.vq.decay=0",
                "architecture=residual_vq",
                "architecture=residual_vq arch.vq.commitment=0 arch.vq.decay=0.6"
            })
    void codesMoveAgainstFiniteDifferences(String keys) {
        List<Shape> shapes = List.of(
                new Shape(7, 12, 3, 5), new Shape(3, 30, 1, 9), new Shape(17, 11, 11, 6), new Shape(5, 21, 3, 150));
        long seed = 1;
        Set<String> moved = new TreeSet<>();
        for (Shape shape : shapes) {
            List<String> all = List.of((keys + " arch.vq.restart=false").split(" "));
            try (Case c = new Case(shape, all, 4, 0, seed++)) {
                c.checkCodes(moved);
            }
        }
        assertEquals(keys.contains("commitment=0") ? Set.of("decoder") : Set.of("decoder", "decoder_bias"), moved);
    }

    @ParameterizedTest(name = "auxK={0}, every {1}th latent dead")
    @CsvSource({
        "2, 2", "30, 3", // more places than dead latents
        "1, 1", // all latents dead: each has entries of both losses
    })
    void gradientsOfTheAuxiliaryLossEqualFiniteDifferences(int auxK, int deadEvery) {
        for (Shape shape : SHAPES) {
            try (Case c = new Case(shape, List.of("architecture=topk"), auxK, deadEvery, 11)) {
                c.check(new TreeSet<>());
            }
        }
    }

    @Test
    void latentsWithoutAPositivePreActivationGetNoGradient() {
        try (Case c = new Case(new Shape(6, 20, 8, 5), List.of(), 3, 3, 9)) {
            float[] bias = c.trainer.training().encoderBias();
            for (int i = 0; i < bias.length; i++) {
                bias[i] = i < 10 ? -100 : -4;
            }
            c.check(new TreeSet<>());
            for (int i = 0; i < 10; i++) {
                assertEquals(0, c.trainer.parameter("encoder_bias").first()[i]);
            }
        }
    }

    /** Of two equal latents the lower one is on; a finite difference would sit on the kink, so gradients are compared by hand. */
    @Test
    void ofEqualLatentsTheLowerIndexWins() {
        try (Case c = new Case(new Shape(5, 8, 1, 4), List.of(), 1, 0, 3)) {
            Sae sae = c.trainer.training();
            for (int i = 0; i < 8; i++) {
                System.arraycopy(sae.encoder().data(), 0, sae.encoder().data(), i * 5, 5);
                sae.encoderBias()[i] = 20;
            }
            c.trainer.step(c.rows);
            float[] gradient = c.trainer.parameter("encoder_bias").first();
            assertTrue(gradient[0] != 0);
            for (int i = 1; i < 8; i++) {
                assertEquals(0, gradient[i], "latent " + i);
            }
        }
    }

    /** Two steps: a latent is dead when it has not fired for dead_after rows, and alive again after it has fired. */
    @Test
    void deadLatentsAreCountedByRowsSinceTheyFired() {
        try (Case c = new Case(new Shape(5, 12, 2, 4), List.of(), 1, 0, 3)) {
            double[] theta = ScalarModel.weights(c.trainer.training());
            boolean[] fired = new boolean[12];
            for (double[] row : c.model.activations(theta, c.scaled, theta)[0]) {
                for (int i = 0; i < row.length; i++) {
                    fired[i] |= row[i] > 0;
                }
            }
            assertEquals(0, c.trainer.step(c.rows).dead());
            int silent = (int) IntStream.range(0, 12).filter(i -> !fired[i]).count();
            assertTrue(silent > 0);
            assertEquals(silent, c.trainer.step(c.rows).dead());
            for (int i = 0; i < 12; i++) {
                assertTrue(!fired[i] || c.trainer.state().lastFired()[i] >= (STEP + 1) * 4, "latent " + i);
            }
        }
    }
}
