package org.loupe.onednn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.Assume;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.loupe.sae.ActiveRows;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.LowPrecisionProduct.Numbers;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Products in short numbers: their bounds against sums in double, and what they find against the f32 search. */
class OneDnnProductProperties {
    /** What rows look like. */
    enum Data {
        GAUSSIAN,
        /** A few columns a hundred times as large, as in residual streams. */
        OUTLIERS,
        /** One column is nearly all of the row: an attention sink. */
        SINK,
        /** Latents differ in the last bit of one element: ties but for one rounding. */
        NEAR_TIES,
        /** Rows and latents of sizes that differ by 10⁸ in all. */
        SIZES,
        /** Half of the rows and latents are zero. */
        ZEROS
    }

    /** Rows [rows × d], encoder [latents × d], biases. */
    private record Case(Matrix x, Matrix w, float[] bias) {
        static Case of(Data data, long seed, int rows, int latents, int d) {
            Random random = new Random(seed);
            Matrix x = gaussian(random, rows, d);
            Matrix w = gaussian(random, latents, d);
            float[] bias = new float[latents];
            for (int j = 0; j < latents; j++) {
                bias[j] = (float) random.nextGaussian() / 4;
            }
            switch (data) {
                case GAUSSIAN -> {}
                case OUTLIERS -> scaleColumns(x, random, 1 + d / 100, 100);
                case SINK -> scaleColumns(x, random, 1, 10_000);
                case NEAR_TIES -> {
                    for (int j = 1; j < latents; j++) {
                        System.arraycopy(w.data(), 0, w.data(), j * d, d);
                        int at = j * d + random.nextInt(d);
                        w.data()[at] = random.nextBoolean() ? Math.nextUp(w.data()[at]) : Math.nextDown(w.data()[at]);
                    }
                    Arrays.fill(bias, 0);
                }
                case SIZES -> {
                    scaleRows(x, random);
                    scaleRows(w, random);
                }
                case ZEROS -> {
                    zeroRows(x, random);
                    zeroRows(w, random);
                }
            }
            return new Case(x, w, bias);
        }

        private static Matrix gaussian(Random random, int rows, int cols) {
            Matrix out = Matrix.zeros(rows, cols);
            for (int i = 0; i < rows * cols; i++) {
                out.data()[i] = (float) random.nextGaussian();
            }
            return out;
        }

        private static void scaleColumns(Matrix rows, Random random, int columns, float by) {
            for (int i = 0; i < columns; i++) {
                int column = random.nextInt(rows.cols());
                for (int row = 0; row < rows.rows(); row++) {
                    rows.data()[row * rows.cols() + column] *= by;
                }
            }
        }

        private static void scaleRows(Matrix rows, Random random) {
            for (int row = 0; row < rows.rows(); row++) {
                float by = (float) Math.pow(10, random.nextInt(5) - 2);
                for (int c = 0; c < rows.cols(); c++) {
                    rows.data()[row * rows.cols() + c] *= by;
                }
            }
        }

        private static void zeroRows(Matrix rows, Random random) {
            for (int row = 0; row < rows.rows(); row++) {
                if (random.nextBoolean()) {
                    Arrays.fill(rows.data(), row * rows.cols(), (row + 1) * rows.cols(), 0);
                }
            }
        }
    }

    private static LowPrecisionProduct open(Numbers numbers, int latents, int d, int workers) {
        LowPrecisionProduct.Offer offer = LowPrecisionProduct.find(Optional.of(numbers), latents, d, workers);
        Assume.that(offer.product().isPresent()); // a processor without the instructions
        return offer.product().orElseThrow();
    }

    @Property(tries = 150)
    void findsWhatTheF32SearchFinds(
            @ForAll long seed,
            @ForAll Numbers numbers,
            @ForAll Data data,
            @ForAll @IntRange(min = 1, max = 300) int rows,
            @ForAll @IntRange(min = 1, max = 600) int d,
            @ForAll @IntRange(min = 1, max = 2600) int latents,
            @ForAll @IntRange(min = 1, max = 3) int threads) {
        Case given = Case.of(data, seed, rows, latents, d);
        int k = 1 + Math.floorMod((int) seed, Math.min(latents, 64));
        float[] threshold = new float[latents];
        Arrays.fill(threshold, (float) Math.sqrt(d));
        ActiveRows expected = new ActiveRows();
        ActiveRows found = new ActiveRows();
        try (Workers workers = new Workers(threads);
                LowPrecisionProduct product = open(numbers, latents, d, threads)) {
            LatentSearch exact = new LatentSearch(Kernels.BEST, workers);
            LatentSearch proposed = new LatentSearch(Kernels.BEST, workers, product);
            for (LatentSearch.Rule rule :
                    new LatentSearch.Rule[] {new LatentSearch.Rule.Largest(k), new LatentSearch.Rule.Above(threshold)
                    }) {
                exact.search(given.x, given.w, given.bias, rule, expected);
                proposed.search(given.x, given.w, given.bias, rule, found);
                assertArrayEquals(Arrays.copyOf(expected.starts(), rows + 1), Arrays.copyOf(found.starts(), rows + 1));
                int n = expected.entries();
                assertTrue(Arrays.equals(expected.index(), 0, n, found.index(), 0, n), "latents");
                assertTrue(Arrays.equals(expected.value(), 0, n, found.value(), 0, n), "values");
            }
        }
    }

    @Property(tries = 60)
    void theErrorStaysWithinItsBound(
            @ForAll long seed,
            @ForAll Numbers numbers,
            @ForAll Data data,
            @ForAll @IntRange(min = 1, max = 128) int rows,
            @ForAll @IntRange(min = 1, max = 1100) int d,
            @ForAll @IntRange(min = 1, max = 1100) int latents) {
        Case given = Case.of(data, seed, rows, latents, d);
        float norm = (float) norm(given.w) * 1.001f;
        float[] factor = new float[rows];
        float[] error = new float[rows];
        try (Workers workers = new Workers(1);
                LowPrecisionProduct product = open(numbers, latents, d, 1)) {
            product.weights(given.w, norm, given.x, workers);
            product.rows(0, given.x, 0, rows, factor, error);
            for (int first = 0; first < latents; first += product.sliceLatents()) {
                int width = Math.min(product.sliceLatents(), latents - first);
                MemorySegment values = product.multiply(0, first / product.sliceLatents());
                for (int row = 0; row < rows; row++) {
                    double rounding = 2 * (d + 16) * 0x1p-24 * norm * norm(given.x, row);
                    for (int j = 0; j < width; j++) {
                        double v = factor[row]
                                * (double) values.getAtIndex(ValueLayout.JAVA_FLOAT, (long) row * width + j);
                        double exact = dot(given.x, row, given.w, first + j);
                        assertEquals(exact, v, error[row] + rounding, "row " + row + ", latent " + (first + j));
                    }
                }
            }
        }
    }

    private static double norm(Matrix rows) {
        double most = 0;
        for (int row = 0; row < rows.rows(); row++) {
            most = Math.max(most, norm(rows, row));
        }
        return most;
    }

    private static double norm(Matrix rows, int row) {
        return Math.sqrt(dot(rows, row, rows, row));
    }

    private static double dot(Matrix a, int row, Matrix b, int other) {
        double sum = 0;
        for (int c = 0; c < a.cols(); c++) {
            sum += (double) a.at(row, c) * b.at(other, c);
        }
        return sum;
    }
}
