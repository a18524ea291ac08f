package org.loupe.tensor;

import java.lang.foreign.MemorySegment;

/**
 * The one door to vector code. {@link ScalarKernels} says what each kernel means and is the oracle of the tests;
 * {@link VectorKernels} computes the same with the Vector API, to within rounding of a sum of n products:
 * 2 n 2⁻²⁴ Σ|aᵢbᵢ|.
 *
 * <p>Arguments named {@code …At} are offsets of the first element. Nothing is checked beyond array bounds.
 */
public sealed interface Kernels permits ScalarKernels, VectorKernels {
    /** The fastest kernels that this JVM was started with. */
    Kernels BEST = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent()
            ? new VectorKernels()
            : new ScalarKernels();

    /** One line for people: which kernels run, and what would make them faster. */
    String describe();

    /** Σᵢ a[aAt+i] b[bAt+i], i &lt; n. The order of summation depends on n alone. */
    float dot(float[] a, int aAt, float[] b, int bAt, int n);

    /** y[yAt+i] += alpha x[xAt+i], i &lt; n. */
    void addScaled(float alpha, float[] x, int xAt, float[] y, int yAt, int n);

    /** y[yAt+i] = alpha y[yAt+i], i &lt; n. */
    void scale(float alpha, float[] y, int yAt, int n);

    /**
     * A weighted sum of rows, added in the order of the entries: out[outAt+c] = start[startAt+c] + Σₑ weight[e] rows[rowsAt +
     * row[e] · width + c] for from ≤ e &lt; to, c &lt; width.
     *
     * @param rows [· × width], not modified
     * @param rowsAt where row 0 is or would be: below 0 where {@code rows} begins with a later row
     * @param out overwritten; may be {@code start}
     */
    void weightedRows(
            float[] rows,
            int rowsAt,
            int width,
            int[] row,
            float[] weight,
            int from,
            int to,
            float[] start,
            int startAt,
            float[] out,
            int outAt);

    /** Rows of one tile of {@link #tile}. */
    int tileRows();

    /** Columns of one tile of {@link #tile}, at most 32. */
    int tileCols();

    /**
     * One tile of a product: out[r · tileCols + c] = Σₖ w[wAt + r · depth + k] packed[packedAt + k · tileCols + c].
     *
     * @param packed a panel: {@link #tileCols} columns side by side, [depth × tileCols]
     * @param rows number of rows, at most {@link #tileRows}
     */
    void tile(float[] packed, int packedAt, float[] w, int wAt, int rows, int depth, float[] out);

    /** The set of columns c &lt; tileCols with tile[tileAt+c] + bias &gt; bar[barAt+c], as bits. */
    int above(float[] tile, int tileAt, float bias, float[] bar, int barAt);

    /**
     * The places i &lt; n with factor · values[valuesAt+i] + bias[biasAt+i] &gt; bar, ascending; the sum is one fused operation.
     *
     * @param values f32 elements in native memory
     * @param found [≥ n], overwritten from the front
     * @return how many there are
     */
    int above(
            MemorySegment values, long valuesAt, float factor, float[] bias, int biasAt, float bar, int n, int[] found);

    /**
     * The first place i &lt; n of the largest x[xAt+i]; any place where one is NaN.
     *
     * @param x f32 elements in native memory
     * @param n at least 1
     */
    int argMax(MemorySegment x, long xAt, int n);

    /** Σᵢ exp(x[xAt+i] − shift), i &lt; n: exponentials of f32 elements in native memory in f32, the sum in double. */
    double sumExp(MemorySegment x, long xAt, float shift, int n);

    /**
     * Σᵢ exp(p[pAt+i]) (p[pAt+i] − (x[xAt+i] − shift)), i &lt; n: the divergence of two distributions where p are logarithms of
     * the one, and x − shift of the other; f32 elements in native memory, terms in f32, the sum in double.
     */
    double divergence(MemorySegment p, long pAt, MemorySegment x, long xAt, float shift, int n);

    /** maxᵢ |x[xAt+i]|, i &lt; n; 0 for n = 0. */
    float maxAbs(float[] x, int xAt, int n);

    /**
     * Multiplies blocks of x by the Hadamard matrix H of that order, in place and not normalised: |Hx|² = block |x|². Each element
     * passes through log₂ block roundings.
     *
     * @param n a multiple of block
     * @param block a power of two, at least {@link #tileCols}
     */
    void rotate(float[] x, int xAt, int n, int block);

    /**
     * x[xAt+i] ← the whole number nearest to x[xAt+i] · factor + dither[i], ties to even; that number + shift is also written as a byte.
     *
     * @param n a multiple of {@link #tileCols}
     * @param bytes overwritten in [bytesAt, bytesAt + n)
     */
    void quantise(
            float[] x, int xAt, float factor, float[] dither, int n, int shift, MemorySegment bytes, long bytesAt);

    /**
     * Adam (Kingma &amp; Ba 2015, arXiv 1412.6980, algorithm 1) on n weights: with g = gradient · gradientScale, m ← m + (1−β₁)(g −
     * m), v ← v + (1−β₂)(g² − v), w ← w − rate · m / (√v · rootCorrection + ε).
     */
    void adam(AdamStep step, float[] gradient, int gradientAt, float[] w, float[] m, float[] v, int at, int n);

    /**
     * The constants of one Adam step.
     *
     * @param rate learning rate / (1 − β₁ᵗ)
     * @param rootCorrection 1 / √(1 − β₂ᵗ)
     * @param gradientScale factor on every gradient (clipping)
     */
    record AdamStep(float rate, float rootCorrection, float gradientScale, float beta1, float beta2, float epsilon) {
        /** Step t ≥ 1 of a run. */
        public static AdamStep at(
                long t, double learningRate, double gradientScale, double beta1, double beta2, double epsilon) {
            return new AdamStep(
                    (float) (learningRate / (1 - Math.pow(beta1, (double) t))),
                    (float) (1 / Math.sqrt(1 - Math.pow(beta2, (double) t))),
                    (float) gradientScale,
                    (float) beta1,
                    (float) beta2,
                    (float) epsilon);
        }
    }
}
