package org.loupe.onednn;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;

/**
 * Rounds to whole numbers of at most 127, after a change of basis that spreads every outlier, with subtractive dither.
 *
 * <p>Basis: x′ = H S D⁻¹ x and w′ = H S D w / n, with D a diagonal of powers of two that makes a column's share of x and of w alike, S
 * random signs, and H Hadamard matrices of order n along the diagonal. ⟨x′, w′⟩ = ⟨x, w⟩; scales and 1/n are exact in f32.
 *
 * <p>Dither (Schuchman 1964, IEEE Trans. Commun. Technol. 12): with u, v uniform in (−½, ½) and q = round(x′/s + u), p = round(w′/t + v),
 * the errors x′ − s (q − u) are uniform in ± s/2 and independent of x′ and of each other; so are the weights'. Then
 * ⟨x′, w′⟩ − s t ⟨q − u, p − v⟩ is sub-Gaussian with variance at most (s² |w′|² + t² X²)/12, X = |x′| + s √n′/2 with n′ the padded width,
 * because sinh z / z ≤ exp(z²/6). It lies beyond λ standard deviations with a chance of at most 2 exp(−λ²/2): 5 · 10⁻¹⁸ at λ = 9.
 * u and v are drawn once: rows and encoders do not depend on them, since winners do not.
 *
 * <p>⟨q − u, p − v⟩ = ⟨q, p⟩ − ⟨q, v⟩ − ⟨u, p − v⟩. The third term belongs to the latent and is its offset. The second belongs to the row and
 * rides in the product as two columns more, its digits to the base 127; what they cannot hold is measured and counted as error.
 * Rows are stored as q + 128 ≥ 0, which the instructions want, and the offset takes 128 ⟨1, p⟩ back.
 */
final class Int8 implements Rounding {
    private static final float LAMBDA = 9;

    /** Steps of a range: 127 less the half that dither adds. */
    private static final float STEPS = 126.5f;

    private static final int BASE = 127;
    private static final int DIGITS = 2;

    /** Added to a row's numbers. */
    private static final int SHIFT = 128;

    /** The least order of a Hadamard matrix; rows are padded to a multiple of it. */
    private static final int LEAST_BLOCK = 64;

    /** Rows and latents by which the scales of columns are chosen. */
    private static final int SAMPLE = 512;

    /** Powers of two that a column may be scaled by. */
    private static final int LARGEST_SCALE = 20;

    /** Below this a row counts as zero; keeps 1/step finite. */
    private static final float LEAST_RANGE = 1e-30f;

    /**
     * f32 roundings of a term of the product, in units of 2⁻²⁴: those of the rotation on both sides (2 log₂ n ≤ 40), steps and their
     * reciprocals, the sum's conversion and its offset.
     */
    private static final float ROUNDINGS = 64 * 0x1p-24f;

    private static final float ROOM = 1.001f;

    private final Kernels kernels;
    private final int d;
    private final int padded;
    private final int block;
    private final float[] signs;
    private final float[] rowDither;
    private final float[] weightDither;
    private final float ditherProduct;
    private final float[] ones;
    private final float[] rowScale;
    private final float[] weightScale;
    private final float[][] scratch;

    /** The largest |w′| and step of each slice. */
    private final float[] norms;

    private final float[] steps;
    private float norm;
    private float step;

    Int8(Kernels kernels, int d, int slices, int workers) {
        this.kernels = kernels;
        this.d = d;
        this.padded = (d + LEAST_BLOCK - 1) / LEAST_BLOCK * LEAST_BLOCK;
        this.block = Integer.lowestOneBit(padded);
        SplittableRandom random = new SplittableRandom(0);
        this.signs = new float[d];
        for (int c = 0; c < d; c++) {
            signs[c] = random.nextBoolean() ? 1 : -1;
        }
        this.rowDither = uniform(random);
        this.weightDither = uniform(random);
        this.ditherProduct = kernels.dot(rowDither, 0, weightDither, 0, padded);
        this.rowScale = new float[d];
        this.weightScale = new float[d];
        this.scratch = new float[workers][padded];
        this.ones = new float[padded];
        Arrays.fill(ones, 1);
        this.norms = new float[slices];
        this.steps = new float[slices];
    }

    private float[] uniform(SplittableRandom random) {
        float[] out = new float[padded];
        for (int i = 0; i < padded; i++) {
            out[i] = (float) (random.nextInt(1 << 24) + 0.5) * 0x1p-24f - 0.5f;
        }
        return out;
    }

    @Override
    public LowPrecisionProduct.Numbers numbers() {
        return LowPrecisionProduct.Numbers.INT8;
    }

    @Override
    public int depth() {
        return padded + DIGITS;
    }

    @Override
    public int rowType() {
        return OneDnn.U8;
    }

    @Override
    public int plainType() {
        return OneDnn.S8;
    }

    @Override
    public int weightType() {
        return OneDnn.S8;
    }

