package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class InputStatisticsTest {
    private static InputStatistics measured(Matrix rows, boolean normalize, Centre centre) {
        try (Workers workers = new Workers(1)) {
            TrainConfig config = TrainRuns.config("input.normalize=" + normalize);
            return InputStatistics.of(rows, RowMap.of(rows, List.of(rows.cols()), config.input(), workers), centre);
        }
    }

    private static Matrix random(int rows, int d, long seed) {
        Random random = new Random(seed);
        Matrix out = Matrix.zeros(rows, d);
        for (int i = 0; i < rows * d; i++) {
            out.data()[i] = (float) (random.nextGaussian() * (1 + i % d) + i % d);
        }
        return out;
    }

    /** Rows (3, 0), (0, 4), (1, 0): mean ‖x‖² = 26/3, mean (4/3, 4/3), variance 26/3 − 32/9 = 46/9. */
    @Test
    void scaleVarianceAndMeanByHand() {
        Matrix rows = new Matrix(3, 2, new float[] {3, 0, 0, 4, 1, 0});
        InputStatistics raw = measured(rows, false, Centre.MEAN);
        assertEquals(1, raw.map().scale());
        assertEquals(46 / 9.0, raw.variance(), 1e-12);
        assertArrayEquals(new float[] {4 / 3f, 4 / 3f}, raw.centre(), 1e-6f);

        InputStatistics scaled = measured(rows, true, Centre.MEAN);
        double scale = Math.sqrt(2 / (26 / 3.0));
        assertEquals(scale, scaled.map().scale(), 1e-12);
        assertEquals(46 / 9.0 * scale * scale, scaled.variance(), 1e-12);
        assertArrayEquals(new float[] {(float) (4 / 3.0 * scale), (float) (4 / 3.0 * scale)}, scaled.centre(), 1e-6f);
    }

    @Test
    void scaledRowsHaveMeanSquaredNormD() {
        Matrix rows = random(500, 17, 1);
        double scale = measured(rows, true, Centre.MEAN).map().scale();
        double squares = 0;
        for (float x : rows.data()) {
            squares += scale * x * scale * x;
        }
        assertEquals(17, squares / 500, 1e-9);
    }

    /** Fermat's point of the right isosceles triangle lies at (3 − √3)/6 on both axes. */
    @Test
    void geometricMedianOfATriangle() {
        Matrix corners = new Matrix(3, 2, new float[] {0, 0, 1, 0, 0, 1});
        float[] median = measured(corners, false, Centre.GEOMETRIC_MEDIAN).centre();
        float expected = (float) ((3 - Math.sqrt(3)) / 6);
        assertArrayEquals(new float[] {expected, expected}, median, 1e-4f);
    }

    @Test
    void noPointNearTheGeometricMedianHasALesserSumOfDistances() {
        Matrix rows = random(300, 9, 2);
        for (int c = 0; c < 9; c++) {
            rows.data()[c] = 1e5f; // one row far away, which the mean follows
        }
        InputStatistics statistics = measured(rows, true, Centre.GEOMETRIC_MEDIAN);
        double[] median = new double[9];
        for (int c = 0; c < 9; c++) {
            median[c] = statistics.centre()[c] / statistics.map().scale();
            assertTrue(Math.abs(median[c] - c) < 1.5, "column " + c + ": " + median[c]);
        }
        double least = distances(rows, median);
        for (int c = 0; c < 9; c++) {
            for (double step : new double[] {-0.1, 0.1}) {
                double[] beside = median.clone();
                beside[c] += step;
                assertTrue(distances(rows, beside) > least, "column " + c + " moved by " + step);
            }
        }
    }

    private static double distances(Matrix rows, double[] from) {
        double total = 0;
        for (int r = 0; r < rows.rows(); r++) {
            double square = 0;
            for (int c = 0; c < rows.cols(); c++) {
                square += (rows.at(r, c) - from[c]) * (rows.at(r, c) - from[c]);
            }
            total += Math.sqrt(square);
        }
        return total;
    }

    @Test
    void rowsWithoutSpreadGiveFiniteNumbers() {
        for (Centre centre : Centre.values()) {
            InputStatistics zeros = measured(Matrix.zeros(4, 3), true, centre);
            assertEquals(1, zeros.map().scale());
            assertEquals(1, zeros.variance());
            InputStatistics equal = measured(new Matrix(2, 2, new float[] {3, 4, 3, 4}), true, centre);
            assertTrue(Double.isFinite(equal.map().scale()) && equal.variance() > 0);
            assertEquals(3 * equal.map().scale(), equal.centre()[0], 1e-6);
        }
    }
}
