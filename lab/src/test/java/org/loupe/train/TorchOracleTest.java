package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.activations.MatrixRows;
import org.loupe.lm.Tensors;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Five training steps against libtorch's autograd and Adam in doubles, from the same weights and rows. */
class TorchOracleTest {
    private static final int D = 37;
    private static final int M = 101;
    private static final int K = 5;
    private static final int BATCH = 67;
    private static final int STEPS = 5;
    private static final int AUX_K = 11;
    private static final double AUX_WEIGHT = 0.25;
    private static final double RATE = 1e-3;
    private static final double EPSILON = 1e-5;

    /** The same SAE as torch parameters, and the training step in torch operations. */
    private static final class Oracle {
        final Tensor encoder;
        final Tensor encoderBias;
        final Tensor decoder;
        final Tensor decoderBias;
        final TensorVector parameters;
        final org.bytedeco.pytorch.Adam adam;
        final long[] lastFired = new long[M];
        final Tensor map;
        final Tensor inverse;
        final double variance;

        /** Rows are scaled so that E‖x'‖² = d. */
        Oracle(Sae sae, Matrix sample) {
            this(
                    sae,
                    sample,
                    eye().mul(new Scalar(
                            Math.sqrt(D * sample.rows() / total(doubles(sample).square())))));
        }

        /** @param map M of x' = M x, symmetric */
        Oracle(Sae sae, Matrix sample, Tensor map) {
            this.map = map;
            this.inverse = torch.linalg_solve(map, eye());
            encoder = parameter(Tensors.tensor(sae.encoder()));
            encoderBias = parameter(Tensors.tensor(sae.encoderBias(), M));
            decoder = parameter(Tensors.tensor(sae.decoder()));
            decoderBias = parameter(Tensors.tensor(sae.decoderBias(), D));
            parameters = new TensorVector(encoder, encoderBias, decoder, decoderBias);
            AdamOptions options = new AdamOptions(RATE); // betas 0.9 and 0.999 by default, as ours
            options.eps().put(EPSILON);
            adam = new org.bytedeco.pytorch.Adam(parameters, options);
            variance = total(centred(doubles(sample).matmul(map)).square()) / sample.rows();
        }

        private static Tensor eye() {
            return torch.eye(D).to(torch.ScalarType.Double);
        }

        private static Tensor parameter(Tensor values) {
            return values.to(torch.ScalarType.Double).set_requires_grad(true);
        }

        private static Tensor doubles(Matrix rows) {
            return Tensors.tensor(rows).to(torch.ScalarType.Double);
        }

        private static double total(Tensor values) {
            return values.sum().item_double();
        }

        private static Tensor centred(Tensor rows) {
            return rows.sub(rows.mean(new long[] {0}, true, new ScalarTypeOptional()));
        }

        private static Tensor perRow(Tensor values) {
            return values.sum(new long[] {1}, true, new ScalarTypeOptional());
        }

        private static Tensor topK(Tensor z, int k) {
            T_TensorTensor_T top = z.topk(k, 1, true, true);
            return torch.zeros_like(z).scatter(1, top.get1(), top.get0().relu());
        }

        /** One step; gives the number of dead latents. */
        int step(Matrix rows, int number, double clip, double auxWeight) {
            return step(rows, number, clip, auxWeight, null);
        }

