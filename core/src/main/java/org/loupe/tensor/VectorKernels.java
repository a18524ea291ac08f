package org.loupe.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The kernels with the Vector API, in the widest vectors of the processor. Operations on single elements round alike in
 * a vector and alone, so a last piece shorter than a vector is left to {@link ScalarKernels}.
 */
public final class VectorKernels implements Kernels {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();

    /** Doubles in vectors of the same size: half as many as SPECIES has floats. */
    private static final VectorSpecies<Double> DOUBLES = VectorSpecies.of(double.class, SPECIES.vectorShape());

    /** 1.5 · 2²³: added to an f32 of less than 2²², it rounds it to a whole number. */
    private static final float WHOLE = 12_582_912;

    private static final float LOG2_E = (float) (1 / Math.log(2));

    /** ln 2 in 10 bits, so that small whole multiples are exact, and the rest of it. */
    private static final float LN2_HIGH = 355f / 512;

    private static final float LN2_LOW = (float) (Math.log(2) - LN2_HIGH);

    /** Does what is left over where a length is no multiple of {@link #LANES}. */
    private static final Kernels REST = new ScalarKernels();

    private static final VectorShuffle<Float> BY_HALF = rotation(LANES / 2);
    private static final VectorShuffle<Float> BY_QUARTER = rotation(LANES / 4);
    private static final VectorShuffle<Float> BY_EIGHTH = rotation(LANES / 8);
    private static final VectorShuffle<Float> BY_SIXTEENTH = rotation(LANES / 16);

    private static final VectorShuffle<Float> SWAP_1 = swap(1);
    private static final VectorShuffle<Float> SWAP_2 = swap(2);
    private static final VectorShuffle<Float> SWAP_4 = swap(4);
    private static final VectorShuffle<Float> SWAP_8 = swap(8);
    private static final FloatVector FLIP_1 = flip(1);
    private static final FloatVector FLIP_2 = flip(2);
    private static final FloatVector FLIP_4 = flip(4);
    private static final FloatVector FLIP_8 = flip(8);

