package org.loupe.sae;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.LongStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Keys;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.ScalarKernels;
import org.loupe.tensor.VectorKernels;
import org.loupe.tensor.Workers;

/** The fused search against valuing every latent by the same dot product and sorting: equal to the bit. */
class LatentSearchProperties {
    /** What makes a search hard. */
    enum Data {
        GAUSSIAN,
        /** Latents repeat, so that values tie exactly and the lower index must win. */
        TIES,
        /** Latents differ from one another in the last bit of one element. */
        NEAR_TIES,
        /** Large parts cancel: rounding errors are as large as the differences between values. */
        CANCELLING,
        /** No pre-activation is positive. */
        NEGATIVE,
        /** About as many positive ones as winners. */
        FEW_POSITIVE,
        LARGE_BIAS,
        LARGE_NORM,
        /** Values rise with the latent: the bar rises all the time, nothing can be discarded early. */
        ASCENDING,
        ZERO
    }

    private static Matrix random(Random random, int rows, int cols) {
        Matrix out = Matrix.zeros(rows, cols);
        for (int i = 0; i < rows * cols; i++) {
            out.data()[i] = (float) random.nextGaussian();
        }
        return out;
    }

    private static void shape(Data data, Random random, Matrix x, Matrix w, float[] bias) {
        int d = w.cols();
        switch (data) {
            case GAUSSIAN -> fill(bias, () -> (float) random.nextGaussian() / 2);
            case TIES -> repeat(w, 1 + random.nextInt(4));
            case NEAR_TIES -> {
                repeat(w, 1);
                for (int j = 0; j < w.rows(); j++) {
                    int at = j * d + random.nextInt(d);
                    w.data()[at] = random.nextBoolean() ? Math.nextUp(w.data()[at]) : Math.nextDown(w.data()[at]);
                }
            }
            case CANCELLING -> {
                repeat(w, 1);
                for (int j = 0; j < w.rows(); j++) {
                    for (int c = 0; c < d; c++) {
                        w.data()[j * d + c] += (float) (1e-6 * random.nextGaussian());
                    }
                }
                for (int i = 0; i < x.data().length; i++) {
                    x.data()[i] = (i % 2 == 0 ? 1e4f : -1e4f) * (1 + 1e-4f * (float) random.nextGaussian());
                }
            }
            case NEGATIVE -> fill(bias, () -> -1e4f);
            case FEW_POSITIVE -> fill(bias, () -> -1.5f * (float) Math.sqrt(d));
            case LARGE_BIAS -> fill(bias, () -> 1e6f * (float) random.nextGaussian());
            case LARGE_NORM -> {
                for (int i = 0; i < x.data().length; i++) {
                    x.data()[i] *= 30_000;
                }
            }
            case ASCENDING -> {
                for (int j = 0; j < bias.length; j++) {
                    bias[j] = j;
                }
            }
            case ZERO -> {
                Arrays.fill(x.data(), 0);
                fill(bias, () -> random.nextInt(3) - 1);
            }
        }
    }

    private interface FloatSupplier {
        float get();
    }

    private static void fill(float[] values, FloatSupplier next) {
        for (int i = 0; i < values.length; i++) {
            values[i] = next.get();
        }
    }

    private static void repeat(Matrix w, int distinct) {
        for (int j = distinct; j < w.rows(); j++) {
            System.arraycopy(w.data(), j % distinct * w.cols(), w.data(), j * w.cols(), w.cols());
        }
    }

    private static void assertEqualsBruteForce(
            Kernels kernels, Matrix x, Matrix w, float[] bias, LatentSearch.Rule rule, ActiveRows found) {
        int d = x.cols();
        assertEquals(x.rows(), found.rows());
        for (int row = 0; row < x.rows(); row++) {
            long[] keys = new long[w.rows()];
            for (int j = 0; j < w.rows(); j++) {
                keys[j] = Keys.of(kernels.dot(x.data(), row * d, w.data(), j * d, d) + bias[j], j);
            }
            Arrays.sort(keys);
            LongStream kept = switch (rule) {
                case LatentSearch.Rule.Largest largest ->
                    Arrays.stream(keys, Math.max(0, keys.length - largest.k()), keys.length);
                case LatentSearch.Rule.Above above ->
                    Arrays.stream(keys).filter(key -> Keys.value(key) > above.threshold()[Keys.index(key)]);
                case LatentSearch.Rule.Best _ -> Arrays.stream(keys, keys.length - 1, keys.length);
            };
            boolean positive = rule instanceof LatentSearch.Rule.Largest;
            int[] expected = kept.filter(key -> !positive || Keys.value(key) > 0)
                    .mapToInt(Keys::index)
                    .sorted()
                    .toArray();
            int at = found.starts()[row];
            int[] actual = Arrays.copyOfRange(found.index(), at, found.starts()[row + 1]);
            assertEquals(Arrays.toString(expected), Arrays.toString(actual), "latents of row " + row);
            for (int i = 0; i < actual.length; i++) {
                float value = kernels.dot(x.data(), row * d, w.data(), actual[i] * d, d) + bias[actual[i]];
                assertEquals(value, found.value()[at + i], "value of latent " + actual[i] + " in row " + row);
            }
        }
    }