        /** @param weights of a judged loss beside the local one, or null */
        int step(Matrix rows, int number, double clip, double auxWeight, @Nullable DownstreamConfig weights) {
            Tensor x = doubles(rows).matmul(map);
            Tensor z = x.sub(decoderBias).matmul(encoder.t()).add(encoderBias);
            Tensor f = topK(z, K);
            Tensor xHat = f.matmul(decoder).add(decoderBias);
            Tensor loss = xHat.sub(x).square().sum().div(new Scalar(rows.rows() * variance));
            if (weights != null) {
                double factor = weights.kl();
                if (weights.balance()) {
                    Tensor leaf = xHat.detach().set_requires_grad(true);
                    leaf.sub(x)
                            .square()
                            .sum()
                            .div(new Scalar(rows.rows() * variance))
                            .backward();
                    double local = Math.sqrt(total(leaf.grad().square()));
                    leaf.mutable_grad().zero_();
                    judged(leaf.matmul(inverse)).backward();
                    factor *= local / Math.sqrt(total(leaf.grad().square()));
                }
                loss = loss.mul(new Scalar(weights.local()))
                        .add(judged(xHat.matmul(inverse)).mul(new Scalar(factor)));
            }
            long seen = (long) number * BATCH;
            int[] dead = IntStream.range(0, M)
                    .filter(i -> seen - lastFired[i] >= BATCH)
                    .toArray();
            if (dead.length > 0 && auxWeight > 0) {
                Tensor among = Tensors.tensor(dead, dead.length);
                Tensor e = x.sub(xHat).detach();
                Tensor eHat = topK(z.index_select(1, among), Math.min(AUX_K, dead.length))
                        .matmul(decoder.index_select(0, among));
                Tensor share =
                        eHat.sub(e).square().sum().div(centred(e).square().sum());
                loss = loss.add(share.mul(new Scalar(auxWeight)));
            }
            adam.zero_grad();
            loss.backward();
            try (NoGradGuard _ = new NoGradGuard()) {
                Tensor gradient = decoder.grad();
                gradient.sub_(perRow(gradient.mul(decoder)).mul(decoder));
                if (clip > 0) {
                    torch.clip_grad_norm_(parameters, clip);
                }
                adam.step();
                decoder.div_(perRow(decoder.square()).sqrt());
                float[] fired = Tensors.floats(f.sum(0));
                for (int i = 0; i < M; i++) {
                    if (fired[i] > 0) {
                        lastFired[i] = seen + BATCH;
                    }
                }
            }
            return dead.length;
        }
    }

    /** A loss of reconstructions in raw units that is not their distance from anything. */
    private static Tensor judged(Tensor xHat) {
        Tensor half = xHat.narrow(1, 0, D / 2).mul(xHat.narrow(1, D / 2, D / 2)).div(new Scalar(10));
        return half.tanh().sum().div(new Scalar(BATCH));
    }

