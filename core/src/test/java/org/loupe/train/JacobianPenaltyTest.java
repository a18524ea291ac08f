package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.ScalarKernels;
import org.loupe.tensor.Workers;

/** Jacobians against differences of the MLP itself, their gradients against differences of a model in double. */
class JacobianPenaltyTest {
    private static final int D_IN = 7;
    private static final int D_OUT = 5;
    private static final int NEURONS = 37;
    private static final int READERS = 9;
    private static final int WRITERS = 8;
    private static final int ROWS = 70;

    private final Random random = new Random(3);
    private final GatedMlp mlp = mlp(random, D_IN, D_OUT, NEURONS);
    private final Matrix decoder = random(READERS, D_IN, 1);
    private final Matrix encoder = random(WRITERS, D_OUT, 1);
    private final Matrix reconstruction = random(ROWS, D_IN, 1);
    private final JacobianPenalty.Active in = active(3, READERS);
    private final JacobianPenalty.Active out = active(4, WRITERS);

    static GatedMlp mlp(Random random, int dIn, int dOut, int neurons) {
        return new GatedMlp(
                random(random, neurons, dIn, 1 / Math.sqrt(dIn)),
                random(random, neurons, dIn, 1 / Math.sqrt(dIn)),
                random(random, neurons, dOut, 1 / Math.sqrt(neurons)),
                random(random, 1, neurons, 0.3).data(),
                random(random, 1, neurons, 0.3).data());
    }

    private static Matrix random(Random random, int rows, int cols, double scale) {
        Matrix matrix = Matrix.zeros(rows, cols);
        for (int i = 0; i < matrix.data().length; i++) {
            matrix.data()[i] = (float) (scale * random.nextGaussian());
        }
        return matrix;
    }

    private Matrix random(int rows, int cols, double scale) {
        return random(random, rows, cols, scale);
    }

    /** Up to k latents a row, none in row 5. */
    private JacobianPenalty.Active active(int k, int latents) {
        int[] starts = new int[ROWS + 1];
        int[] index = new int[ROWS * k];
        for (int row = 0; row < ROWS; row++) {
            int count = row == 5 ? 0 : row == 0 ? k : 1 + random.nextInt(k);
            for (int i = 0; i < count; i++) {
                index[starts[row] + i] = (row + 2 * i) % latents;
            }
            starts[row + 1] = starts[row] + count;
        }
        return new JacobianPenalty.Active(starts, index);
    }

    /** y of the MLP. */
    static double[] run(GatedMlp mlp, double[] x) {
        double[] y = new double[mlp.dOut()];
        for (int n = 0; n < mlp.neurons(); n++) {
            double g = mlp.gateBias()[n];
            double u = mlp.upBias()[n];
            for (int c = 0; c < x.length; c++) {
                g += mlp.gate().at(n, c) * x[c];
                u += mlp.up().at(n, c) * x[c];
            }
            for (int o = 0; o < y.length; o++) {
                y[o] += g / (1 + Math.exp(-g)) * u * mlp.write().at(n, o);
            }
        }
        return y;
    }

    /** J_ij of a row from the MLP at x̂ ± ε w_dec,j. */
    private static double difference(
            GatedMlp mlp, double[][] decoder, double[] x, double[][] encoder, int j, int i, double epsilon) {
        double[] left = x.clone();
        double[] right = x.clone();
        for (int c = 0; c < x.length; c++) {
            left[c] -= epsilon * decoder[j][c];
            right[c] += epsilon * decoder[j][c];
        }
        double[] low = run(mlp, left);
        double[] high = run(mlp, right);
        double sum = 0;
        for (int o = 0; o < low.length; o++) {
            sum += encoder[i][o] * (high[o] - low[o]) / (2 * epsilon);
        }
        return sum;
    }