    /** Thresholds about as large as the pre-activations; a few are exactly one of them, where nothing may be active. */
    private static float[] thresholds(Random random, Kernels kernels, Matrix x, Matrix w, float[] bias) {
        float[] theta = new float[w.rows()];
        int d = x.cols();
        for (int j = 0; j < theta.length; j++) {
            int row = random.nextInt(x.rows());
            float r = kernels.dot(x.data(), row * d, w.data(), j * d, d) + bias[j];
            theta[j] = switch (random.nextInt(4)) {
                case 0 -> r;
                case 1 -> 0;
                case 2 -> r * random.nextFloat();
                default -> Math.abs(r) * 2 * random.nextFloat();
            };
        }
        return theta;
    }

    @Property(tries = 1500)
    void winnersAndValuesEqualBruteForce(
            @ForAll long seed,
            @ForAll Data data,
            @ForAll @IntRange(min = 1, max = 200) int rows,
            @ForAll @IntRange(min = 1, max = 70) int d,
            @ForAll @IntRange(min = 1, max = 120) int m,
            @ForAll @IntRange(min = 0, max = 130) int chosen,
            @ForAll @IntRange(min = 1, max = 3) int threads,
            @ForAll boolean vector) {
        int k = 1 + chosen % m;
        Random random = new Random(seed);
        Matrix x = random(random, rows, d);
        Matrix w = random(random, m, d);
        float[] bias = new float[m];
        shape(data, random, x, w, bias);
        Kernels kernels = vector ? new VectorKernels() : new ScalarKernels();
        try (Workers workers = new Workers(threads)) {
            ActiveRows found = new ActiveRows();
            LatentSearch search = new LatentSearch(kernels, workers);
            for (LatentSearch.Rule rule : new LatentSearch.Rule[] {
                new LatentSearch.Rule.Largest(k),
                new LatentSearch.Rule.Best(),
                new LatentSearch.Rule.Above(new float[w.rows()]),
                new LatentSearch.Rule.Above(thresholds(random, kernels, x, w, bias))
            }) {
                search.search(x, w, bias, rule, found);
                assertEqualsBruteForce(kernels, x, w, bias, rule, found);
            }
        }
    }

    /** More latents than a row's first list of candidates holds, and more winners than that: the lists must grow. */
    @Property(tries = 40)
    void manyLatents(
            @ForAll long seed,
            @ForAll Data data,
            @ForAll @IntRange(min = 0, max = 3) int choice,
            @ForAll boolean vector) {
        int k = new int[] {1, 32, 300, 2000}[choice];
        Random random = new Random(seed);
        Matrix x = random(random, 37, 19);
        Matrix w = random(random, 2000, 19);
        float[] bias = new float[2000];
        shape(data, random, x, w, bias);
        Kernels kernels = vector ? new VectorKernels() : new ScalarKernels();
        try (Workers workers = new Workers(2)) {
            ActiveRows found = new ActiveRows();
            LatentSearch search = new LatentSearch(kernels, workers);
            for (LatentSearch.Rule rule : new LatentSearch.Rule[] {
                new LatentSearch.Rule.Largest(k),
                new LatentSearch.Rule.Best(),
                new LatentSearch.Rule.Above(new float[w.rows()]),
                new LatentSearch.Rule.Above(thresholds(random, kernels, x, w, bias))
            }) {
                search.search(x, w, bias, rule, found);
                assertEqualsBruteForce(kernels, x, w, bias, rule, found);
            }
        }
    }

