package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class PrincipalComponentsTest {
    private static Covariance covariance(Matrix x, int threads) {
        Covariance covariance = new Covariance(x.cols());
        try (Workers workers = new Workers(threads)) {
            for (int from = 0; from < x.rows(); from += 100) {
                int rows = Math.min(100, x.rows() - from);
                float[] part = new float[rows * x.cols()];
                System.arraycopy(x.data(), x.offset(from), part, 0, part.length);
                covariance.add(new Matrix(rows, x.cols(), part), workers);
            }
        }
        return covariance;
    }

    /** Rows with decaying variances, mixed, and a mean far from 0. */
    private static Matrix data(int rows, int width) {
        Random random = new Random(5);
        Matrix x = Matrix.zeros(rows, width);
        for (int r = 0; r < rows; r++) {
            double carried = 0;
            for (int c = 0; c < width; c++) {
                carried = 0.8 * carried + random.nextGaussian() / (1 + c);
                x.data()[x.offset(r) + c] = (float) (100 + carried);
            }
        }
        return x;
    }

    /** Points (0,0), (2,2), (4,4), (2,0), (2,4): mean (2,2), covariance [[8, 8], [8, 16]] / 5. */
    @Test
    void covarianceByHand() {
        Covariance covariance = covariance(new Matrix(5, 2, new float[] {0, 0, 2, 2, 4, 4, 2, 0, 2, 4}), 1);
        assertArrayEquals(new double[] {2, 2}, covariance.mean(), 1e-15);
        assertArrayEquals(new double[] {1.6, 1.6}, covariance.matrix()[0], 1e-15);
        assertArrayEquals(new double[] {1.6, 3.2}, covariance.matrix()[1], 1e-15);
    }

    @Test
    void covarianceEqualsTwoPassesAndIgnoresThreads() {
        int rows = 333;
        int width = 37;
        Matrix x = data(rows, width);
        double[][] streamed = covariance(x, 1).matrix();
        double[] mean = new double[width];
        for (int i = 0; i < rows * width; i++) {
            mean[i % width] += x.data()[i] / (double) rows;
        }
        for (int i = 0; i < width; i++) {
            for (int j = 0; j < width; j++) {
                double sum = 0;
                for (int r = 0; r < rows; r++) {
                    sum += (x.at(r, i) - mean[i]) * (x.at(r, j) - mean[j]);
                }
                assertEquals(sum / rows, streamed[i][j], 1e-10);
            }
        }
        double[][] threads = covariance(x, 3).matrix();
        for (int i = 0; i < width; i++) {
            assertArrayEquals(streamed[i], threads[i]);
        }
    }

    @Test
    void fvuByEigenvaluesIsTheFvuOfItsReconstructions() {
        Matrix x = data(400, 23);
        for (int k : new int[] {1, 5, 22}) {
            PrincipalComponents pca = PrincipalComponents.fit(covariance(x, 2), k);
            assertEquals(k, pca.components().length);
            Matrix out = Matrix.zeros(400, 23);
            pca.apply(x, out);
            RowMetrics metrics = new RowMetrics(23);
            try (Workers workers = new Workers(1)) {
                metrics.add(x, out, workers);
            }
            assertEquals(pca.fvu(k), metrics.fvu(), 1e-7);
        }
    }

    @Test
    void oneLineNeedsOneComponent() {
        Matrix x = new Matrix(3, 2, new float[] {1, 2, 3, 4, 7, 8});
        PrincipalComponents pca = PrincipalComponents.fit(covariance(x, 1), 5);
        assertEquals(2, pca.components().length);
        assertEquals(1, pca.fvu(0), 1e-15);
        assertEquals(0, pca.fvu(1), 1e-12);
        assertEquals(1, pca.componentsFor(0.3));
        assertEquals(0, pca.componentsFor(1.2));
        assertTrue(pca.fvu(9) >= 0);
    }
}
