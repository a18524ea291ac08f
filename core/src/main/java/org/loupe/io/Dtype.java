package org.loupe.io;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;
import org.loupe.tensor.BFloat16;

/** Element types of the safetensors format. */
public enum Dtype {
    F64(8),
    F32(4),
    F16(2),
    BF16(2),
    I64(8),
    I32(4),
    I16(2),
    I8(1),
    U64(8),
    U32(4),
    U16(2),
    U8(1),
    BOOL(1);

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int bytes;

    Dtype(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** Whether {@link #floats} decodes it. */
    public boolean isFloat() {
        return this == F32 || this == BF16 || this == F16 || this == F64;
    }

    /**
     * Decodes {@code count} elements as f32, widened exactly or, F64, rounded.
     *
     * @param from little-endian elements, the first at byte {@code offset}
     * @param out overwritten from {@code at} on
     * @throws IllegalArgumentException for integers
     */
    public void floats(MemorySegment from, long offset, float[] out, int at, int count) {
        switch (this) {
            case F32 -> MemorySegment.copy(from, FLOAT, offset, out, at, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = BFloat16.toFloat(from.get(SHORT, offset + i * 2L));
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = Float.float16ToFloat(from.get(SHORT, offset + i * 2L));
                }
            }
            case F64 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = (float) from.get(DOUBLE, offset + i * 8L);
                }
            }
            case I64, I32, I16, I8, U64, U32, U16, U8, BOOL ->
                throw new IllegalArgumentException(this + " holds no floats");
        }
    }

    /** The type of that name, if it is one of ours. */
    public static Optional<Dtype> named(String name) {
        return Arrays.stream(values()).filter(d -> d.name().equals(name)).findFirst();
    }
}