    /** A dense search: values are within the bound of the dot products, and a latent differs only where θ is within the bound of r. */
    @Property(tries = 300)
    void denseSearchIsWithinTheBound(
            @ForAll long seed,
            @ForAll Data data,
            @ForAll @IntRange(min = 1, max = 600) int rows,
            @ForAll @IntRange(min = 1, max = 70) int d,
            @ForAll @IntRange(min = 1, max = 120) int m,
            @ForAll @IntRange(min = 1, max = 3) int threads,
            @ForAll boolean vector) {
        Random random = new Random(seed);
        Matrix x = random(random, rows, d);
        Matrix w = random(random, m, d);
        float[] bias = new float[m];
        shape(data, random, x, w, bias);
        Kernels kernels = vector ? new VectorKernels() : new ScalarKernels();
        float[] theta = thresholds(random, kernels, x, w, bias);
        try (Workers workers = new Workers(threads)) {
            ActiveRows found = new ActiveRows();
            new LatentSearch(kernels, workers, null, 0).search(x, w, bias, new LatentSearch.Rule.Above(theta), found);
            RoundingBound all = RoundingBound.of(kernels, workers, w, bias, theta);
            assertEquals(rows, found.rows());
            for (int row = 0; row < rows; row++) {
                float norm = (float) Math.sqrt(kernels.dot(x.data(), row * d, x.data(), row * d, d));
                float bound = all.exactInputs(norm, d);
                int at = found.starts()[row];
                for (int j = 0; j < m; j++) {
                    float r = kernels.dot(x.data(), row * d, w.data(), j * d, d) + bias[j];
                    boolean active = at < found.starts()[row + 1] && found.index()[at] == j;
                    if (active) {
                        assertEquals(r, found.value()[at++], bound);
                    }
                    assertTrue(active == r > theta[j] || Math.abs(r - theta[j]) <= bound, "latent " + j);
                }
                assertEquals(found.starts()[row + 1], at, "entries of row " + row + " ascend");
            }
        }
    }

    /** One search serves batches of other sizes, and k may exceed the number of latents. */
    @Example
    void scratchIsUsedAgain() {
        Random random = new Random(1);
        Kernels kernels = new VectorKernels();
        try (Workers workers = new Workers(2)) {
            LatentSearch search = new LatentSearch(kernels, workers);
            ActiveRows found = new ActiveRows();
            LatentSearch.Rule rule = new LatentSearch.Rule.Largest(9);
            for (int[] shape : new int[][] {{300, 5, 40}, {3, 70, 6}, {1, 2, 1}, {131, 33, 500}}) {
                Matrix x = random(random, shape[0], shape[1]);
                Matrix w = random(random, shape[2], shape[1]);
                float[] bias = new float[shape[2]];
                search.search(x, w, bias, rule, found);
                assertEqualsBruteForce(kernels, x, w, bias, rule, found);
            }
        }
    }

    /** |p − r| ≤ B for the product of the tiles and the dot products, and both within B/2 of the exact value. */
    @Property(tries = 300)
    void theRoundingBoundHolds(
            @ForAll long seed, @ForAll Data data, @ForAll @IntRange(min = 1, max = 600) int d, @ForAll boolean vector) {
        Random random = new Random(seed);
        Kernels kernels = vector ? new VectorKernels() : new ScalarKernels();
        int cols = kernels.tileCols();
        int m = kernels.tileRows();
        Matrix x = random(random, cols, d);
        Matrix w = random(random, m, d);
        float[] bias = new float[m];
        shape(data, random, x, w, bias);
        float[] packed = new float[d * cols];
        for (int c = 0; c < cols; c++) {
            for (int i = 0; i < d; i++) {
                packed[i * cols + c] = x.at(c, i);
            }
        }
        float[] tile = new float[m * cols];
        kernels.tile(packed, 0, w.data(), 0, m, d, tile);
        try (Workers workers = new Workers(1)) {
            RoundingBound all = RoundingBound.of(kernels, workers, w, bias, new float[m]);
            for (int c = 0; c < cols; c++) {
                float norm = (float) Math.sqrt(kernels.dot(x.data(), c * d, x.data(), c * d, d));
                float bound = all.exactInputs(norm, d);
                for (int j = 0; j < m; j++) {
                    float p = tile[j * cols + c] + bias[j];
                    float r = kernels.dot(x.data(), c * d, w.data(), j * d, d) + bias[j];
                    double exact = bias[j];
                    for (int i = 0; i < d; i++) {
                        exact += (double) x.at(c, i) * w.at(j, i);
                    }
                    assertTrue(
                            Math.abs((double) p - r) <= bound, () -> p + " and " + r + " differ by more than " + bound);
                    assertTrue(Math.abs(p - exact) <= bound / 2);
                    assertTrue(Math.abs(r - exact) <= bound / 2);
                }
            }
        }
    }
}
