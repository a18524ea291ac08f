package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Training of dictionary_learning against Mairal et al. 2009, algorithms 1 and 2, written out in doubles. */
class DictionaryFitTest {
    private static final int WIDTH = 7;
    private static final int BATCH = 60;

    private static TrainConfig config(String... keys) {
        TrainConfig base = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of(
                        "architecture=dictionary_learning",
                        "latents=40",
                        "k=3",
                        "l1=1.5",
                        "batch=" + BATCH,
                        "arch.dictionary.restart=false"));
        return ConfigReader.read(base, null, List.of(keys));
    }

    private static DataStatistics statistics(TrainConfig config) {
        try (Workers workers = new Workers(1)) {
            return DataStatistics.of(batch(0), List.of(WIDTH), config.inputInForce(), workers);
        }
    }

    private static Matrix batch(long seed) {
        Random random = new Random(seed);
        Matrix rows = Matrix.zeros(BATCH, WIDTH);
        for (int i = 0; i < rows.data().length; i++) {
            rows.data()[i] = (float) (random.nextGaussian() + i % WIDTH);
        }
        return rows;
    }

    /** The paper's sums and its update of the dictionary; b_dec as an atom of free norm whose coefficient is 1. */
    private static final class Model {
        final int m;
        final double[][] a;
        final double[][] b;
        final double[] sums;
        final double[] rowSum = new double[WIDTH];
        double weight;

        Model(int m) {
            this.m = m;
            this.a = new double[m][m];
            this.b = new double[m][WIDTH];
            this.sums = new double[m];
        }

        void observe(double[][] f, double[][] x, double beta) {
            weight = beta * weight + x.length;
            for (int c = 0; c < WIDTH; c++) {
                rowSum[c] *= beta;
                for (double[] row : x) {
                    rowSum[c] += row[c];
                }
            }
            for (int i = 0; i < m; i++) {
                sums[i] *= beta;
                for (int j = 0; j < m; j++) {
                    a[i][j] *= beta;
                }
                for (int c = 0; c < WIDTH; c++) {
                    b[i][c] *= beta;
                }
                for (int r = 0; r < x.length; r++) {
                    sums[i] += f[r][i];
                    for (int j = 0; j < m; j++) {
                        a[i][j] += f[r][i] * f[r][j];
                    }
                    for (int c = 0; c < WIDTH; c++) {
                        b[i][c] += f[r][i] * x[r][c];
                    }
                }
            }
        }

        void solve(double[][] d, double[] bias) {
            for (int j = 0; j < m; j++) {
                if (a[j][j] == 0) {
                    continue;
                }
                double[] u = new double[WIDTH];
                double norm = 0;
                for (int c = 0; c < WIDTH; c++) {
                    double da = sums[j] * bias[c];
                    for (int l = 0; l < m; l++) {
                        da += d[l][c] * a[l][j];
                    }
                    u[c] = (b[j][c] - da) / a[j][j] + d[j][c];
                    norm += u[c] * u[c];
                }
                for (int c = 0; c < WIDTH; c++) {
                    d[j][c] = u[c] / Math.sqrt(norm);
                }
            }
            for (int c = 0; c < WIDTH; c++) {
                bias[c] = rowSum[c] / weight;
                for (int i = 0; i < m; i++) {
                    bias[c] -= sums[i] * d[i][c] / weight;
                }
            }
        }
    }

    private static double[][] doubles(Matrix a) {
        double[][] out = new double[a.rows()][a.cols()];
        for (int r = 0; r < a.rows(); r++) {
            for (int c = 0; c < a.cols(); c++) {
                out[r][c] = a.at(r, c);
            }
        }
        return out;
    }

    @ParameterizedTest(name = "{0} signed={1} ρ={2}")
    @CsvSource({"omp, false, 1", "omp, true, 0", "lasso, false, 1", "lasso, true, 2.5"})
    void everyStepIsThePapersUpdate(String coding, boolean signed, double forgetting) {
        TrainConfig config = config(
                "arch.dictionary.coding=" + coding,
                "arch.dictionary.signed=" + signed,
                "arch.dictionary.forgetting=" + forgetting);
        DataStatistics statistics = statistics(config);
        double scale = statistics.inputs().map().scale();
        Model model = new Model(config.latents());
        try (Workers workers = new Workers(2)) {
            Trainer trainer = new Trainer(config, statistics, 100, workers);
            trainer.step(batch(1));
            for (int t = 2; t <= 9; t++) {
                take(model, trainer.state());
                Sae sae = trainer.training();
                double[][] d = doubles(sae.decoder());
                double[] bias = new double[WIDTH];
                for (int c = 0; c < WIDTH; c++) {
                    bias[c] = sae.decoderBias()[c] - statistics.inputs().centre()[c];
                }
                Matrix rows = batch(t);
                Matrix scaled = Matrix.zeros(BATCH, WIDTH);
                for (int i = 0; i < scaled.data().length; i++) {
                    scaled.data()[i] = (float) (rows.data()[i] * scale);
                }
                Latents latents = new Encoder(sae, workers).encode(scaled);
                double[][] f = new double[BATCH][config.latents()];
                for (int r = 0; r < BATCH; r++) {
                    for (int e = latents.starts()[r]; e < latents.starts()[r + 1]; e++) {
                        f[r][latents.index()[e]] = latents.value()[e];
                    }
                }
                double[][] y = doubles(scaled);
                for (double[] row : y) {
                    for (int c = 0; c < WIDTH; c++) {
                        row[c] -= statistics.inputs().centre()[c];
                    }
                }
                double theta = (double) t * BATCH;
                model.observe(f, y, Math.pow((theta + 1 - BATCH) / (theta + 1), forgetting));
                model.solve(d, bias);
                StepStats stats = trainer.step(rows);
                assertEquals(latents.entries() / (double) BATCH, stats.l0());
                for (int i = 0; i < config.latents(); i++) {
                    for (int c = 0; c < WIDTH; c++) {
                        assertEquals(d[i][c], sae.decoder().at(i, c), 2e-4, "step " + t + " atom " + i);
                    }
                }
                for (int c = 0; c < WIDTH; c++) {
                    assertEquals(
                            bias[c], sae.decoderBias()[c] - statistics.inputs().centre()[c], 2e-4, "step " + t);
                }
            }
        }
    }

    private static float[] array(TrainState state, String name) {
        return Objects.requireNonNull(state.arrays().get(name));
    }

    /** Copies a trainer's sums, so that rounding does not add up over steps. */
    private static void take(Model model, TrainState state) {
        int m = model.m;
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < m; j++) {
                model.a[i][j] = array(state, "fit.codes")[i * m + j];
            }
            for (int c = 0; c < WIDTH; c++) {
                model.b[i][c] = array(state, "fit.products")[i * WIDTH + c];
            }
            model.sums[i] = array(state, "fit.sums")[i];
        }
        for (int c = 0; c < WIDTH; c++) {
            model.rowSum[c] = array(state, "fit.row_sum")[c];
        }
        model.weight = array(state, "fit.weight")[0];
    }

    /** The first step's codes are by rows of the batch as atoms, which A = Σ f fᵀ must show. */
    @Test
    void theFirstStepCodesByRowsOfTheBatch() {
        TrainConfig config = config("k=1", "latents=" + BATCH);
        DataStatistics statistics = statistics(config);
        try (Workers workers = new Workers(1)) {
            Trainer trainer = new Trainer(config, statistics, 100, workers);
            StepStats stats = trainer.step(batch(1));
            assertEquals(1, stats.l0(), 1e-12);
            assertEquals(0, stats.fvu(), 1e-9, "every row is an atom");
        }
    }

    /** Whatever λ is at the start, and on rows encoded by the SAE that comes out. */
    @ParameterizedTest
    @CsvSource({"6, 5", "3, 0.1", "12, 100"})
    void lassoReachesTheWantedL0(double wanted, double start) {
        TrainConfig config =
                TrainRuns.config("architecture=dictionary_learning", "arch.dictionary.coding=lasso", "batch=500");
        config = ConfigReader.read(config, null, List.of("l0=" + wanted, "l1=" + start));
        Matrix rows = Matrix.zeros(1000, TrainRuns.WIDTH);
        TrainRuns.rows().read(0, 1000, rows, 0);
        try (Workers workers = new Workers(2)) {
            Trainer trainer = new Trainer(config, rows, 0, 400, workers);
            for (int step = 0; step < 400; step++) {
                Matrix half = Matrix.zeros(500, TrainRuns.WIDTH);
                TrainRuns.rows().read(step % 2 * 500L, 500, half, 0);
                trainer.step(half);
            }
            double l0 = new Encoder(trainer.result(), workers).encode(rows).entries() / 1000.0;
            assertEquals(wanted, l0, 0.05 * wanted);
        }
    }

    @Test
    void atomsThatNothingUsesAreMovedToRowsAndForgotten() {
        TrainConfig config = config("arch.dictionary.restart=true", "auxk.dead_after=" + BATCH);
        DataStatistics statistics = statistics(config);
        try (Workers workers = new Workers(1)) {
            Trainer trainer = new Trainer(config, statistics, 100, workers);
            trainer.step(batch(1));
            float[] decoder = trainer.training().decoder().data();
            for (int c = 0; c < WIDTH; c++) {
                decoder[5 * WIDTH + c] = c == 0 ? -1 : 0;
            }
            float bias = trainer.training().decoderBias()[0];
            Matrix rows = batch(2);
            for (int r = 0; r < BATCH; r++) {
                rows.data()[r * WIDTH] = 10 + bias;
            }
            trainer.step(rows);
            assertTrue(decoder[5 * WIDTH] > 0, "the atom has gone to a row, all of which lie on the other side");
            double norm = 0;
            for (int c = 0; c < WIDTH; c++) {
                norm += decoder[5 * WIDTH + c] * decoder[5 * WIDTH + c];
            }
            assertEquals(1, norm, 1e-5);
            int m = config.latents();
            float[] codes = array(trainer.state(), "fit.codes");
            for (int i = 0; i < m; i++) {
                assertEquals(0, codes[5 * m + i]);
                assertEquals(0, codes[i * m + 5]);
            }
            assertEquals(2 * BATCH, trainer.state().lastFired()[5]);
        }
    }
}