    /** As many bytes as SPECIES has floats. */
    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, 8 * LANES)));

    @Override
    public String describe() {
        return "vector kernels, " + SPECIES.vectorBitSize() + "-bit";
    }

    @Override
    public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        int i = 0;
        for (; i <= n - 4 * LANES; i += 4 * LANES) {
            s0 = FloatVector.fromArray(SPECIES, a, aAt + i).fma(FloatVector.fromArray(SPECIES, b, bAt + i), s0);
            s1 = FloatVector.fromArray(SPECIES, a, aAt + i + LANES)
                    .fma(FloatVector.fromArray(SPECIES, b, bAt + i + LANES), s1);
            s2 = FloatVector.fromArray(SPECIES, a, aAt + i + 2 * LANES)
                    .fma(FloatVector.fromArray(SPECIES, b, bAt + i + 2 * LANES), s2);
            s3 = FloatVector.fromArray(SPECIES, a, aAt + i + 3 * LANES)
                    .fma(FloatVector.fromArray(SPECIES, b, bAt + i + 3 * LANES), s3);
        }
        for (; i <= n - LANES; i += LANES) {
            s0 = FloatVector.fromArray(SPECIES, a, aAt + i).fma(FloatVector.fromArray(SPECIES, b, bAt + i), s0);
        }
        float sum = sum(s0.add(s1).add(s2.add(s3)));
        for (; i < n; i++) {
            sum = Math.fma(a[aAt + i], b[bAt + i], sum);
        }
        return sum;
    }

    /**
     * The sum of all lanes, halves added to halves. {@code reduceLanes(ADD)} leaves its order open, and interpreted and compiled
     * code do differ in it: a result would depend on when the compiler came.
     */
    private static float sum(FloatVector v) {
        FloatVector s = v.add(v.rearrange(BY_HALF));
        s = s.add(s.rearrange(BY_QUARTER));
        if (LANES >= 8) {
            s = s.add(s.rearrange(BY_EIGHTH));
        }
        if (LANES >= 16) {
            s = s.add(s.rearrange(BY_SIXTEENTH));
        }
        return s.lane(0);
    }

    /** The partners of one stage of {@link #rotate} inside a vector: lane i and lane i ^ half. */
    private static VectorShuffle<Float> swap(int half) {
        return VectorShuffle.fromOp(SPECIES, i -> (i ^ half) % LANES);
    }

    /** −1 in the lanes where that stage subtracts. */
    private static FloatVector flip(int half) {
        float[] signs = new float[LANES];
        for (int i = 0; i < LANES; i++) {
            signs[i] = (i & half) == 0 ? 1 : -1;
        }
        return FloatVector.fromArray(SPECIES, signs, 0);
    }

    private static VectorShuffle<Float> rotation(int by) {
        return VectorShuffle.fromOp(SPECIES, i -> (i + by) % LANES);
    }

    @Override
    public void addScaled(float alpha, float[] x, int xAt, float[] y, int yAt, int n) {
        FloatVector factor = FloatVector.broadcast(SPECIES, alpha);
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            factor.fma(FloatVector.fromArray(SPECIES, x, xAt + i), FloatVector.fromArray(SPECIES, y, yAt + i))
                    .intoArray(y, yAt + i);
        }
        REST.addScaled(alpha, x, xAt + i, y, yAt + i, n - i);
    }

    @Override
    public void scale(float alpha, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            FloatVector.fromArray(SPECIES, y, yAt + i).mul(alpha).intoArray(y, yAt + i);
        }
        REST.scale(alpha, y, yAt + i, n - i);
    }

    @Override
    public void weightedRows(
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
            int outAt) {
        RegisterRows.weighted(rows, rowsAt, width, row, weight, from, to, start, startAt, out, outAt);
    }

    @Override
    public int tileRows() {
        return RegisterTiles.ROWS;
    }

    @Override
    public int tileCols() {
        return RegisterTiles.COLS;
    }

    @Override
    public void tile(float[] packed, int packedAt, float[] w, int wAt, int rows, int depth, float[] out) {
        RegisterTiles.tile(packed, packedAt, w, wAt, rows, depth, out);
    }

    @Override
    public int above(float[] tile, int tileAt, float bias, float[] bar, int barAt) {
        FloatVector b = FloatVector.broadcast(SPECIES, bias);
        long low = FloatVector.fromArray(SPECIES, tile, tileAt)
                .add(b)
                .compare(VectorOperators.GT, FloatVector.fromArray(SPECIES, bar, barAt))
                .toLong();
        long high = FloatVector.fromArray(SPECIES, tile, tileAt + LANES)
                .add(b)
                .compare(VectorOperators.GT, FloatVector.fromArray(SPECIES, bar, barAt + LANES))
                .toLong();
        return (int) (low | high << LANES);
    }

    @Override
    public int above(
            MemorySegment values,
            long valuesAt,
            float factor,
            float[] bias,
            int biasAt,
            float bar,
            int n,
            int[] found) {
        FloatVector f = FloatVector.broadcast(SPECIES, factor);
        FloatVector line = FloatVector.broadcast(SPECIES, bar);
        int count = 0;
        int i = 0;
        for (; i <= n - 4 * LANES; i += 4 * LANES) {
            VectorMask<Float> a = above(values, valuesAt + i, f, bias, biasAt + i, line);
            VectorMask<Float> b = above(values, valuesAt + i + LANES, f, bias, biasAt + i + LANES, line);
            VectorMask<Float> c = above(values, valuesAt + i + 2L * LANES, f, bias, biasAt + i + 2 * LANES, line);
            VectorMask<Float> d = above(values, valuesAt + i + 3L * LANES, f, bias, biasAt + i + 3 * LANES, line);
            if (a.or(b).or(c.or(d)).anyTrue()) { // one place in a hundred passes
                count = add(a, i, found, count);
                count = add(b, i + LANES, found, count);
                count = add(c, i + 2 * LANES, found, count);
                count = add(d, i + 3 * LANES, found, count);
            }
        }
        for (; i < n; i++) {
            float value = values.getAtIndex(ValueLayout.JAVA_FLOAT, valuesAt + i);
            if (Math.fma(factor, value, bias[biasAt + i]) > bar) {
                found[count++] = i;
            }
        }
        return count;
    }

    private static VectorMask<Float> above(
            MemorySegment values, long valuesAt, FloatVector factor, float[] bias, int biasAt, FloatVector bar) {
        return load(values, valuesAt)
                .fma(factor, FloatVector.fromArray(SPECIES, bias, biasAt))
                .compare(VectorOperators.GT, bar);
    }

    /** Appends the places of a mask's set lanes. */
    private static int add(VectorMask<Float> mask, int first, int[] found, int count) {
        long hits = mask.toLong();
        int n = count;
        while (hits != 0) {
            found[n++] = first + Long.numberOfTrailingZeros(hits);
            hits &= hits - 1;
        }
        return n;
    }

    @Override
    public int argMax(MemorySegment x, long xAt, int n) {
        if (n < LANES) {
            return REST.argMax(x, xAt, n);
        }
        FloatVector max = load(x, xAt);
        for (int i = LANES; i <= n - LANES; i += LANES) {
            max = max.max(load(x, xAt + i));
        }
        float largest = Math.max(
                max.reduceLanes(VectorOperators.MAX), load(x, xAt + n - LANES).reduceLanes(VectorOperators.MAX));
        for (int i = 0; i <= n - LANES; i += LANES) {
            VectorMask<Float> there = load(x, xAt + i).compare(VectorOperators.EQ, largest);
            if (there.anyTrue()) {
                return i + there.firstTrue();
            }
        }
        VectorMask<Float> there = load(x, xAt + n - LANES).compare(VectorOperators.EQ, largest);
        return n - LANES + Math.min(there.firstTrue(), LANES - 1);
    }

    @Override
    public double sumExp(MemorySegment x, long xAt, float shift, int n) {
        DoubleVector low = DoubleVector.zero(DOUBLES);
        DoubleVector high = low;
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            FloatVector e = exp(load(x, xAt + i).sub(shift));
            low = low.add(e.convertShape(VectorOperators.F2D, DOUBLES, 0));
            high = high.add(e.convertShape(VectorOperators.F2D, DOUBLES, 1));
        }
        return sum(low.add(high)) + REST.sumExp(x, xAt + i, shift, n - i);
    }

    @Override
    public double divergence(MemorySegment p, long pAt, MemorySegment x, long xAt, float shift, int n) {
        DoubleVector low = DoubleVector.zero(DOUBLES);
        DoubleVector high = low;
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            FloatVector logP = load(p, pAt + i);
            FloatVector term = exp(logP).mul(logP.sub(load(x, xAt + i).sub(shift)));
            low = low.add(term.convertShape(VectorOperators.F2D, DOUBLES, 0));
            high = high.add(term.convertShape(VectorOperators.F2D, DOUBLES, 1));
        }
        return sum(low.add(high)) + REST.divergence(p, pAt + i, x, xAt + i, shift, n - i);
    }

    /**
     * eˣ to within 2 units in the last place, of x between −87 and 88, beyond which it is that of the bound: 2ⁿ eʳ with |r| ≤ ln 2 / 2,
     * eʳ by its Taylor polynomial of degree 7, whose remainder is below 6e-9. Not the Vector API's own, whose bits change once it is
     * compiled.
     */
    private static FloatVector exp(FloatVector x) {
        FloatVector bounded = x.max(-87).min(88);
        FloatVector shifted = bounded.fma(
                FloatVector.broadcast(SPECIES, LOG2_E), FloatVector.broadcast(SPECIES, WHOLE)); // n in the low bits
        FloatVector n = shifted.sub(WHOLE);
        FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), bounded);
        r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
        FloatVector y = FloatVector.broadcast(SPECIES, 1f / 5_040);
        y = y.fma(r, FloatVector.broadcast(SPECIES, 1f / 720));
        y = y.fma(r, FloatVector.broadcast(SPECIES, 1f / 120));
        y = y.fma(r, FloatVector.broadcast(SPECIES, 1f / 24));
        y = y.fma(r, FloatVector.broadcast(SPECIES, 1f / 6));
        y = y.fma(r, FloatVector.broadcast(SPECIES, 0.5f));
        y = y.fma(r, FloatVector.broadcast(SPECIES, 1));
        y = y.fma(r, FloatVector.broadcast(SPECIES, 1));
        return y.mul(shifted.reinterpretAsInts()
                .lanewise(VectorOperators.LSHL, 23)
                .add(Float.floatToIntBits(1))
                .reinterpretAsFloats());
    }

    /** The lanes in their order; the Vector API leaves the order of its sums open. */
    private static double sum(DoubleVector lanes) {
        double sum = 0;
        for (double lane : lanes.toArray()) {
            sum += lane;
        }
        return sum;
    }

    private static FloatVector load(MemorySegment x, long at) {
        return FloatVector.fromMemorySegment(SPECIES, x, at * Float.BYTES, ByteOrder.nativeOrder());
    }

    @Override
    public float maxAbs(float[] x, int xAt, int n) {
        FloatVector max = FloatVector.zero(SPECIES);
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            max = max.max(FloatVector.fromArray(SPECIES, x, xAt + i).abs());
        }
        return Math.max(max.reduceLanes(VectorOperators.MAX), REST.maxAbs(x, xAt + i, n - i));
    }

    @Override
    public void rotate(float[] x, int xAt, int n, int block) {
        for (int i = 0; i < n; i += LANES) {
            FloatVector v = FloatVector.fromArray(SPECIES, x, xAt + i);
            v = FLIP_1.fma(v, v.rearrange(SWAP_1));
            v = FLIP_2.fma(v, v.rearrange(SWAP_2));
            if (LANES >= 8) {
                v = FLIP_4.fma(v, v.rearrange(SWAP_4));
            }
            if (LANES >= 16) {
                v = FLIP_8.fma(v, v.rearrange(SWAP_8));
            }
            v.intoArray(x, xAt + i);
        }
        for (int half = LANES; half < block; half *= 2) {
            for (int first = 0; first < n; first += 2 * half) {
                for (int i = xAt + first; i < xAt + first + half; i += LANES) {
                    FloatVector a = FloatVector.fromArray(SPECIES, x, i);
                    FloatVector b = FloatVector.fromArray(SPECIES, x, i + half);
                    a.add(b).intoArray(x, i);
                    a.sub(b).intoArray(x, i + half);
                }
            }
        }
    }

    @Override
    public void quantise(
            float[] x, int xAt, float factor, float[] dither, int n, int shift, MemorySegment bytes, long bytesAt) {
        if (LANES < 8) { // there are no vectors of four bytes
            REST.quantise(x, xAt, factor, dither, n, shift, bytes, bytesAt);
            return;
        }
        FloatVector f = FloatVector.broadcast(SPECIES, factor);
        for (int i = 0; i < n; i += LANES) {
            // Adding 1.5 · 2²³ leaves no bits below 1, so the sum is rounded to a whole number, ties to even.
            FloatVector q = FloatVector.fromArray(SPECIES, x, xAt + i)
                    .fma(f, FloatVector.fromArray(SPECIES, dither, i))
                    .add(0x1.8p23f)
                    .sub(0x1.8p23f);
            q.intoArray(x, xAt + i);
            ((ByteVector) q.add(shift).convertShape(VectorOperators.F2B, BYTES, 0))
                    .intoMemorySegment(bytes, bytesAt + i, ByteOrder.nativeOrder());
        }
    }

    @Override
    public void adam(AdamStep step, float[] gradient, int gradientAt, float[] w, float[] m, float[] v, int at, int n) {
        FloatVector gain1 = FloatVector.broadcast(SPECIES, 1 - step.beta1());
        FloatVector gain2 = FloatVector.broadcast(SPECIES, 1 - step.beta2());
        FloatVector root = FloatVector.broadcast(SPECIES, step.rootCorrection());
        FloatVector epsilon = FloatVector.broadcast(SPECIES, step.epsilon());
        int i = 0;
        for (; i <= n - LANES; i += LANES) {
            FloatVector g =
                    FloatVector.fromArray(SPECIES, gradient, gradientAt + i).mul(step.gradientScale());
            FloatVector mi = FloatVector.fromArray(SPECIES, m, at + i);
            FloatVector vi = FloatVector.fromArray(SPECIES, v, at + i);
            mi = gain1.fma(g.sub(mi), mi);
            vi = gain2.fma(g.fma(g, vi.neg()), vi);
            mi.intoArray(m, at + i);
            vi.intoArray(v, at + i);
            FloatVector.fromArray(SPECIES, w, at + i)
                    .sub(mi.mul(step.rate()).div(vi.sqrt().fma(root, epsilon)))
                    .intoArray(w, at + i);
        }
        REST.adam(step, gradient, gradientAt + i, w, m, v, at + i, n - i);
    }
}
