package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class RowMetricsTest {
    private static Matrix matrix(int cols, float... values) {
        return new Matrix(values.length / cols, cols, values);
    }

    private static RowMetrics of(Matrix x, Matrix reconstruction) {
        RowMetrics metrics = new RowMetrics(x.cols());
        try (Workers workers = new Workers(1)) {
            metrics.add(x, reconstruction, workers);
        }
        return metrics;
    }

    /**
     * μ = (2, 1): Σ‖x−μ‖² = 2 + 2 + 4 = 8. Errors (0,−1), (0,0), (0,2): Σ‖e‖² = 5. Cosines 1/√2, 1, 7/√65. Σ‖x̂‖² = 2 + 9 + 5, Σ x̂·x
     * = 1 + 9 + 7.
     */
    @Test
    void threeRowsByHand() {
        Scores scores =
                of(matrix(2, 1, 0, 3, 0, 2, 3), matrix(2, 1, 1, 3, 0, 2, 1)).scores();
        assertEquals(5.0 / 8, scores.value(Metric.FVU), 1e-15);
        assertEquals(3.0 / 8, scores.value(Metric.EXPLAINED_VARIANCE), 1e-15);
        assertEquals(5.0 / 3, scores.value(Metric.MSE), 1e-15);
        assertEquals(5.0 / 6, scores.value(Metric.MSE_PER_ELEMENT), 1e-15);
        assertEquals((1 / Math.sqrt(2) + 1 + 7 / Math.sqrt(65)) / 3, scores.value(Metric.COSINE), 1e-15);
        assertEquals(16.0 / 17, scores.value(Metric.RELATIVE_BIAS), 1e-15);
    }

    @Test
    void predictingTheMeanGivesFvuOne() {
        RowMetrics metrics = of(matrix(2, 1, 0, 3, 0, 2, 3), matrix(2, 2, 1, 2, 1, 2, 1));
        assertEquals(1.0, metrics.fvu());
        assertEquals(0.0, metrics.scores().value(Metric.EXPLAINED_VARIANCE));
        assertEquals(1.0, metrics.scores().value(Metric.RELATIVE_BIAS), 1e-15);
    }

    @Test
    void aConstantOffsetOfTheReconstructionCounts() {
        // The variance of the errors is 0 here; a metric that uses it would call this perfect.
        assertEquals(27.0 / 2, of(matrix(1, 1, 2, 3), matrix(1, 4, 5, 6)).fvu(), 1e-12);
    }

    @Test
    void halvedReconstructionsHaveRelativeBiasOneHalf() {
        Matrix x = matrix(3, 1, 2, 3, -4, 5, 6);
        Matrix half = matrix(3, 0.5f, 1, 1.5f, -2, 2.5f, 3);
        assertEquals(0.5, of(x, half).scores().value(Metric.RELATIVE_BIAS), 1e-15);
        assertEquals(1.0, of(x, half).scores().value(Metric.COSINE), 1e-15);
    }

    @Test
    void rowsOfZerosCountCosineZero() {
        Scores scores = of(matrix(2, 0, 0, 1, 1), matrix(2, 1, 0, 1, 1)).scores();
        assertEquals(0.5, scores.value(Metric.COSINE), 1e-15);
    }

    @Test
    void aMeanFarFromZeroCancelsNothing() {
        Random random = new Random(3);
        Matrix x = Matrix.zeros(1000, 3);
        Matrix y = Matrix.zeros(1000, 3);
        for (int i = 0; i < x.data().length; i++) {
            x.data()[i] = 4_000_000 + random.nextInt(3) - 1;
            y.data()[i] = x.data()[i] + random.nextInt(2);
        }
        double[] mean = new double[3];
        for (int i = 0; i < 3000; i++) {
            mean[i % 3] += x.data()[i] / 1000.0;
        }
        double variation = 0;
        double error = 0;
        for (int i = 0; i < 3000; i++) {
            variation += Math.pow(x.data()[i] - mean[i % 3], 2);
            error += Math.pow((double) x.data()[i] - y.data()[i], 2);
        }
        assertEquals(error / variation, of(x, y).fvu(), 1e-9);
    }

    @Property(tries = 40)
    void batchesAndThreadsDoNotMatter(
            @ForAll @IntRange(min = 2, max = 300) int rows,
            @ForAll @IntRange(min = 1, max = 17) int width,
            @ForAll @IntRange(min = 1, max = 300) int split) {
        Random random = new Random(rows * 31L + width);
        Matrix x = Matrix.zeros(rows, width);
        Matrix y = Matrix.zeros(rows, width);
        for (int i = 0; i < x.data().length; i++) {
            x.data()[i] = (float) random.nextGaussian() + 3;
            y.data()[i] = x.data()[i] + (float) random.nextGaussian() / 2;
        }
        RowMetrics one = of(x, y);
        RowMetrics threads = new RowMetrics(width);
        RowMetrics batches = new RowMetrics(width);
        try (Workers workers = new Workers(3)) {
            threads.add(x, y, workers);
            for (int from = 0; from < rows; from += split) {
                batches.add(part(x, from, split), part(y, from, split), workers);
            }
        }
        assertEquals(one.scores(), threads.scores());
        one.scores()
                .values()
                .forEach((metric, value) ->
                        assertEquals(value, batches.scores().value(metric), 1e-10 * (1 + Math.abs(value))));
        for (int c = 0; c < width; c++) {
            assertEquals(one.mean()[c], batches.mean()[c], 1e-12);
        }
    }

    private static Matrix part(Matrix x, int from, int count) {
        int rows = Math.min(count, x.rows() - from);
        float[] data = new float[rows * x.cols()];
        System.arraycopy(x.data(), x.offset(from), data, 0, data.length);
        return new Matrix(rows, x.cols(), data);
    }

    @Test
    void valuesThatAreNotFiniteAreNamed() {
        assertEquals(
                "row 1, column 0 is NaN, expected finite activations",
                Refused.message(() -> of(matrix(2, 1, 2, Float.NaN, 4), matrix(2, 1, 2, 3, 4))));
        String y = Refused.message(() -> of(matrix(2, 1, 2, 3, 4), matrix(2, 1, 2, 3, Float.NEGATIVE_INFINITY)));
        assertTrue(y.startsWith("the reconstruction of row 1, column 1 is -Infinity"), y);
    }

    @Test
    void equalRowsAndNoRowsHaveNoFvu() {
        String equal =
                Refused.message(() -> of(matrix(1, 2, 2), matrix(1, 1, 2)).scores());
        assertTrue(equal.startsWith("all 2 rows are equal"), equal);
        assertEquals("no rows to evaluate", Refused.message(() -> new RowMetrics(4).scores()));
    }
}
