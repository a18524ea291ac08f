package org.loupe.sae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.ScalarKernels;
import org.loupe.tensor.Workers;

/** The search by two products against scores in double, sorted. */
class WeightedSearchTest {
    private static Matrix random(int rows, int cols, Random random) {
        Matrix m = Matrix.zeros(rows, cols);
        for (int i = 0; i < m.data().length; i++) {
            m.data()[i] = (float) random.nextGaussian();
        }
        return m;
    }

    private static double inner(Matrix a, int row, Matrix b, int other) {
        return IntStream.range(0, a.cols())
                .mapToDouble(c -> (double) a.at(row, c) * b.at(other, c))
                .sum();
    }

    private static void check(Kernels kernels, int rows, int d, int m, int k, double beta, int threads) {
        Random random = new Random(31L * rows + d);
        Matrix x = random(rows, d, random);
        Matrix w = random(m, d, random);
        Matrix g = random(rows, d, random);
        Matrix v = random(m, d, random);
        float[] bias = random(1, m, random).data();
        ActiveRows found = new ActiveRows();
        try (Workers workers = new Workers(threads)) {
            new WeightedSearch(kernels, workers).search(x, w, bias, g, v, beta, k, found);
        }
        int other = 0;
        for (int r = 0; r < rows; r++) {
            double[] z = new double[m];
            double[] score = new double[m];
            for (int j = 0; j < m; j++) {
                z[j] = inner(x, r, w, j) + bias[j];
                score[j] = z[j] * (1 + beta * Math.abs(inner(g, r, v, j)));
            }
            int[] expected = IntStream.range(0, m)
                    .filter(j -> z[j] > 0)
                    .boxed()
                    .sorted(Comparator.comparingDouble(j -> -score[j]))
                    .limit(k)
                    .mapToInt(j -> j)
                    .sorted()
                    .toArray();
            int[] actual = Arrays.copyOfRange(found.index(), found.starts()[r], found.starts()[r + 1]);
            assertArrayEquals(expected, actual, "row " + r);
            double[] plain = Arrays.stream(z).map(value -> -value).sorted().toArray();
            for (int e = found.starts()[r]; e < found.starts()[r + 1]; e++) {
                int j = found.index()[e];
                assertEquals(z[j], found.value()[e], 1e-5 * d, "what is kept is z");
                other += -z[j] > plain[Math.min(k, m) - 1] ? 1 : 0;
            }
        }
        assertTrue(rows < 100 || k >= m / 4 || other > 0, "gradients decide nothing");
    }

    @Test
    void theLargestScoresAreFound() {
        for (Kernels kernels : new Kernels[] {new ScalarKernels(), Kernels.BEST}) {
            check(kernels, 1, 1, 7, 2, 0.5, 1);
            check(kernels, 5, 3, 40, 4, 2, 1);
            check(kernels, 133, 17, 301, 9, 0.7, 2);
            check(kernels, 131, 33, 67, 80, 3, 3);
            check(kernels, 260, 24, 1100, 300, 1, 2);
        }
    }

    /** Without gradients it is the search by z, to the bit; and threads change nothing. */
    @Test
    void withoutGradientsItIsTheSearchByZ() {
        Random random = new Random(1);
        Matrix x = random(150, 24, random);
        Matrix w = random(333, 24, random);
        Matrix g = random(150, 24, random);
        float[] bias = random(1, 333, random).data();
        try (Workers one = new Workers(1);
                Workers three = new Workers(3)) {
            ActiveRows plain = new ActiveRows();
            new LatentSearch(Kernels.BEST, three).search(x, w, bias, new LatentSearch.Rule.Largest(11), plain);
            ActiveRows found = new ActiveRows();
            new WeightedSearch(Kernels.BEST, three).search(x, w, bias, g, w, 0, 11, found);
            assertSame(plain, found);
            ActiveRows weighted = new ActiveRows();
            new WeightedSearch(Kernels.BEST, three).search(x, w, bias, g, w, 2, 11, weighted);
            ActiveRows again = new ActiveRows();
            new WeightedSearch(Kernels.BEST, one).search(x, w, bias, g, w, 2, 11, again);
            assertSame(weighted, again);
            assertTrue(!Arrays.equals(
                    Arrays.copyOf(plain.index(), plain.entries()), Arrays.copyOf(again.index(), again.entries())));
        }
    }

    private static void assertSame(ActiveRows a, ActiveRows b) {
        assertEquals(a.entries(), b.entries());
        for (int e = 0; e < a.entries(); e++) {
            assertEquals(a.index()[e], b.index()[e]);
            assertEquals(a.value()[e], b.value()[e]);
        }
    }
}