    /** The closed form, in double and neuron by neuron. */
    private double jacobian(double[][] dec, double[] x, double[][] enc, int j, int i) {
        double sum = 0;
        for (int n = 0; n < NEURONS; n++) {
            double g = mlp.gateBias()[n];
            double u = mlp.upBias()[n];
            double gateAlong = 0;
            double upAlong = 0;
            for (int c = 0; c < D_IN; c++) {
                g += mlp.gate().at(n, c) * x[c];
                u += mlp.up().at(n, c) * x[c];
                gateAlong += mlp.gate().at(n, c) * dec[j][c];
                upAlong += mlp.up().at(n, c) * dec[j][c];
            }
            double written = 0;
            for (int o = 0; o < D_OUT; o++) {
                written += enc[i][o] * mlp.write().at(n, o);
            }
            double s = 1 / (1 + Math.exp(-g));
            sum += written * (s * (1 + g * (1 - s)) * u * gateAlong + s * g * upAlong);
        }
        return sum;
    }

    private static double[][] doubles(Matrix matrix) {
        double[][] out = new double[matrix.rows()][matrix.cols()];
        for (int r = 0; r < matrix.rows(); r++) {
            for (int c = 0; c < matrix.cols(); c++) {
                out[r][c] = matrix.at(r, c);
            }
        }
        return out;
    }

    /** The penalty by the closed form. */
    private double penalty(double[][] dec, double[][] x, double[][] enc) {
        double sum = 0;
        for (int row = 0; row < ROWS; row++) {
            for (int j = in.from(row); j < in.from(row) + in.count(row); j++) {
                for (int i = out.from(row); i < out.from(row) + out.count(row); i++) {
                    sum += Math.abs(jacobian(dec, x[row], enc, in.index()[j], out.index()[i]));
                }
            }
        }
        return sum / (ROWS * 3 * 4);
    }

    @Test
    void figuresAreThoseOfTheMlpsOwnDifferences() {
        double[][] dec = doubles(decoder);
        double[][] enc = doubles(encoder);
        double[][] x = doubles(reconstruction);
        double size = 0;
        double squares = 0;
        double large = 0;
        for (int row = 0; row < ROWS; row++) {
            for (int j = in.from(row); j < in.from(row) + in.count(row); j++) {
                for (int i = out.from(row); i < out.from(row) + out.count(row); i++) {
                    double value = difference(mlp, dec, x[row], enc, in.index()[j], out.index()[i], 1e-5);
                    assertEquals(value, jacobian(dec, x[row], enc, in.index()[j], out.index()[i]), 1e-8);
                    size += Math.abs(value);
                    squares += value * value;
                    large += Math.abs(value) > 0.01 ? 1 : 0;
                }
            }
        }
        double n = ROWS * 3 * 4;
        for (Kernels kernels : new Kernels[] {Kernels.BEST, new ScalarKernels()}) {
            try (Workers workers = new Workers(2)) {
                JacobianFigures figures =
                        new JacobianPenalty(mlp, kernels, workers).look(in, decoder, reconstruction, out, encoder);
                assertEquals(size / n, figures.l1(), 1e-6);
                assertEquals(large / n, figures.above(), 1e-9);
                assertEquals(size * size / n / squares, figures.evenness(), 1e-6);
            }
        }
    }

    @Test
    void gradientsAreThoseOfDifferences() {
        Matrix through = random(ROWS, D_IN, 0.1);
        Matrix before = new Matrix(ROWS, D_IN, through.data().clone());
        Matrix byDecoder = random(READERS, D_IN, 1);
        Matrix byEncoder = random(WRITERS, D_OUT, 1);
        try (Workers workers = new Workers(2)) {
            JacobianPenalty penalty = new JacobianPenalty(mlp, Kernels.BEST, workers);
            penalty.look(in, decoder, reconstruction, out, encoder);
            penalty.gradients(2.5, through, byDecoder, byEncoder);
        }
        double[][] dec = doubles(decoder);
        double[][] enc = doubles(encoder);
        double[][] x = doubles(reconstruction);
        for (int i = 0; i < through.data().length; i++) {
            through.data()[i] -= before.data()[i];
        }
        check(dec, byDecoder, dec, x, enc);
        check(enc, byEncoder, dec, x, enc);
        check(x, through, dec, x, enc);
    }

