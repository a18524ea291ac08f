package org.loupe.tensor;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Tiles of a product whose sums stay in registers: 12 rows × 2 vectors where there are 32 vector registers (24 sums, 2 columns,
 * 1 broadcast), 6 × 2 where there are 16. With 32 registers the smaller tile costs a whole training step 1.5 % more CPU time (Zen
 * 4, d = 768, m = 24,576, 4,096 rows).
 */
final class RegisterTiles {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();

    /** AVX-512 (16 lanes) and NEON (4) have 32 registers, AVX2 (8) has 16. */
    private static final boolean MANY_REGISTERS = LANES != 8;

    static final int ROWS = MANY_REGISTERS ? 12 : 6;
    static final int COLS = 2 * LANES;

    private RegisterTiles() {}

    /** {@link Kernels#tile}. */
    static void tile(float[] packed, int packedAt, float[] w, int wAt, int rows, int depth, float[] out) {
        if (rows < ROWS) {
            for (int r = 0; r < rows; r++) {
                row(packed, packedAt, w, wAt + r * depth, depth, out, r * COLS);
            }
        } else if (MANY_REGISTERS) {
            tile12x2(packed, packedAt, w, wAt, depth, out);
        } else {
            tile6x2(packed, packedAt, w, wAt, depth, out);
        }
    }

    private static void row(float[] packed, int packedAt, float[] w, int wAt, int depth, float[] out, int outAt) {
        FloatVector a = FloatVector.zero(SPECIES);
        FloatVector b = a;
        for (int k = 0; k < depth; k++) {
            FloatVector wk = FloatVector.broadcast(SPECIES, w[wAt + k]);
            a = wk.fma(FloatVector.fromArray(SPECIES, packed, packedAt + k * COLS), a);
            b = wk.fma(FloatVector.fromArray(SPECIES, packed, packedAt + k * COLS + LANES), b);
        }
        a.intoArray(out, outAt);
        b.intoArray(out, outAt + LANES);
    }

    private static void tile12x2(float[] packed, int packedAt, float[] w, int wAt, int depth, float[] out) {
        FloatVector a0a = FloatVector.zero(SPECIES);
        FloatVector a0b = FloatVector.zero(SPECIES);
        FloatVector a1a = FloatVector.zero(SPECIES);
        FloatVector a1b = FloatVector.zero(SPECIES);
        FloatVector a2a = FloatVector.zero(SPECIES);
        FloatVector a2b = FloatVector.zero(SPECIES);
        FloatVector a3a = FloatVector.zero(SPECIES);
        FloatVector a3b = FloatVector.zero(SPECIES);
        FloatVector a4a = FloatVector.zero(SPECIES);
        FloatVector a4b = FloatVector.zero(SPECIES);
        FloatVector a5a = FloatVector.zero(SPECIES);
        FloatVector a5b = FloatVector.zero(SPECIES);
        FloatVector a6a = FloatVector.zero(SPECIES);
        FloatVector a6b = FloatVector.zero(SPECIES);
        FloatVector a7a = FloatVector.zero(SPECIES);
        FloatVector a7b = FloatVector.zero(SPECIES);
        FloatVector a8a = FloatVector.zero(SPECIES);
        FloatVector a8b = FloatVector.zero(SPECIES);
        FloatVector a9a = FloatVector.zero(SPECIES);
        FloatVector a9b = FloatVector.zero(SPECIES);
        FloatVector a10a = FloatVector.zero(SPECIES);
        FloatVector a10b = FloatVector.zero(SPECIES);
        FloatVector a11a = FloatVector.zero(SPECIES);
        FloatVector a11b = FloatVector.zero(SPECIES);
        int p = packedAt;
        for (int k = wAt; k < wAt + depth; k++) {
            FloatVector xa = FloatVector.fromArray(SPECIES, packed, p);
            FloatVector xb = FloatVector.fromArray(SPECIES, packed, p + LANES);
            p += 2 * LANES;
            FloatVector w0 = FloatVector.broadcast(SPECIES, w[k]);
            a0a = w0.fma(xa, a0a);
            a0b = w0.fma(xb, a0b);
            FloatVector w1 = FloatVector.broadcast(SPECIES, w[k + depth]);
            a1a = w1.fma(xa, a1a);
            a1b = w1.fma(xb, a1b);
            FloatVector w2 = FloatVector.broadcast(SPECIES, w[k + 2 * depth]);
            a2a = w2.fma(xa, a2a);
            a2b = w2.fma(xb, a2b);
            FloatVector w3 = FloatVector.broadcast(SPECIES, w[k + 3 * depth]);
            a3a = w3.fma(xa, a3a);
            a3b = w3.fma(xb, a3b);
            FloatVector w4 = FloatVector.broadcast(SPECIES, w[k + 4 * depth]);
            a4a = w4.fma(xa, a4a);
            a4b = w4.fma(xb, a4b);
            FloatVector w5 = FloatVector.broadcast(SPECIES, w[k + 5 * depth]);
            a5a = w5.fma(xa, a5a);
            a5b = w5.fma(xb, a5b);
            FloatVector w6 = FloatVector.broadcast(SPECIES, w[k + 6 * depth]);
            a6a = w6.fma(xa, a6a);
            a6b = w6.fma(xb, a6b);
            FloatVector w7 = FloatVector.broadcast(SPECIES, w[k + 7 * depth]);
            a7a = w7.fma(xa, a7a);
            a7b = w7.fma(xb, a7b);
            FloatVector w8 = FloatVector.broadcast(SPECIES, w[k + 8 * depth]);
            a8a = w8.fma(xa, a8a);
            a8b = w8.fma(xb, a8b);
            FloatVector w9 = FloatVector.broadcast(SPECIES, w[k + 9 * depth]);
            a9a = w9.fma(xa, a9a);
            a9b = w9.fma(xb, a9b);
            FloatVector w10 = FloatVector.broadcast(SPECIES, w[k + 10 * depth]);
            a10a = w10.fma(xa, a10a);
            a10b = w10.fma(xb, a10b);
            FloatVector w11 = FloatVector.broadcast(SPECIES, w[k + 11 * depth]);
            a11a = w11.fma(xa, a11a);
            a11b = w11.fma(xb, a11b);
        }
        a0a.intoArray(out, 0);
        a0b.intoArray(out, LANES);
        a1a.intoArray(out, 2 * LANES);
        a1b.intoArray(out, 3 * LANES);
        a2a.intoArray(out, 4 * LANES);
        a2b.intoArray(out, 5 * LANES);
        a3a.intoArray(out, 6 * LANES);
        a3b.intoArray(out, 7 * LANES);
        a4a.intoArray(out, 8 * LANES);
        a4b.intoArray(out, 9 * LANES);
        a5a.intoArray(out, 10 * LANES);
        a5b.intoArray(out, 11 * LANES);
        a6a.intoArray(out, 12 * LANES);
        a6b.intoArray(out, 13 * LANES);
        a7a.intoArray(out, 14 * LANES);
        a7b.intoArray(out, 15 * LANES);
        a8a.intoArray(out, 16 * LANES);
        a8b.intoArray(out, 17 * LANES);
        a9a.intoArray(out, 18 * LANES);
        a9b.intoArray(out, 19 * LANES);
        a10a.intoArray(out, 20 * LANES);
        a10b.intoArray(out, 21 * LANES);
        a11a.intoArray(out, 22 * LANES);
        a11b.intoArray(out, 23 * LANES);
    }

