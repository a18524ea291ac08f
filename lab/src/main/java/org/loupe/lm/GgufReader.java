package org.loupe.lm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.loupe.io.BadInput;

/** Reads little-endian GGUF values one after another; nothing is read or skipped beyond the end of the file. */
final class GgufReader {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int STRING = 8;
    private static final int ARRAY = 9;
    /** Smallest number of bytes of a value of each metadata type. */
    private static final int[] SIZES = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

    private static final int MAX_DEPTH = 4;

    private final Path file;
    private final MemorySegment bytes;
    private long position;

    GgufReader(Path file, MemorySegment bytes, long position) {
        this.file = file;
        this.bytes = bytes;
        this.position = position;
    }

    /** Another reader of the same file. */
    GgufReader at(long start) {
        return new GgufReader(file, bytes, start);
    }

    long position() {
        return position;
    }

    BadInput bad(long at, String rule) {
        return BadInput.at(file, at, rule);
    }

    int int32(String what) {
        return bytes.get(INT, advance(4, what));
    }

    long int64(String what) {
        return bytes.get(LONG, advance(8, what));
    }

    /** A count of things that take at least {@code each} bytes: never more than the rest of the file can hold. */
    long count(int each, String what) {
        long at = position;
        long count = int64(what);
        long rest = bytes.byteSize() - position;
        if (count < 0 || count > rest / each) {
            throw bad(at, what + " " + Long.toUnsignedString(count) + " does not fit the remaining " + rest + " bytes");
        }
        return count;
    }

    String string(String what) {
        long length = count(1, "length of " + what);
        if (length > Integer.MAX_VALUE - 8) {
            throw bad(position, what + " has " + length + " bytes, more than a string holds");
        }
        long at = advance(length, what);
        return new String(bytes.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    /** A metadata value with its type before it. */
    GgufValue typed(String key) {
        return value(type("value of '" + key + "'"));
    }

    /** A metadata value of a checked type. */
    GgufValue value(int type) {
        return value(type, 0);
    }

    private GgufValue value(int type, int depth) {
        return switch (type) {
            case 0 -> new GgufValue.Whole(bytes.get(ValueLayout.JAVA_BYTE, advance(1, "value")) & 0xFF);
            case 1 -> new GgufValue.Whole(bytes.get(ValueLayout.JAVA_BYTE, advance(1, "value")));
            case 2 -> new GgufValue.Whole(bytes.get(SHORT, advance(2, "value")) & 0xFFFF);
            case 3 -> new GgufValue.Whole(bytes.get(SHORT, advance(2, "value")));
            case 4 -> new GgufValue.Whole(Integer.toUnsignedLong(int32("value")));
            case 5 -> new GgufValue.Whole(int32("value"));
            case 6 -> new GgufValue.Real(Float.intBitsToFloat(int32("value")));
            case 7 -> new GgufValue.Flag(bytes.get(ValueLayout.JAVA_BYTE, advance(1, "value")) != 0);
            case STRING -> new GgufValue.Text(string("text"));
            case ARRAY -> array(depth);
            case 10, 11 -> new GgufValue.Whole(int64("value"));
            case 12 -> new GgufValue.Real(Double.longBitsToDouble(int64("value")));
            default -> throw bad(position, "unknown metadata type " + type);
        };
    }

    private GgufValue array(int depth) {
        if (depth >= MAX_DEPTH) {
            throw bad(position, "metadata arrays are nested more than " + MAX_DEPTH + " deep");
        }
        int type = type("array");
        long count = count(SIZES[type], "array length");
        long begin = position;
        if (type == STRING) {
            for (long i = 0; i < count; i++) {
                advance(count(1, "length of text"), "text");
            }
        } else if (type == ARRAY) {
            for (long i = 0; i < count; i++) {
                array(depth + 1);
            }
        } else {
            advance(count * SIZES[type], "array");
        }
        return new GgufValue.Items(this, type, count, begin);
    }

    private int type(String what) {
        long at = position;
        int type = int32("type of " + what);
        if (type < 0 || type >= SIZES.length) {
            throw bad(at, what + " has unknown metadata type " + Integer.toUnsignedString(type));
        }
        return type;
    }

    private long advance(long length, String what) {
        long at = position;
        if (length > bytes.byteSize() - at) {
            throw bad(
                    at,
                    "the file ends inside a " + what + ": " + length + " bytes wanted, " + (bytes.byteSize() - at)
                            + " left");
        }
        position = at + length;
        return at;
    }
}
