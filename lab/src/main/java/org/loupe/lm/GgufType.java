package org.loupe.lm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.loupe.tensor.BFloat16;

/**
 * The element types of GGUF tensors that are read, and what their blocks of 32 elements mean (ggml's {@code ggml-quants.h}):
 *
 * <pre>
 * Q8_0   d: f16,          32 × i8           x = d·q
 * Q4_0   d: f16,          16 bytes          x = d·(q − 8)   low nibbles are elements 0..15, high nibbles 16..31
 * Q4_1   d: f16, m: f16,  16 bytes          x = d·q + m
 * </pre>
 */
enum GgufType {
    F32(0, 1, 4),
    F16(1, 1, 2),
    Q4_0(2, 32, 18),
    Q4_1(3, 32, 20),
    Q8_0(8, 32, 34),
    BF16(30, 1, 2);

    /** Types that exist but are not read, for the message. */
    private static final Map<Integer, String> OTHERS = Map.ofEntries(
            Map.entry(6, "Q5_0"),
            Map.entry(7, "Q5_1"),
            Map.entry(9, "Q8_1"),
            Map.entry(10, "Q2_K"),
            Map.entry(11, "Q3_K"),
            Map.entry(12, "Q4_K"),
            Map.entry(13, "Q5_K"),
            Map.entry(14, "Q6_K"),
            Map.entry(15, "Q8_K"),
            Map.entry(20, "IQ4_NL"),
            Map.entry(24, "I8"),
            Map.entry(25, "I16"),
            Map.entry(26, "I32"),
            Map.entry(27, "I64"),
            Map.entry(28, "F64"));

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int code;
    private final int blockElements;
    private final int blockBytes;

    GgufType(int code, int blockElements, int blockBytes) {
        this.code = code;
        this.blockElements = blockElements;
        this.blockBytes = blockBytes;
    }

    static Optional<GgufType> of(int code) {
        return Arrays.stream(values()).filter(type -> type.code == code).findFirst();
    }

    /** How a type that is not read is called. */
    static String describe(int code) {
        return Integer.toUnsignedString(code) + (OTHERS.containsKey(code) ? " (" + OTHERS.get(code) + ")" : "");
    }

    int code() {
        return code;
    }

    int blockElements() {
        return blockElements;
    }

    int blockBytes() {
        return blockBytes;
    }

    /** The elements of a tensor as f32; {@code data} holds whole blocks. */
    float[] floats(MemorySegment data) {
        int blocks = Math.toIntExact(data.byteSize() / blockBytes);
        float[] out = new float[Math.multiplyExact(blocks, blockElements)];
        for (int block = 0; block < blocks; block++) {
            long at = (long) block * blockBytes;
            int to = block * blockElements;
            switch (this) {
                case F32 -> out[to] = data.get(FLOAT, at);
                case F16 -> out[to] = half(data, at);
                case BF16 -> out[to] = BFloat16.toFloat(data.get(SHORT, at));
                case Q8_0 -> {
                    float scale = half(data, at);
                    for (int i = 0; i < 32; i++) {
                        out[to + i] = scale * data.get(ValueLayout.JAVA_BYTE, at + 2 + i);
                    }
                }
                case Q4_0 -> nibbles(data, at + 2, half(data, at), -8, -0f, out, to); // adding −0 changes nothing
                case Q4_1 -> nibbles(data, at + 4, half(data, at), 0, half(data, at + 2), out, to);
            }
        }
        return out;
    }

    private static void nibbles(
            MemorySegment data, long at, float scale, int shift, float minimum, float[] out, int to) {
        for (int i = 0; i < 16; i++) {
            int pair = data.get(ValueLayout.JAVA_BYTE, at + i);
            out[to + i] = scale * ((pair & 15) + shift) + minimum;
            out[to + 16 + i] = scale * (((pair >> 4) & 15) + shift) + minimum;
        }
    }

    private static float half(MemorySegment data, long at) {
        return Float.float16ToFloat(data.get(SHORT, at));
    }
}
