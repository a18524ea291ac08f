package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.sae.Activation;
import org.loupe.sae.ActiveRows;
import org.loupe.sae.Encoder;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Keys;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The selection over a batch against valuing and sorting every pair. */
class BatchTopKCoderTest {
    private static Matrix random(Random random, int rows, int cols, double size) {
        Matrix out = Matrix.zeros(rows, cols);
        for (int i = 0; i < rows * cols; i++) {
            out.data()[i] = (float) (size * random.nextGaussian());
        }
        return out;
    }

    private static void assertLargestOfAll(Matrix x, Sae sae, int k, ActiveRows found) {
        int m = sae.latents();
        int d = x.cols();
        long[] keys = new long[x.rows() * m];
        for (int i = 0; i < keys.length; i++) {
            float dot = Kernels.BEST.dot(x.data(), i / m * d, sae.encoder().data(), i % m * d, d);
            keys[i] = Keys.of(dot + sae.encoderBias()[i % m], i);
        }
        Arrays.sort(keys);
        long[] expected = Arrays.stream(keys, Math.max(0, keys.length - k * x.rows()), keys.length)
                .filter(key -> Keys.value(key) > 0)
                .toArray();
        long[] actual = new long[found.entries()];
        for (int row = 0; row < x.rows(); row++) {
            for (int e = found.starts()[row]; e < found.starts()[row + 1]; e++) {
                actual[e] = Keys.of(found.value()[e], row * m + found.index()[e]);
            }
        }
        Arrays.sort(actual);
        assertEquals(Arrays.toString(expected), Arrays.toString(actual));
    }

    /** Batches of sizes that jump, so that the floor of the one before is far too high or too low for the next. */
    @ParameterizedTest(name = "{0} rows, d={1} m={2} k={3}, {4} different latents")
    @CsvSource({"300, 7, 40, 3, 40", "300, 7, 40, 3, 2", "5, 3, 9, 1, 9", "150, 5, 12, 11, 12", "1, 4, 6, 6, 6"})
    void theLargestOfTheBatchAreActive(int rows, int d, int m, int k, int distinct) {
        Random random = new Random(rows);
        Matrix w = random(random, m, d, 1);
        for (int j = distinct; j < m; j++) {
            System.arraycopy(w.data(), j % distinct * d, w.data(), j * d, d);
        }
        Sae sae = new Sae(w, new float[m], w, new float[d], new Activation.JumpRelu(new float[m]), true);
        try (Workers workers = new Workers(2)) {
            BatchTopKCoder selection =
                    new BatchTopKCoder(new KSchedule(1, 0, m), new LatentSearch(Kernels.BEST, workers));
            ActiveRows found = new ActiveRows();
            for (double size : new double[] {1, 1.1, 0.9, 40, 0.01, 1}) {
                Matrix x = random(random, rows, d, size);
                selection.select(x, sae, k, found);
                assertLargestOfAll(x, sae, k, found);
            }
        }
    }

    @Test
    void withFewerPositiveOnesThanWantedAllAreActive() {
        Random random = new Random(1);
        Matrix w = random(random, 10, 4, 1);
        float[] bias = new float[10];
        Arrays.fill(bias, -3);
        Sae sae = new Sae(w, bias, w, new float[4], new Activation.JumpRelu(new float[10]), true);
        try (Workers workers = new Workers(1)) {
            BatchTopKCoder selection =
                    new BatchTopKCoder(new KSchedule(1, 0, 10), new LatentSearch(Kernels.BEST, workers));
            ActiveRows found = new ActiveRows();
            Matrix x = random(random, 50, 4, 1);
            selection.select(x, sae, 4, found);
            assertTrue(found.entries() > 0 && found.entries() < 200, "entries: " + found.entries());
            assertLargestOfAll(x, sae, 4, found);
        }
    }

    /** What the threshold is for: encoding row by row keeps k latents on average. */
    @Test
    void theSavedSaeKeepsTheMeanThatWasAskedFor() {
        Matrix rows = Matrix.zeros(1000, TrainRuns.WIDTH);
        TrainRuns.rows().read(0, 1000, rows, 0);
        TrainConfig config = TrainRuns.config("architecture=batchtopk", "batch=1000", "tokens=300000");
        try (Workers workers = new Workers(2);
                Trainer trainer = new Trainer(config, rows, 0, 300, workers)) {
            for (int step = 0; step < 300; step++) {
                assertEquals(6, trainer.step(rows).l0(), 1e-9);
            }
            Sae sae = trainer.result();
            double l0 = new Encoder(sae, workers).encode(rows).entries() / 1000.0;
            assertEquals(6, l0, 0.3);
        }
    }
}
