package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.ScalarKernels;
import org.loupe.tensor.VectorKernels;
import org.loupe.tensor.Workers;

/** Dense batches by {@link DenseRows} and {@link DenseGradients} against the sparse products, which {@link GradientsTest} checks. */
class DenseBatchesTest {
    private static final double ALWAYS = 0;
    private static final double NEVER = 4;
    private static final int STEPS = 4;

    /** A few steps; the last step's figures and all weights and moments. */
    private record Run(List<StepStats> stats, Map<String, float[]> arrays, long[] lastFired) {
        static Run of(String keys, int d, int m, int batch, double dense, int threads) {
            List<String> all = new ArrayList<>(List.of(
                    "latents=" + m,
                    "k=2",
                    "batch=" + batch,
                    "seed=5",
                    "lr=0.01",
                    "l1=0.5",
                    "arch.penalty.warmup=0",
                    "bandwidth=0.5",
                    "arch.penalty.begin=0",
                    "auxk.k=3",
                    "auxk.dead_after=" + batch,
                    "threads=" + threads));
            all.addAll(List.of(keys.split(" ")));
            TrainConfig config = ConfigReader.read(TrainConfig.DEFAULT, null, all);
            Random random = new Random(8);
            Matrix[] rows = new Matrix[STEPS];
            for (int s = 0; s < STEPS; s++) {
                rows[s] = Matrix.zeros(batch, d);
                for (int i = 0; i < batch * d; i++) {
                    rows[s].data()[i] = (float) random.nextGaussian() * (1 + i % d);
                }
            }
            try (Workers workers = new Workers(threads);
                    Trainer trainer = new Trainer(
                            config,
                            DataStatistics.of(rows[0], List.of(d), config.input(), workers),
                            100,
                            dense,
                            workers)) {
                float[] bias = trainer.training().encoderBias();
                Arrays.fill(bias, 0, bias.length / 5, -50); // latents that never fire: AuxK has work
                List<StepStats> stats = new ArrayList<>();
                for (Matrix batchRows : rows) {
                    stats.add(trainer.step(batchRows));
                }
                Map<String, float[]> arrays = new TreeMap<>();
                trainer.state().arrays().forEach((name, values) -> arrays.put(name, values.clone()));
                return new Run(stats, arrays, trainer.state().lastFired().clone());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "architecture=relu",
                "architecture=relu norms=free",
                "architecture=relu loss=norm auxk.weight=0.3",
                "architecture=p_anneal",
                "architecture=jumprelu arch.jump.threshold=0.1",
                "architecture=jumprelu arch.jump.threshold=0.1 arch.jump.penalty=tanh norms=free",
                "architecture=gated",
                "architecture=sign_aware_gated",
                "architecture=gated norms=free auxk.weight=0.3",
                "architecture=topk auxk.weight=0.3",
                "architecture=batchtopk"
            })
    void trainAsTheSparseProductsDo(String keys) {
        for (int[] shape : new int[][] {{5, 33, 70}, {17, 200, 131}, {193, 130, 33}, {1, 2, 3}}) {
            Run sparse = Run.of(keys, shape[0], shape[1], shape[2], NEVER, 1);
            Run dense = Run.of(keys, shape[0], shape[1], shape[2], ALWAYS, 1);
            for (int s = 0; s < STEPS; s++) {
                StepStats expected = sparse.stats().get(s);
                StepStats actual = dense.stats().get(s);
                assertEquals(expected.loss(), actual.loss(), 1e-4 * Math.abs(expected.loss()), "loss of step " + s);
                assertEquals(expected.l0(), actual.l0(), 2.0 / shape[2], "L0 of step " + s);
                assertEquals(expected.gradNorm(), actual.gradNorm(), 1e-3 * expected.gradNorm());
            }
            assertArrayEquals(sparse.lastFired(), dense.lastFired());
            sparse.arrays().forEach((name, expected) -> {
                float[] actual = Objects.requireNonNull(dense.arrays().get(name));
                double most = 0;
                double difference = 0;
                for (int i = 0; i < expected.length; i++) {
                    most += (double) expected[i] * expected[i];
                    difference += Math.pow((double) expected[i] - actual[i], 2);
                }
                assertTrue(
                        Math.sqrt(difference) <= 1e-3 * Math.sqrt(most) + 1e-9,
                        name + ": " + Math.sqrt(difference) + " of " + Math.sqrt(most));
            });
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "architecture=relu norms=free",
                "architecture=jumprelu arch.jump.threshold=0.1",
                "architecture=gated auxk.weight=0.3"
            })
    void threadsChangeNoBit(String keys) {
        Run one = Run.of(keys, 17, 300, 300, ALWAYS, 1);
        Run two = Run.of(keys, 17, 300, 300, ALWAYS, 2);
        Run three = Run.of(keys, 17, 300, 300, ALWAYS, 3);
        one.arrays().forEach((name, values) -> {
            assertArrayEquals(values, two.arrays().get(name), name);
            assertArrayEquals(values, three.arrays().get(name), name);
        });
        for (int s = 0; s < STEPS; s++) {
            assertEquals(one.stats().get(s).loss(), two.stats().get(s).loss());
            assertEquals(one.stats().get(s).loss(), three.stats().get(s).loss());
        }
    }

    /** Decoding adds in the same order, so it gives the same bits; slopes are sums in another order. */
    @Test
    void decodingHasTheBitsOfTheSparseSums() {
        Random random = new Random(3);
        int rows = 140;
        for (Kernels kernels : new Kernels[] {new VectorKernels(), new ScalarKernels()}) {
            for (int[] shape : new int[][] {{1, 1}, {5, 31}, {64, 33}, {200, 130}, {448, 65}}) {
                int d = shape[0];
                int m = shape[1];
                int[] cuts = new int[rows + 1];
                int[] index = new int[rows * m];
                float[] f = new float[rows * m];
                int n = 0;
                for (int r = 0; r < rows; r++) {
                    for (int i = 0; i < m; i++) {
                        if (random.nextInt(3) == 0) {
                            index[n] = i;
                            f[n++] = (float) random.nextGaussian();
                        }
                    }
                    cuts[r + 1] = n;
                }
                Matrix dictionary = Matrix.zeros(m, d);
                Matrix gradient = Matrix.zeros(rows, d);
                float[] bias = new float[d];
                for (float[] values : new float[][] {dictionary.data(), gradient.data(), bias}) {
                    for (int i = 0; i < values.length; i++) {
                        values[i] = (float) random.nextGaussian();
                    }
                }
                try (Workers workers = new Workers(2)) {
                    Matrix expected = Matrix.zeros(rows, d);
                    Matrix actual = Matrix.zeros(rows, d);
                    SparseRows sparse = new SparseRows(kernels, workers, NEVER);
                    SparseRows dense = new SparseRows(kernels, workers, ALWAYS);
                    sparse.decode(rows, 1, cuts, index, f, dictionary, bias, expected);
                    dense.decode(rows, 1, cuts, index, f, dictionary, bias, actual);
                    assertArrayEquals(expected.data(), actual.data());
                    float[] wanted = new float[n];
                    float[] slopes = new float[n];
                    sparse.slopes(rows, 1, cuts, index, dictionary, gradient, wanted);
                    dense.slopes(rows, 1, cuts, index, dictionary, gradient, slopes);
                    assertArrayEquals(wanted, slopes, 1e-4f);
                }
            }
        }
    }
}
