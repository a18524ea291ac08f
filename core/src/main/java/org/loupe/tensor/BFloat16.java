package org.loupe.tensor;

/** bfloat16: the upper 16 bits of an IEEE f32 (8 exponent bits, 7 stored mantissa bits). */
public final class BFloat16 {
    private BFloat16() {}

    /** The f32 with the same value; exact. */
    public static float toFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** The nearest bfloat16, ties to even; a NaN stays a (quiet) NaN, a value beyond the range becomes infinite. */
    public static short fromFloat(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
    }
}
