package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class LinearMapTest {
    private static LinearMap fit(Matrix rows, int dIn) {
        Covariance covariance = new Covariance(rows.cols());
        try (Workers workers = new Workers(1)) {
            covariance.add(rows, workers);
        }
        return LinearMap.fit(covariance.mean(), covariance.matrix(), dIn);
    }

    private static Matrix rows(int count, int width, long seed) {
        Random random = new Random(seed);
        Matrix rows = Matrix.zeros(count, width);
        for (int i = 0; i < rows.data().length; i++) {
            rows.data()[i] = (float) random.nextGaussian();
        }
        return rows;
    }

    /** Σ‖y − ŷ‖² / Σ‖y − μ‖² in plain loops over what the map gives. */
    private static double fvu(LinearMap map, Matrix rows, int dIn) {
        Matrix y = rows.columns(dIn, rows.cols() - dIn);
        Matrix out = Matrix.zeros(y.rows(), y.cols());
        map.ofColumns(0, dIn).apply(rows, out);
        double error = 0;
        double variation = 0;
        for (int c = 0; c < y.cols(); c++) {
            double mean = 0;
            for (int r = 0; r < y.rows(); r++) {
                mean += y.at(r, c) / (double) y.rows();
            }
            for (int r = 0; r < y.rows(); r++) {
                error += Math.pow(y.at(r, c) - (double) out.at(r, c), 2);
                variation += Math.pow(y.at(r, c) - mean, 2);
            }
        }
        return error / variation;
    }

    /** x = 0 1 2 3, y = 1 3 2 5: slope 5.5 / 5, r² = 5.5² / (5 · 8.75). */
    @Test
    void oneInputIsTheRegressionLine() {
        LinearMap map = fit(new Matrix(4, 2, new float[] {0, 1, 1, 3, 2, 2, 3, 5}), 1);
        assertEquals(1.1, map.weights()[0][0], 1e-7);
        assertEquals(1 - 5.5 * 5.5 / (5 * 8.75), map.fvu(), 1e-12);
        Matrix out = Matrix.zeros(1, 1);
        map.apply(new Matrix(1, 1, new float[] {2}), out);
        assertEquals(2.75 + 1.1 * 0.5, out.at(0, 0), 1e-6);
    }

    /** The numbers are those of scripts/reference/linear_map.py. */
    @Test
    void severalInputsAreLeastSquares() {
        float[] data = {
            1, 2, 0.5f, -1, 3, 0, 1, 2, 2, 1, -1, 0.5f, 1, 0, 0, 2, -1, 0, 1, 4, 0.5f, 0.5f, -2, 3, 1, 1, 1, 1, -2, 2
        };
        LinearMap map = fit(new Matrix(6, 5, data), 3);
        double[][] expected = {
            {-0.6934559603820304, -0.7123027944817835, -0.630095507605235},
            {1.4354439334984075, 0.021365405022992112, 0.1833746020516454}
        };
        for (int o = 0; o < 2; o++) {
            for (int c = 0; c < 3; c++) {
                assertEquals(expected[o][c], map.weights()[o][c], 1e-6, "output " + o + ", input " + c);
            }
        }
        assertEquals(0.40307655173848816, map.fvu(), 1e-9);
    }

    @Test
    void theFvuIsThatOfTheRowsItGives() {
        Matrix rows = rows(300, 11, 3);
        // Inputs far from 0, and targets that depend on them.
        for (int r = 0; r < 300; r++) {
            for (int c = 0; c < 7; c++) {
                rows.data()[rows.offset(r) + c] += 50;
                rows.data()[rows.offset(r) + 7 + c % 4] += (c - 3) * rows.at(r, c) / 2;
            }
        }
        LinearMap map = fit(rows, 7);
        assertTrue(map.fvu() > 0.01 && map.fvu() < 0.9, "fvu " + map.fvu());
        assertEquals(fvu(map, rows, 7), map.fvu(), 1e-6);
        // No neighbour of W is better: the optimum of a quadratic.
        Random random = new Random(4);
        for (int i = 0; i < 20; i++) {
            double[][] other = new double[4][];
            for (int o = 0; o < 4; o++) {
                other[o] = map.weights()[o].clone();
                other[o][random.nextInt(7)] += 0.02 * (random.nextInt(2) * 2 - 1);
            }
            LinearMap moved = new LinearMap(map.meanIn(), map.meanOut(), other, 0);
            assertTrue(fvu(moved, rows, 7) > fvu(map, rows, 7));
        }
    }

    /** Two equal inputs, a constant one, and fewer rows than inputs. */
    @Test
    void inputsOfLowRankAreNoTrouble() {
        Matrix rows = rows(200, 5, 5);
        for (int r = 0; r < 200; r++) {
            rows.data()[rows.offset(r) + 1] = rows.at(r, 0);
            rows.data()[rows.offset(r) + 2] = 3;
            rows.data()[rows.offset(r) + 4] = 2 * rows.at(r, 0) - 1;
        }
        LinearMap map = fit(rows, 3);
        assertEquals(2, map.weights()[1][0] + map.weights()[1][1], 1e-6);
        assertEquals(fvu(map, rows, 3), map.fvu(), 1e-6);
        Matrix few = rows(4, 12, 6);
        assertEquals(0, fit(few, 10).fvu(), 1e-6);
        Matrix constant = rows(30, 3, 7);
        for (int r = 0; r < 30; r++) {
            constant.data()[constant.offset(r)] = 1;
        }
        assertEquals(1, fit(constant, 1).fvu(), 1e-12);
    }
}