    private static void tile6x2(float[] packed, int packedAt, float[] w, int wAt, int depth, float[] out) {
        FloatVector a0a = FloatVector.zero(SPECIES);
        FloatVector a0b = FloatVector.zero(SPECIES);
        FloatVector a1a = FloatVector.zero(SPECIES);
        FloatVector a1b = FloatVector.zero(SPECIES);
        FloatVector a2a = FloatVector.zero(SPECIES);
        FloatVector a2b = FloatVector.zero(SPECIES);
        FloatVector a3a = FloatVector.zero(SPECIES);
        FloatVector a3b = FloatVector.zero(SPECIES);
        FloatVector a4a = FloatVector.zero(SPECIES);
        FloatVector a4b = FloatVector.zero(SPECIES);
        FloatVector a5a = FloatVector.zero(SPECIES);
        FloatVector a5b = FloatVector.zero(SPECIES);
        int p = packedAt;
        for (int k = wAt; k < wAt + depth; k++) {
            FloatVector xa = FloatVector.fromArray(SPECIES, packed, p);
            FloatVector xb = FloatVector.fromArray(SPECIES, packed, p + LANES);
            p += 2 * LANES;
            FloatVector w0 = FloatVector.broadcast(SPECIES, w[k]);
            a0a = w0.fma(xa, a0a);
            a0b = w0.fma(xb, a0b);
            FloatVector w1 = FloatVector.broadcast(SPECIES, w[k + depth]);
            a1a = w1.fma(xa, a1a);
            a1b = w1.fma(xb, a1b);
            FloatVector w2 = FloatVector.broadcast(SPECIES, w[k + 2 * depth]);
            a2a = w2.fma(xa, a2a);
            a2b = w2.fma(xb, a2b);
            FloatVector w3 = FloatVector.broadcast(SPECIES, w[k + 3 * depth]);
            a3a = w3.fma(xa, a3a);
            a3b = w3.fma(xb, a3b);
            FloatVector w4 = FloatVector.broadcast(SPECIES, w[k + 4 * depth]);
            a4a = w4.fma(xa, a4a);
            a4b = w4.fma(xb, a4b);
            FloatVector w5 = FloatVector.broadcast(SPECIES, w[k + 5 * depth]);
            a5a = w5.fma(xa, a5a);
            a5b = w5.fma(xb, a5b);
        }
        a0a.intoArray(out, 0);
        a0b.intoArray(out, LANES);
        a1a.intoArray(out, 2 * LANES);
        a1b.intoArray(out, 3 * LANES);
        a2a.intoArray(out, 4 * LANES);
        a2b.intoArray(out, 5 * LANES);
        a3a.intoArray(out, 6 * LANES);
        a3b.intoArray(out, 7 * LANES);
        a4a.intoArray(out, 8 * LANES);
        a4b.intoArray(out, 9 * LANES);
        a5a.intoArray(out, 10 * LANES);
        a5b.intoArray(out, 11 * LANES);
    }
}