    private void check(double[][] of, Matrix gradient, double[][] dec, double[][] x, double[][] enc) {
        double largest = 0;
        for (int r = 0; r < of.length; r++) {
            for (int c = 0; c < of[r].length; c++) {
                double value = of[r][c];
                of[r][c] = value + 1e-6;
                double high = penalty(dec, x, enc);
                of[r][c] = value - 1e-6;
                double low = penalty(dec, x, enc);
                of[r][c] = value;
                double expected = 2.5 * (high - low) / 2e-6;
                assertEquals(expected, gradient.at(r, c), 2e-6, "element " + r + ", " + c);
                largest = Math.max(largest, Math.abs(expected));
            }
        }
        assertTrue(largest > 0.01, "there is something to compare");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void threadsDoNotChangeABit(int threads) {
        float[][] results = new float[2][];
        for (int run = 0; run < 2; run++) {
            Matrix through = Matrix.zeros(ROWS, D_IN);
            Matrix byDecoder = Matrix.zeros(READERS, D_IN);
            Matrix byEncoder = Matrix.zeros(WRITERS, D_OUT);
            try (Workers workers = new Workers(run == 0 ? 2 : threads)) {
                JacobianPenalty penalty = new JacobianPenalty(mlp, Kernels.BEST, workers);
                JacobianFigures figures = penalty.look(in, decoder, reconstruction, out, encoder);
                penalty.gradients(1, through, byDecoder, byEncoder);
                results[run] = Matrix.beside(List.of(
                                new Matrix(1, ROWS * D_IN, through.data()),
                                new Matrix(1, READERS * D_IN, byDecoder.data()),
                                new Matrix(1, WRITERS * D_OUT, byEncoder.data()),
                                new Matrix(1, 1, new float[] {(float) figures.l1()})))
                        .data();
            }
        }
        assertArrayEquals(results[0], results[1]);
    }

    /** Of rows in two blocks, the first with fewer active latents, the figures are those of all rows at once. */
    @Test
    void sumsOfBlocksHaveTheFiguresOfAllRows() {
        int cut = 6;
        try (Workers workers = new Workers(1)) {
            JacobianPenalty penalty = new JacobianPenalty(mlp, Kernels.BEST, workers);
            JacobianPenalty.Active few = new JacobianPenalty.Active(new int[ROWS + 1], in.index());
            for (int row = 0; row < ROWS; row++) {
                few.starts()[row + 1] = few.starts()[row] + (row < cut ? Math.min(1, in.count(row)) : in.count(row));
            }
            JacobianFigures whole = penalty.look(few, decoder, reconstruction, out, encoder);
            JacobianFigures.Sums sums = new JacobianFigures.Sums();
            penalty.look(few, decoder, reconstruction.head(cut), out, encoder);
            sums.add(penalty.sums());
            penalty.look(from(few, cut), decoder, rowsFrom(cut), from(out, cut), encoder);
            sums.add(penalty.sums());
            assertEquals(whole.l1(), sums.figures().l1(), 1e-12);
            assertEquals(whole.above(), sums.figures().above(), 1e-12);
            assertEquals(whole.evenness(), sums.figures().evenness(), 1e-12);
        }
    }

    private static JacobianPenalty.Active from(JacobianPenalty.Active active, int row) {
        return new JacobianPenalty.Active(Arrays.copyOfRange(active.starts(), row, ROWS + 1), active.index());
    }

    private Matrix rowsFrom(int row) {
        return new Matrix(ROWS - row, D_IN, Arrays.copyOfRange(reconstruction.data(), row * D_IN, ROWS * D_IN));
    }

    /** In mapped coordinates it is the same function: N (MLP(M⁻¹ x' + μ)) = MLP'(x'). */
    @Test
    void theMappedMlpIsTheSameFunction() {
        InputConfig input = ConfigReader.read(
                        TrainConfig.DEFAULT, null, List.of("input.whiten=full", "input.centre_rows=true"))
                .input();
        Matrix x = random(200, D_IN, 3);
        Matrix y = random(200, D_OUT, 0.2);
        try (Workers workers = new Workers(1)) {
            RowMap inputs = RowMap.of(x, List.of(D_IN), input, workers);
            RowMap outputs = RowMap.of(y, List.of(D_OUT), input, workers);
            GatedMlp mapped = mlp.mapped(inputs, outputs);
            for (int r = 0; r < 5; r++) {
                double[] raw = doubles(x)[r];
                double[] expected = outputs.times(run(mlp, raw));
                assertArrayEquals(expected, run(mapped, inputs.of(x.data(), x.offset(r))), 1e-4);
            }
        }
    }
}
