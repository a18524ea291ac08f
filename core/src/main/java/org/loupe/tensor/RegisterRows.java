package org.loupe.tensor;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Weighted sums of rows that stay in registers while the rows pass by. */
final class RegisterRows {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();

    /** Columns of one slab: as many sums as there are registers for. */
    private static final int SLAB = 12 * LANES;

    /** As many sums as keep the multiplier busy, for the columns that are left beside slabs. */
    private static final int SMALL_SLAB = 4 * LANES;

    private RegisterRows() {}

    /** {@link Kernels#weightedRows}. */
    static void weighted(
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
        int c = 0;
        for (; c <= width - SLAB; c += SLAB) {
            slab(rows, rowsAt + c, width, row, weight, from, to, start, startAt + c, out, outAt + c);
        }
        for (; c <= width - SMALL_SLAB; c += SMALL_SLAB) {
            smallSlab(rows, rowsAt + c, width, row, weight, from, to, start, startAt + c, out, outAt + c);
        }
        for (; c <= width - LANES; c += LANES) {
            FloatVector sum = FloatVector.fromArray(SPECIES, start, startAt + c);
            for (int e = from; e < to; e++) {
                sum = FloatVector.fromArray(SPECIES, rows, rowsAt + row[e] * width + c)
                        .fma(FloatVector.broadcast(SPECIES, weight[e]), sum);
            }
            sum.intoArray(out, outAt + c);
        }
        for (; c < width; c++) {
            float sum = start[startAt + c];
            for (int e = from; e < to; e++) {
                sum = Math.fma(weight[e], rows[rowsAt + row[e] * width + c], sum);
            }
            out[outAt + c] = sum;
        }
    }

    private static void slab(
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
        FloatVector a0 = FloatVector.fromArray(SPECIES, start, startAt);
        FloatVector a1 = FloatVector.fromArray(SPECIES, start, startAt + 1 * LANES);
        FloatVector a2 = FloatVector.fromArray(SPECIES, start, startAt + 2 * LANES);
        FloatVector a3 = FloatVector.fromArray(SPECIES, start, startAt + 3 * LANES);
        FloatVector a4 = FloatVector.fromArray(SPECIES, start, startAt + 4 * LANES);
        FloatVector a5 = FloatVector.fromArray(SPECIES, start, startAt + 5 * LANES);
        FloatVector a6 = FloatVector.fromArray(SPECIES, start, startAt + 6 * LANES);
        FloatVector a7 = FloatVector.fromArray(SPECIES, start, startAt + 7 * LANES);
        FloatVector a8 = FloatVector.fromArray(SPECIES, start, startAt + 8 * LANES);
        FloatVector a9 = FloatVector.fromArray(SPECIES, start, startAt + 9 * LANES);
        FloatVector a10 = FloatVector.fromArray(SPECIES, start, startAt + 10 * LANES);
        FloatVector a11 = FloatVector.fromArray(SPECIES, start, startAt + 11 * LANES);
        for (int e = from; e < to; e++) {
            FloatVector f = FloatVector.broadcast(SPECIES, weight[e]);
            int p = rowsAt + row[e] * width;
            a0 = f.fma(FloatVector.fromArray(SPECIES, rows, p), a0);
            a1 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 1 * LANES), a1);
            a2 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 2 * LANES), a2);
            a3 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 3 * LANES), a3);
            a4 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 4 * LANES), a4);
            a5 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 5 * LANES), a5);
            a6 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 6 * LANES), a6);
            a7 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 7 * LANES), a7);
            a8 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 8 * LANES), a8);
            a9 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 9 * LANES), a9);
            a10 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 10 * LANES), a10);
            a11 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 11 * LANES), a11);
        }
        a0.intoArray(out, outAt);
        a1.intoArray(out, outAt + 1 * LANES);
        a2.intoArray(out, outAt + 2 * LANES);
        a3.intoArray(out, outAt + 3 * LANES);
        a4.intoArray(out, outAt + 4 * LANES);
        a5.intoArray(out, outAt + 5 * LANES);
        a6.intoArray(out, outAt + 6 * LANES);
        a7.intoArray(out, outAt + 7 * LANES);
        a8.intoArray(out, outAt + 8 * LANES);
        a9.intoArray(out, outAt + 9 * LANES);
        a10.intoArray(out, outAt + 10 * LANES);
        a11.intoArray(out, outAt + 11 * LANES);
    }

    private static void smallSlab(
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
        FloatVector a0 = FloatVector.fromArray(SPECIES, start, startAt);
        FloatVector a1 = FloatVector.fromArray(SPECIES, start, startAt + 1 * LANES);
        FloatVector a2 = FloatVector.fromArray(SPECIES, start, startAt + 2 * LANES);
        FloatVector a3 = FloatVector.fromArray(SPECIES, start, startAt + 3 * LANES);
        for (int e = from; e < to; e++) {
            FloatVector f = FloatVector.broadcast(SPECIES, weight[e]);
            int p = rowsAt + row[e] * width;
            a0 = f.fma(FloatVector.fromArray(SPECIES, rows, p), a0);
            a1 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 1 * LANES), a1);
            a2 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 2 * LANES), a2);
            a3 = f.fma(FloatVector.fromArray(SPECIES, rows, p + 3 * LANES), a3);
        }
        a0.intoArray(out, outAt);
        a1.intoArray(out, outAt + 1 * LANES);
        a2.intoArray(out, outAt + 2 * LANES);
        a3.intoArray(out, outAt + 3 * LANES);
    }
}