    /** Chooses D = √(rms of x's column / rms of w's), to the nearest power of two. */
    @Override
    public void begin(Matrix w, float norm, Matrix x) {
        double[] rows = columnSquares(x);
        double[] weights = columnSquares(w);
        for (int c = 0; c < d; c++) {
            double ratio = rows[c] / weights[c];
            long power =
                    ratio > 0 && ratio < Double.POSITIVE_INFINITY ? Math.round(Math.log(ratio) / Math.log(2) / 4) : 0;
            int scale = Math.clamp(power, -LARGEST_SCALE, LARGEST_SCALE);
            rowScale[c] = Math.scalb(signs[c], -scale);
            weightScale[c] = Math.scalb(signs[c], scale) / block;
        }
    }

    /** Mean squares of the columns over some rows. */
    private static double[] columnSquares(Matrix rows) {
        int every = Math.max(1, rows.rows() / SAMPLE);
        double[] sums = new double[rows.cols()];
        int count = 0;
        for (int row = 0; row < rows.rows(); row += every) {
            count++;
            for (int c = 0; c < sums.length; c++) {
                double value = rows.data()[row * rows.cols() + c];
                sums[c] += value * value;
            }
        }
        for (int c = 0; c < sums.length; c++) {
            sums[c] /= count;
        }
        return sums;
    }

    @Override
    public void slice(int slice, Matrix w, int from, int to, MemorySegment plain, Columns columns, int worker) {
        float[] row = scratch[worker];
        float longest = 0;
        float widest = 0;
        for (int j = from; j < to; j++) {
            turn(w, j, weightScale, row);
            float width = step(row);
            longest = Math.max(longest, norm(row));
            widest = Math.max(widest, width);
            long at = (long) (j - from) * depth();
            kernels.quantise(row, 0, 1 / width, weightDither, padded, 0, plain, at);
            plain.set(ValueLayout.JAVA_BYTE, at + padded, (byte) -BASE);
            plain.set(ValueLayout.JAVA_BYTE, at + padded + 1, (byte) -1);
            float shift = SHIFT * (kernels.dot(ones, 0, row, 0, padded) - BASE - 1);
            float dither = kernels.dot(rowDither, 0, row, 0, padded) - ditherProduct;
            columns.factors().setAtIndex(ValueLayout.JAVA_FLOAT, j - from, width);
            columns.offsets().setAtIndex(ValueLayout.JAVA_FLOAT, j - from, -width * (shift + dither));
        }
        norms[slice] = longest;
        steps[slice] = widest;
    }

    @Override
    public void end() {
        norm = 0;
        step = 0;
        for (int slice = 0; slice < norms.length; slice++) {
            norm = Math.max(norm, norms[slice]);
            step = Math.max(step, steps[slice]);
        }
    }

    @Override
    public void rows(int worker, Matrix x, int from, int to, MemorySegment out, float[] factor, float[] error) {
        float[] row = scratch[worker];
        float root = (float) Math.sqrt(depth());
        for (int i = from; i < to; i++) {
            turn(x, i, rowScale, row);
            float length = norm(row);
            float width = step(row);
            long at = (long) (i - from) * depth();
            kernels.quantise(row, 0, 1 / width, rowDither, padded, SHIFT, out, at);
            float lost = digits(kernels.dot(weightDither, 0, row, 0, padded), out, at + padded);
            float rounded = length + width * root / 2;
            double deviation = Math.hypot(width * norm, step * rounded) / Math.sqrt(12);
            double roundings = ROUNDINGS * (rounded + SHIFT * width * root) * (norm + step * root);
            factor[i - from] = width;
            error[i - from] = ROOM * (float) (LAMBDA * deviation + width * step * lost + roundings) + Float.MIN_NORMAL;
        }
    }

    /** A row in the other basis: scaled, padded with zeros, rotated. */
    private void turn(Matrix rows, int row, float[] scale, float[] out) {
        int at = row * d;
        for (int c = 0; c < d; c++) {
            out[c] = rows.data()[at + c] * scale[c];
        }
        Arrays.fill(out, d, padded, 0);
        kernels.rotate(out, 0, padded, block);
    }

    private float norm(float[] row) {
        return ROOM * (float) Math.sqrt(kernels.dot(row, 0, row, 0, padded));
    }

    private float step(float[] row) {
        return Math.max(kernels.maxAbs(row, 0, padded), LEAST_RANGE) / STEPS;
    }

    /** Writes the nearest number with two digits to the base 127, shifted, and returns how far away it is. */
    private static float digits(float value, MemorySegment out, long at) {
        int high = Math.clamp(Math.round(value / BASE), -BASE, BASE);
        int low = Math.clamp(Math.round(value - high * BASE), -BASE, BASE);
        out.set(ValueLayout.JAVA_BYTE, at, (byte) (high + SHIFT));
        out.set(ValueLayout.JAVA_BYTE, at + 1, (byte) (low + SHIFT));
        return Math.abs(value - high * BASE - low);
    }
}