    @ParameterizedTest(name = "local weight {0}, balanced {1}, in the metric {2}")
    @CsvSource({
        "0, false, false",
        "0, true, false",
        "0.7, false, false",
        "0.7, true, false",
        "0.7, false, true",
        "0.7, true, true"
    })
    void weightsAfterFiveJudgedStepsEqualTorch(double local, boolean balance, boolean metric) {
        TrainConfig config = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of(
                        "latents=" + M,
                        "k=" + K,
                        "batch=" + BATCH,
                        "lr=" + RATE,
                        "objective=hybrid",
                        "downstream.local=" + local,
                        "downstream.kl=2",
                        "downstream.balance=" + balance,
                        "downstream.metric=" + metric,
                        "optimizer.clip=0",
                        "optimizer.epsilon=" + EPSILON,
                        "optimizer.warmup=0",
                        "optimizer.decay=0",
                        "input.centre=mean",
                        "auxk.weight=0"));
        Random random = new Random(1);
        Matrix sample = rows(500, random);
        try (PointerScope _ = new PointerScope();
                AutoGradMode _ = new AutoGradMode(true);
                Workers workers = new Workers(2)) {
            Trainer trainer;
            Oracle oracle;
            if (metric) {
                GradientMoment moment = GradientMoment.of(new MatrixRows(rows(300, new Random(2))), workers);
                DataStatistics statistics =
                        DataStatistics.weighted(sample, moment, config.metric(), config.inputInForce(), workers);
                trainer = new Trainer(config, statistics, STEPS, workers);
                double[] matrix = statistics.inputs().map().matrix();
                Tensor map = Tensor.create(matrix, D, D);
                oracle = new Oracle(trainer.training(), sample, map);
            } else {
                trainer = new Trainer(config, sample, 0, STEPS, workers);
                oracle = new Oracle(trainer.training(), sample);
            }
            Judge judge = reconstruction -> {
                Tensor leaf = Oracle.doubles(reconstruction).set_requires_grad(true);
                Tensor loss = judged(leaf);
                loss.backward();
                return List.of(new Judge.Term(Judge.Kind.KL, loss.item_double(), Tensors.matrix(leaf.grad())));
            };
            for (int s = 0; s < STEPS; s++) {
                Matrix rows = rows(BATCH, random);
                trainer.step(rows, judge);
                oracle.step(rows, s, 0, 0, config.downstream());
            }
            Sae sae = trainer.training();
            compare("W_enc", oracle.encoder, sae.encoder().data());
            compare("b_enc", oracle.encoderBias, sae.encoderBias());
            compare("W_dec", oracle.decoder, sae.decoder().data());
            compare("b_dec", oracle.decoderBias, sae.decoderBias());
        }
    }

    private static Matrix rows(int count, Random random) {
        Matrix rows = Matrix.zeros(count, D);
        for (int i = 0; i < count * D; i++) {
            rows.data()[i] = (float) (3 * random.nextGaussian() + i % D % 3);
        }
        return rows;
    }

    @ParameterizedTest(name = "clip={0}, {1} of 3 latents seldom fire")
    @CsvSource({"0, 0", "0.05, 0", "0, 1", "0.05, 1", "0.05, 2"})
    void weightsAfterFiveStepsEqualTorch(double clip, int seldom) {
        TrainConfig config = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of(
                        "latents=" + M,
                        "k=" + K,
                        "batch=" + BATCH,
                        "lr=" + RATE,
                        "optimizer.clip=" + clip,
                        "optimizer.epsilon=" + EPSILON,
                        "optimizer.warmup=0",
                        "optimizer.decay=0",
                        "input.centre=mean",
                        "auxk.weight=" + (seldom > 0 ? AUX_WEIGHT : 0),
                        "auxk.k=" + AUX_K,
                        "auxk.dead_after=" + BATCH));
        Random random = new Random(1);
        Matrix sample = rows(500, random);
        try (PointerScope _ = new PointerScope();
                AutoGradMode _ = new AutoGradMode(true);
                Workers workers = new Workers(2)) {
            Trainer trainer = new Trainer(config, sample, 0, STEPS, workers);
            Sae sae = trainer.training();
            for (int i = 0; i < M; i++) {
                sae.encoderBias()[i] = i % 3 < seldom ? -1.5f : 0.1f * i / M;
            }
            Oracle oracle = new Oracle(sae, sample);
            int revived = 0;
            double norm = 0;
            for (int s = 0; s < STEPS; s++) {
                Matrix rows = rows(BATCH, random);
                StepStats stats = trainer.step(rows);
                int dead = oracle.step(rows, s, clip, config.auxk().weight());
                assertEquals(dead, stats.dead());
                revived += dead;
                norm = Math.max(norm, stats.gradNorm());
            }
            assertTrue(seldom == 0 || revived > 20, "dead latents took part: " + revived);
            assertTrue(clip == 0 || norm > 2 * clip, "gradients were clipped: " + norm);
            compare("W_enc", oracle.encoder, sae.encoder().data());
            compare("b_enc", oracle.encoderBias, sae.encoderBias());
            compare("W_dec", oracle.decoder, sae.decoder().data());
            compare("b_dec", oracle.decoderBias, sae.decoderBias());
        }
    }

    private static void compare(String name, Tensor expected, float[] actual) {
        float[] values = Tensors.floats(expected);
        assertEquals(values.length, actual.length);
        for (int i = 0; i < values.length; i++) {
            assertEquals(values[i], actual[i], 1e-5, name + " element " + i);
        }
    }
}
