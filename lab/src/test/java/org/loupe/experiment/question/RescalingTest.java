package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.activations.MatrixRows;
import org.loupe.sae.Activation;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

final class RescalingTest {
    private static final int M = 7;
    private static final int D = 5;
    private static final int N = 300;

    private final SplittableRandom random = new SplittableRandom(3);
    private final Matrix x = gaussian(N, D);

    private Matrix gaussian(int rows, int cols) {
        Matrix all = Matrix.zeros(rows, cols);
        for (int i = 0; i < rows * cols; i++) {
            all.data()[i] = (float) random.nextGaussian();
        }
        return all;
    }

    private Sae sae(Activation activation, boolean subtract) {
        return new Sae(
                gaussian(M, D),
                gaussian(1, M).data(),
                gaussian(M, D),
                gaussian(1, D).data(),
                activation,
                subtract);
    }

    @Test
    void solvesTheLeastSquaresProblemThatItStates() {
        Sae sae = sae(new Activation.Relu(), true);
        try (Workers workers = new Workers(2)) {
            Rescaling found = Rescaling.fit(sae, new MatrixRows(x), N, workers);
            double[] expected = leastSquares(sae, new Encoder(sae, workers).encode(x));
            assertArrayEquals(Arrays.copyOf(expected, M), found.factor(), 1e-4);
            assertArrayEquals(Arrays.copyOfRange(expected, M, M + D), found.offset(), 1e-4);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void keepsEveryActivation(boolean subtract) {
        for (Activation activation : new Activation[] {
            new Activation.Relu(),
            new Activation.JumpRelu(new float[] {0, .1f, .2f, .3f, .4f, .5f, .6f}),
            new Activation.Gated(gaussian(1, M).data(), gaussian(1, M).data())
        }) {
            Sae sae = sae(activation, subtract);
            try (Workers workers = new Workers(2)) {
                Rescaling found = Rescaling.fit(sae, new MatrixRows(x), N, workers);
                Latents before = new Encoder(sae, workers).encode(x);
                Latents after = new Encoder(found.apply(sae), workers).encode(x);
                assertArrayEquals(before.starts(), after.starts());
                for (int e = 0; e < before.entries(); e++) {
                    assertEquals(before.index()[e], after.index()[e]);
                    assertEquals(before.value()[e], after.value()[e], 1e-4f);
                }
            }
        }
    }

    @Test
    void leavesALatentThatHardlyFiresAlone() {
        Sae all = sae(new Activation.Relu(), false);
        all.encoderBias()[2] = -1e3f;
        try (Workers workers = new Workers(2)) {
            Rescaling found = Rescaling.fit(all, new MatrixRows(x), N, workers);
            assertEquals(1, found.factor()[2]);
            assertTrue(Double.isNaN(found.kept()[2]));
        }
    }

    /** (a, b) by the normal equations of all N · d residuals, by Gauss' elimination. */
    private double[] leastSquares(Sae sae, Latents f) {
        int n = M + D;
        double[][] system = new double[n][n + 1];
        double[] design = new double[n];
        for (int r = 0; r < N; r++) {
            for (int c = 0; c < D; c++) {
                for (int i = 0; i < M; i++) {
                    design[i] = (double) f.activation(r, i) * sae.decoder().at(i, c);
                }
                for (int o = 0; o < D; o++) {
                    design[M + o] = o == c ? 1 : 0;
                }
                for (int i = 0; i < n; i++) {
                    for (int j = 0; j < n; j++) {
                        system[i][j] += design[i] * design[j];
                    }
                    system[i][n] += design[i] * x.at(r, c);
                }
            }
        }
        for (int p = 0; p < n; p++) {
            for (int i = 0; i < n; i++) {
                double factor = i == p ? 0 : system[i][p] / system[p][p];
                for (int j = p; j <= n && factor != 0; j++) {
                    system[i][j] -= factor * system[p][j];
                }
            }
        }
        double[] solution = new double[n];
        for (int p = 0; p < n; p++) {
            solution[p] = system[p][n] / system[p][p];
        }
        return solution;
    }
}
