package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Where codes begin, and how those that nothing uses are moved. Their gradients are GradientsTest's. */
class CodeCoderTest {
    private static final int WIDTH = 5;
    private static final int BATCH = 40;

    private static TrainConfig config(String... keys) {
        TrainConfig base = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of(
                        "architecture=residual_vq",
                        "latents=20",
                        "k=2",
                        "batch=" + BATCH,
                        "auxk.dead_after=" + BATCH,
                        "input.normalize=false"));
        return ConfigReader.read(base, null, List.of(keys));
    }

    private static Matrix batch(long seed) {
        Random random = new Random(seed);
        Matrix rows = Matrix.zeros(BATCH, WIDTH);
        for (int i = 0; i < rows.data().length; i++) {
            rows.data()[i] = (float) random.nextGaussian();
        }
        return rows;
    }

    private static Trainer trainer(TrainConfig config, Workers workers) {
        return new Trainer(config, batch(0), 0, 10, workers);
    }

    private static float[] row(float[] values, int i) {
        return Arrays.copyOfRange(values, i * WIDTH, (i + 1) * WIDTH);
    }

    /** With a learning rate of almost 0 the step leaves the codes where k-means on the batch has put them: at means, stage by stage. */
    @Test
    void codesBeginAsMeansOfWhatTheStagesBeforeThemLeave() {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(config("lr=1e-30"), workers);
            float[] bias = trainer.training().decoderBias().clone();
            Matrix rows = batch(1);
            trainer.step(rows);
            float[] codes = trainer.training().decoder().data();
            double[][] residuals = new double[BATCH][WIDTH];
            for (int r = 0; r < BATCH; r++) {
                for (int c = 0; c < WIDTH; c++) {
                    residuals[r][c] = rows.at(r, c) - bias[c];
                }
            }
            int used = 0;
            for (int stage = 0; stage < 2; stage++) {
                double[][] sums = new double[10][WIDTH];
                int[] count = new int[10];
                int[] nearest = new int[BATCH];
                for (int r = 0; r < BATCH; r++) {
                    nearest[r] = nearest(residuals[r], codes, 10 * stage);
                    count[nearest[r]]++;
                    for (int c = 0; c < WIDTH; c++) {
                        sums[nearest[r]][c] += residuals[r][c];
                    }
                }
                for (int i = 0; i < 10; i++) {
                    for (int c = 0; c < WIDTH && count[i] > 0; c++) {
                        assertEquals(sums[i][c] / count[i], codes[(10 * stage + i) * WIDTH + c], 1e-5);
                    }
                    used += count[i] > 1 ? 1 : 0;
                }
                for (int r = 0; r < BATCH; r++) {
                    for (int c = 0; c < WIDTH; c++) {
                        residuals[r][c] -= codes[(10 * stage + nearest[r]) * WIDTH + c];
                    }
                }
            }
            assertTrue(used >= 15, used + " codes stand for several rows");
        }
    }

    private static int nearest(double[] row, float[] codes, int first) {
        int best = 0;
        double least = Double.POSITIVE_INFINITY;
        for (int i = 0; i < 10; i++) {
            double distance = 0;
            for (int c = 0; c < WIDTH; c++) {
                distance += Math.pow(row[c] - codes[(first + i) * WIDTH + c], 2);
            }
            if (distance < least) {
                least = distance;
                best = i;
            }
        }
        return best;
    }

    private static float[] left(Matrix rows, int r, float[] bias, float[] code) {
        float[] out = new float[WIDTH];
        for (int c = 0; c < WIDTH; c++) {
            out[c] = rows.at(r, c) - bias[c] - code[c];
        }
        return out;
    }

    private static boolean close(float[] a, float[] b) {
        return IntStream.range(0, WIDTH).allMatch(c -> Math.abs(a[c] - b[c]) < 1e-5);
    }

    /** The row, less b_dec, that a code is; −1 for none. */
    private static int rowOf(Matrix rows, float[] bias, float[] code) {
        return IntStream.range(0, BATCH)
                .filter(r -> close(left(rows, r, bias, new float[WIDTH]), code))
                .findFirst()
                .orElse(-1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aCodeThatNothingUsesIsMovedToARowWithoutItsMoments(boolean restart) {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(config("lr=1e-30", "arch.vq.restart=" + restart), workers);
            trainer.step(batch(1));
            float[] far = {1e3f, 0, 0, 0, 0};
            float[] codes = trainer.training().decoder().data();
            float[] bias = trainer.training().decoderBias().clone();
            System.arraycopy(far, 0, codes, 3 * WIDTH, WIDTH);
            Matrix rows = batch(2);
            StepStats stats = trainer.step(rows);
            assertEquals(2, stats.l0());
            if (restart) {
                assertTrue(rowOf(rows, bias, row(codes, 3)) >= 0, "now a row of the batch");
                assertArrayEquals(
                        new float[WIDTH], row(trainer.parameter("decoder").first(), 3));
                assertArrayEquals(
                        new float[WIDTH], row(trainer.parameter("decoder").second(), 3));
                assertEquals(2 * BATCH, trainer.state().lastFired()[3]);
            } else {
                assertArrayEquals(far, row(codes, 3), 1e-25f); // moments of the first step move it by lr
                assertNotEquals(2 * BATCH, trainer.state().lastFired()[3]);
            }
        }
    }

    /** Where training ends, each code is the mean of the rows that are nearest to it: k-means' fixed point. */
    @Test
    void codesEndAsMeansOfTheirRows() {
        Random random = new Random(8);
        Matrix rows = Matrix.zeros(400, WIDTH);
        for (int r = 0; r < 400; r++) {
            for (int c = 0; c < WIDTH; c++) {
                rows.data()[r * WIDTH + c] = (float) (r * (c + 3) % 7 + 0.3 * random.nextGaussian());
            }
        }
        TrainConfig config = ConfigReader.read(
                config(), null, List.of("architecture=vq", "batch=400", "lr=1e-2", "auxk.dead_after=40000"));
        try (Workers workers = new Workers(2)) {
            Trainer trainer = new Trainer(config, rows, 0, 2000, workers);
            double first = trainer.step(rows).fvu();
            StepStats stats = trainer.step(rows);
            for (int step = 2; step < 2000; step++) {
                stats = trainer.step(rows);
            }
            assertTrue(stats.fvu() < first, first + " … " + stats.fvu());
            Sae sae = trainer.result();
            Latents f = new Encoder(sae, workers).encode(rows);
            for (int i = 0; i < sae.latents(); i++) {
                double[] sum = new double[WIDTH];
                int n = 0;
                for (int r = 0; r < 400; r++) {
                    n += f.index()[r] == i ? 1 : 0;
                    for (int c = 0; f.index()[r] == i && c < WIDTH; c++) {
                        sum[c] += rows.at(r, c);
                    }
                }
                for (int c = 0; n > 0 && c < WIDTH; c++) {
                    assertEquals(sum[c] / n, sae.decoder().at(i, c) + sae.decoderBias()[c], 5e-3, "code " + i);
                }
            }
        }
    }
}
