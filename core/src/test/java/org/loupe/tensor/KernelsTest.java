package org.loupe.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Vector kernels against scalar ones, scalar ones against doubles, at odd sizes and offsets. */
public class KernelsTest {
    private static final Kernels SCALAR = new ScalarKernels();
    private static final Kernels VECTOR = new VectorKernels();
    private static final double UNIT = 0x1p-24;

    /** Elements before and after each range, which must stay as they are. */
    private static final int MARGIN = 5;

    static IntStream sizes() {
        return IntStream.of(
                1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 97, 127, 193, 257, 385, 511, 577, 768, 1023, 1030);
    }

    static Stream<Kernels> kernels() {
        return Stream.of(SCALAR, VECTOR);
    }

    private static float[] random(int size, long seed) {
        Random random = new Random(seed);
        float[] out = new float[size];
        for (int i = 0; i < size; i++) {
            out[i] = (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
        }
        return out;
    }

    /** Equal within a tolerance in [from, to), to the bit elsewhere. */
    private static void assertClose(
            float[] expected, float[] actual, float[] before, int from, int to, double[] slack) {
        for (int i = 0; i < actual.length; i++) {
            if (i < from || i >= to) {
                assertEquals(before[i], actual[i], "element " + i + " outside the range was changed");
            } else {
                assertEquals(expected[i], actual[i], slack[i - from], "element " + i);
            }
        }
    }

    @Test
    void testsRunWithTheVectorApi() {
        assertInstanceOf(VectorKernels.class, Kernels.BEST);
        assertTrue(VECTOR.describe().contains("vector"));
        assertTrue(SCALAR.describe().contains("--add-modules jdk.incubator.vector"));
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void dot(int n) {
        float[] a = random(n + 2 * MARGIN, n);
        float[] b = random(n + 3 * MARGIN, n + 1);
        double exact = 0;
        double size = 0;
        for (int i = 0; i < n; i++) {
            double product = (double) a[MARGIN + i] * b[2 * MARGIN + i];
            exact += product;
            size += Math.abs(product);
        }
        double slack = 2 * n * UNIT * size;
        float vector = VECTOR.dot(a, MARGIN, b, 2 * MARGIN, n);
        assertEquals(exact, SCALAR.dot(a, MARGIN, b, 2 * MARGIN, n), slack);
        assertEquals(exact, vector, slack);
        float[] shifted = new float[n + 1];
        System.arraycopy(a, MARGIN, shifted, 1, n);
        assertEquals(vector, VECTOR.dot(shifted, 1, b, 2 * MARGIN, n), "depends on the offset");
    }

    /** The same bits before and after compilation need one order of summation: this one, spelt out. */
    @ParameterizedTest
    @MethodSource("sizes")
    void dotSumsInOneOrder(int n) {
        int lanes = VECTOR.tileCols() / 2;
        float[] a = random(n, n);
        float[] b = random(n, n + 1);
        float[][] s = new float[4][lanes];
        int i = 0;
        for (; i <= n - 4 * lanes; i += 4 * lanes) {
            for (int j = 0; j < 4 * lanes; j++) {
                s[j / lanes][j % lanes] = Math.fma(a[i + j], b[i + j], s[j / lanes][j % lanes]);
            }
        }
        for (; i <= n - lanes; i += lanes) {
            for (int j = 0; j < lanes; j++) {
                s[0][j] = Math.fma(a[i + j], b[i + j], s[0][j]);
            }
        }
        float[] halves = new float[lanes];
        for (int j = 0; j < lanes; j++) {
            halves[j] = (s[0][j] + s[1][j]) + (s[2][j] + s[3][j]);
        }
        for (int half = lanes / 2; half >= 1; half /= 2) {
            for (int j = 0; j < half; j++) {
                halves[j] += halves[j + half];
            }
        }
        float sum = halves[0];
        for (; i < n; i++) {
            sum = Math.fma(a[i], b[i], sum);
        }
        assertEquals(sum, VECTOR.dot(a, 0, b, 0, n));
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void addScaled(int n) {
        float[] x = random(n + MARGIN, n);
        float[] before = random(n + 3 * MARGIN, n + 1);
        float[] y = before.clone();
        float[] expected = before.clone();
        double[] slack = new double[n];
        for (int i = 0; i < n; i++) {
            expected[2 * MARGIN + i] += -1.7f * x[MARGIN + i];
            slack[i] = 2 * UNIT * (Math.abs(1.7f * x[MARGIN + i]) + Math.abs(before[2 * MARGIN + i]));
        }
        VECTOR.addScaled(-1.7f, x, MARGIN, y, 2 * MARGIN, n);
        assertClose(expected, y, before, 2 * MARGIN, 2 * MARGIN + n, slack);
        float[] scalar = before.clone();
        SCALAR.addScaled(-1.7f, x, MARGIN, scalar, 2 * MARGIN, n);
        assertArrayEquals(scalar, y, "one fused operation an element leaves no room for a difference");
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void scale(int n) {
        float[] before = random(n + 2 * MARGIN, n);
        float[] scalar = before.clone();
        float[] vector = before.clone();
        SCALAR.scale(0.3f, scalar, MARGIN, n);
        VECTOR.scale(0.3f, vector, MARGIN, n);
        assertArrayEquals(scalar, vector);
        for (int i = 0; i < before.length; i++) {
            boolean inside = i >= MARGIN && i < MARGIN + n;
            assertEquals(inside ? 0.3f * before[i] : before[i], scalar[i]);
        }
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void weightedRows(int width) {
        float[] rows = random(9 * width, width);
        float[] start = random(width + MARGIN, width + 1);
        int[] row = {99, 3, 0, 8, 3, 99};
        float[] weight = {Float.NaN, 1.5f, -2, 0.25f, 7, Float.NaN};
        float[] before = random(width + 2 * MARGIN, width + 2);
        float[] expected = before.clone();
        double[] slack = new double[width];
        for (int c = 0; c < width; c++) {
            double sum = start[MARGIN + c];
            double size = Math.abs(sum);
            for (int e = 1; e < 5; e++) {
                sum += (double) weight[e] * rows[row[e] * width + c];
                size += Math.abs((double) weight[e] * rows[row[e] * width + c]);
            }
            expected[MARGIN + c] = (float) sum;
            slack[c] = 2 * 5 * UNIT * size;
        }
        for (Kernels kernels : new Kernels[] {SCALAR, VECTOR}) {
            float[] out = before.clone();
            kernels.weightedRows(rows, 0, width, row, weight, 1, 5, start, MARGIN, out, MARGIN);
            assertClose(expected, out, before, MARGIN, MARGIN + width, slack);
            float[] same = start.clone();
            kernels.weightedRows(rows, 0, width, row, weight, 1, 5, same, MARGIN, same, MARGIN);
            for (int c = 0; c < width; c++) {
                assertEquals(out[MARGIN + c], same[MARGIN + c], "out may be start");
            }
            int[] shifted = Arrays.stream(row).map(i -> i + 1000).toArray();
            float[] byOffset = before.clone();
            kernels.weightedRows(rows, -1000 * width, width, shifted, weight, 1, 5, start, MARGIN, byOffset, MARGIN);
            assertArrayEquals(out, byOffset, "rowsAt below 0");
            kernels.weightedRows(rows, 0, width, row, weight, 2, 2, start, MARGIN, out, MARGIN);
            for (int c = 0; c < width; c++) {
                assertEquals(start[MARGIN + c], out[MARGIN + c], "no entries give the start");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void tile(Kernels kernels) {
        int cols = kernels.tileCols();
        assertTrue(cols <= 32, "above() gives the columns as 32 bits");
        for (int depth : new int[] {1, 2, 3, 7, 16, 33, 129, 577}) {
            float[] packed = random(depth * cols + MARGIN, depth);
            for (int rows = 1; rows <= kernels.tileRows(); rows++) {
                float[] w = random(rows * depth + MARGIN, depth + rows);
                float[] before = random(kernels.tileRows() * cols, 1);
                float[] out = before.clone();
                float[] expected = before.clone();
                double[] slack = new double[rows * cols];
                for (int i = 0; i < rows * cols; i++) {
                    double sum = 0;
                    double size = 0;
                    for (int k = 0; k < depth; k++) {
                        double product =
                                (double) w[MARGIN + i / cols * depth + k] * packed[MARGIN + k * cols + i % cols];
                        sum += product;
                        size += Math.abs(product);
                    }
                    expected[i] = (float) sum;
                    slack[i] = 2 * depth * UNIT * size;
                }
                kernels.tile(packed, MARGIN, w, MARGIN, rows, depth, out);
                assertClose(expected, out, before, 0, rows * cols, slack);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void above(Kernels kernels) {
        int cols = kernels.tileCols();
        Random random = new Random(4);
        for (int trial = 0; trial < 200; trial++) {
            float bias = random.nextInt(3) - 1;
            float[] tile = new float[cols + MARGIN];
            float[] bar = new float[cols + 2 * MARGIN];
            int expected = 0;
            for (int c = 0; c < cols; c++) {
                tile[MARGIN + c] = random.nextInt(5) - 2; // small whole numbers: equality is common
                bar[2 * MARGIN + c] = switch (random.nextInt(8)) {
                    case 0 -> Float.POSITIVE_INFINITY;
                    case 1 -> Float.NEGATIVE_INFINITY;
                    default -> random.nextInt(5) - 2;
                };
                expected |= tile[MARGIN + c] + bias > bar[2 * MARGIN + c] ? 1 << c : 0;
            }
            assertEquals(expected, kernels.above(tile, MARGIN, bias, bar, 2 * MARGIN));
        }
    }

    /** Where native results pass a bar: small whole numbers, so that equality is common. */
    @ParameterizedTest
    @MethodSource("sizes")
    void aboveInNativeMemory(int n) {
        Random random = new Random(n);
        float[] bias = new float[n + MARGIN];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, n + MARGIN);
            for (int i = 0; i < n; i++) {
                values.setAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + i, random.nextInt(5) - 2);
                bias[MARGIN + i] = random.nextInt(3) - 1;
            }
            for (float bar : new float[] {-2, 0, 1, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                int[] expected = IntStream.range(0, n)
                        .filter(i ->
                                0.5f * values.getAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + i) + bias[MARGIN + i] > bar)
                        .toArray();
                for (Kernels kernels : new Kernels[] {SCALAR, VECTOR}) {
                    int[] found = new int[n];
                    int count = kernels.above(values, MARGIN, 0.5f, bias, MARGIN, bar, n, found);
                    assertArrayEquals(expected, Arrays.copyOf(found, count));
                }
            }
        }
    }

    /** Against sums in double; repeated values, so that the first of several largest is asked for. */
    @ParameterizedTest
    @MethodSource("sizes")
    void distributions(int n) {
        Random random = new Random(n);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = arena.allocate(ValueLayout.JAVA_FLOAT, n + 2 * MARGIN);
            MemorySegment p = arena.allocate(ValueLayout.JAVA_FLOAT, n + 2 * MARGIN);
            x.fill((byte) 0x7f);
            double sum = 0;
            double divergence = 0;
            double terms = 0;
            int first = 0;
            for (int i = 0; i < n; i++) {
                float value = random.nextInt(40) / 4f - 5;
                float logP = -random.nextInt(200) / 16f;
                x.setAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + i, value);
                p.setAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + i, logP);
                sum += Math.exp(value - 1.5);
                divergence += Math.exp(logP) * (logP - (value - 1.5));
                terms += Math.exp(logP) * Math.abs(logP - (value - 1.5));
                first = value > x.getAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + first) ? i : first;
            }
            for (Kernels kernels : new Kernels[] {SCALAR, VECTOR}) {
                assertEquals(sum, kernels.sumExp(x, MARGIN, 1.5f, n), 1e-6 * sum);
                assertEquals(divergence, kernels.divergence(p, MARGIN, x, MARGIN, 1.5f, n), 1e-6 * terms);
                if (n > 0) {
                    assertEquals(first, kernels.argMax(x, MARGIN, n));
                    float last = x.getAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + n - 1);
                    x.setAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + n - 1, Float.NaN);
                    int any = kernels.argMax(x, MARGIN, n);
                    assertTrue(any >= 0 && any < n);
                    x.setAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + n - 1, 7);
                    assertEquals(n - 1, kernels.argMax(x, MARGIN, n));
                    x.setAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + n - 1, last);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void maxAbs(int n) {
        float[] x = random(n + 2 * MARGIN, n);
        x[0] = 1e9f;
        x[n + 2 * MARGIN - 1] = -1e9f;
        double most = IntStream.range(0, n)
                .mapToDouble(i -> Math.abs(x[MARGIN + i]))
                .max()
                .orElseThrow();
        assertEquals((float) most, SCALAR.maxAbs(x, MARGIN, n));
        assertEquals((float) most, VECTOR.maxAbs(x, MARGIN, n));
    }

    /** Against the matrix itself: H[i][j] = (−1) to the number of bits that i and j share. */
    @ParameterizedTest
    @MethodSource("kernels")
    void rotate(Kernels kernels) {
        for (int block : new int[] {32, 64, 256}) {
            int n = 3 * block;
            float[] before = random(n + 2 * MARGIN, block);
            float[] expected = before.clone();
            double[] slack = new double[n];
            for (int i = 0; i < n; i++) {
                int first = MARGIN + i / block * block;
                double sum = 0;
                double size = 0;
                for (int j = 0; j < block; j++) {
                    sum += (Integer.bitCount(i % block & j) % 2 == 0 ? 1 : -1) * (double) before[first + j];
                    size += Math.abs((double) before[first + j]);
                }
                expected[MARGIN + i] = (float) sum;
                slack[i] = 16 * UNIT * size;
            }
            float[] x = before.clone();
            kernels.rotate(x, MARGIN, n, block);
            assertClose(expected, x, before, MARGIN, MARGIN + n, slack);
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void quantise(Kernels kernels) {
        int n = 3 * VECTOR.tileCols();
        float[] before = random(n + 2 * MARGIN, 9);
        float[] dither = random(n, 10);
        before[MARGIN] = 2.5f;
        before[MARGIN + 1] = -3.5f;
        dither[0] = 0;
        dither[1] = 0;
        float factor = 40 / SCALAR.maxAbs(before, 0, before.length);
        before[MARGIN] /= factor;
        before[MARGIN + 1] /= factor;
        float[] expected = before.clone();
        for (int i = 0; i < n; i++) {
            double whole = Math.rint(Math.fma(factor, before[MARGIN + i], dither[i]));
            expected[MARGIN + i] = (float) whole;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(n + 2L * MARGIN);
            bytes.fill((byte) 99);
            for (int shift : new int[] {0, 128}) {
                float[] x = before.clone();
                kernels.quantise(x, MARGIN, factor, dither, n, shift, bytes, MARGIN);
                assertClose(expected, x, before, MARGIN, MARGIN + n, new double[n]);
                for (int i = 0; i < n + 2 * MARGIN; i++) {
                    boolean inside = i >= MARGIN && i < MARGIN + n;
                    assertEquals(inside ? (byte) ((int) expected[i] + shift) : 99, bytes.get(ValueLayout.JAVA_BYTE, i));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void adam(int n) {
        float[] gradient = random(n + MARGIN, n);
        double rate = 0.01;
        double beta1 = 0.9;
        double beta2 = 0.99;
        double epsilon = 1e-3;
        double clip = 0.5;
        for (Kernels kernels : new Kernels[] {SCALAR, VECTOR}) {
            float[] before = random(n + 4 * MARGIN, n + 1);
            float[] w = before.clone();
            float[] m = new float[w.length];
            float[] v = new float[w.length];
            float[] expected = before.clone();
            double[] slack = new double[n];
            for (int i = 0; i < n; i++) {
                double g = clip * gradient[MARGIN + i];
                double first = 0;
                double second = 0;
                double weight = before[2 * MARGIN + i];
                for (int t = 1; t <= 3; t++) {
                    first = beta1 * first + (1 - beta1) * g;
                    second = beta2 * second + (1 - beta2) * g * g;
                    double mHat = first / (1 - Math.pow(beta1, t));
                    double vHat = second / (1 - Math.pow(beta2, t));
                    weight -= rate * mHat / (Math.sqrt(vHat) + epsilon);
                }
                expected[2 * MARGIN + i] = (float) weight;
                slack[i] = 4 * UNIT * Math.abs(weight) + 1e-5 * rate;
            }
            for (int t = 1; t <= 3; t++) {
                kernels.adam(
                        Kernels.AdamStep.at(t, rate, clip, beta1, beta2, epsilon),
                        gradient,
                        MARGIN,
                        w,
                        m,
                        v,
                        2 * MARGIN,
                        n);
            }
            assertClose(expected, w, before, 2 * MARGIN, 2 * MARGIN + n, slack);
            for (int i = 0; i < w.length; i++) {
                boolean inside = i >= 2 * MARGIN && i < 2 * MARGIN + n;
                assertTrue(inside || (m[i] == 0 && v[i] == 0), "moments outside the range");
            }
        }
    }
}
