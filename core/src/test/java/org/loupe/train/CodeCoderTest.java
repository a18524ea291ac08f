package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
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

/** Where codes begin, where they end, and how those that nothing uses are moved. Their steps are GradientsTest's. */
class CodeCoderTest {
    private static final int WIDTH = 5;
    private static final int BATCH = 40;
    private static final String STILL = "arch.vq.decay=0.9999999";

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

    /** A step that keeps nearly all of the means leaves codes where the first batch has put them. */
    @Test
    void codesBeginAsShrunkMeansOfWhatTheStagesBeforeThemLeave() {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(config(STILL), workers);
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
            int moved = 0;
            for (int stage = 0; stage < 2; stage++) {
                double[][] expected = shrunkMeans(residuals, 10 * stage);
                for (int i = 0; i < 10; i++) {
                    moved += norm(expected[i]) > 0 ? 1 : 0;
                    for (int c = 0; c < WIDTH; c++) {
                        assertEquals(expected[i][c], codes[(10 * stage + i) * WIDTH + c], 1e-5, "code " + i);
                    }
                }
                for (double[] row : residuals) {
                    double[] code = expected[nearest(row, expected)];
                    Arrays.setAll(row, c -> row[c] - code[c]);
                }
            }
            assertTrue(moved >= 15, moved + " codes are not 0");
        }
    }

    /** Ten rounds of k-means from picked rows, and (1 − σ² / (n ‖c‖²))₊ of each mean. */
    private static double[][] shrunkMeans(double[][] rows, int first) {
        RowPicks picks = RowPicks.of(0, 0, BATCH);
        double[][] codes = new double[10][];
        for (int i = 0; i < 10; i++) {
            codes[i] = rows[picks.row(first + i)].clone();
        }
        int[] of = new int[BATCH];
        for (int round = 0; round < 10; round++) {
            for (int r = 0; r < BATCH; r++) {
                of[r] = nearest(rows[r], codes);
            }
            for (int i = 0; i < 10; i++) {
                int code = i;
                int[] mine =
                        IntStream.range(0, BATCH).filter(r -> of[r] == code).toArray();
                for (int c = 0; mine.length > 0 && c < WIDTH; c++) {
                    int column = c;
                    codes[i][c] = Arrays.stream(mine)
                            .mapToDouble(r -> rows[r][column])
                            .average()
                            .orElseThrow();
                }
            }
        }
        double squares = 0;
        for (int r = 0; r < BATCH; r++) {
            squares += distance(rows[r], codes[of[r]]);
        }
        double variance = squares / (BATCH - Arrays.stream(of).distinct().count());
        for (int i = 0; i < 10; i++) {
            int code = i;
            double n = Arrays.stream(of).filter(o -> o == code).count();
            double factor = n == 0 ? 1 : Math.max(0, 1 - variance / (n * norm(codes[i])));
            codes[i] = Arrays.stream(codes[i]).map(v -> factor * v).toArray();
        }
        return codes;
    }

    private static double norm(double[] code) {
        return distance(code, new double[code.length]);
    }

    private static double distance(double[] a, double[] b) {
        return IntStream.range(0, a.length)
                .mapToDouble(c -> (a[c] - b[c]) * (a[c] - b[c]))
                .sum();
    }

    private static int nearest(double[] row, double[][] codes) {
        return IntStream.range(0, codes.length)
                .boxed()
                .min(Comparator.comparingDouble(i -> distance(row, codes[i])))
                .orElseThrow();
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
    void aCodeThatNothingUsesIsMovedToARowWithoutItsPast(boolean restart) {
        try (Workers workers = new Workers(2)) {
            Trainer trainer = trainer(config(STILL, "arch.vq.restart=" + restart), workers);
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
                assertEquals(0, Objects.requireNonNull(trainer.state().arrays().get("codes.taken"))[3]);
                assertEquals(2 * BATCH, trainer.state().lastFired()[3]);
            } else {
                assertArrayEquals(far, row(codes, 3));
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
        TrainConfig config =
                ConfigReader.read(config(), null, List.of("architecture=vq", "batch=400", "auxk.dead_after=40000"));
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
