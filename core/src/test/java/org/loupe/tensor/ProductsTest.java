package org.loupe.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProductsTest {
    private static Matrix random(int rows, int cols, Random random) {
        Matrix out = Matrix.zeros(rows, cols);
        for (int i = 0; i < out.data().length; i++) {
            out.data()[i] = (float) random.nextGaussian();
        }
        return out;
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1", "13, 7, 300", "129, 33, 128", "5, 64, 257"})
    void productsAreAddedAndDoNotDependOnThreads(int n, int d, int p) {
        Random random = new Random(n + d + p);
        Matrix a = random(n, d, random);
        Matrix b = random(p, d, random);
        Matrix start = random(n, p, random);
        for (Kernels kernels : new Kernels[] {Kernels.BEST, new ScalarKernels()}) {
            float[] first = new float[0];
            for (int threads : new int[] {1, 3}) {
                Matrix out = new Matrix(n, p, start.data().clone());
                try (Workers workers = new Workers(threads)) {
                    Products.add(a, b, out, kernels, workers);
                }
                for (int r = 0; r < n; r++) {
                    for (int c = 0; c < p; c++) {
                        double sum = start.at(r, c);
                        for (int k = 0; k < d; k++) {
                            sum += (double) a.at(r, k) * b.at(c, k);
                        }
                        assertEquals(sum, out.at(r, c), 1e-5 * d);
                    }
                }
                first = threads == 1 ? out.data() : first;
                assertArrayEquals(first, out.data());
            }
        }
        assertThrows(
                IllegalArgumentException.class,
                () -> Products.add(a, b, Matrix.zeros(n, p + 1), Kernels.BEST, new Workers(1)));
    }
}
