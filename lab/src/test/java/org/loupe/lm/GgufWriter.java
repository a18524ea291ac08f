package org.loupe.lm;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes GGUF files for tests, right ones and, byte by byte, wrong ones. */
final class GgufWriter {
    private static final int ALIGNMENT = 32;

    private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private final List<byte[]> headers = new ArrayList<>();
    private int keyCount;

    static byte[] int32(int value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array();
    }

    static byte[] int64(long value) {
        return ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }

    static byte[] string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return joined(int64(bytes.length), bytes);
    }

    static byte[] joined(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    /** A key with the bytes of its type and value. */
    GgufWriter key(String name, byte[] typeAndValue) {
        keys.writeBytes(joined(string(name), typeAndValue));
        keyCount++;
        return this;
    }

    GgufWriter whole(String name, int value) {
        return key(name, joined(int32(4), int32(value)));
    }

    GgufWriter real(String name, float value) {
        return key(name, joined(int32(6), int32(Float.floatToRawIntBits(value))));
    }

    GgufWriter text(String name, String value) {
        return key(name, joined(int32(8), string(value)));
    }

    GgufWriter texts(String name, List<String> values) {
        byte[] items = joined(values.stream().map(GgufWriter::string).toArray(byte[][]::new));
        return key(name, joined(int32(9), int32(8), int64(values.size()), items));
    }

    GgufWriter wholes(String name, List<Integer> values) {
        byte[] items = joined(values.stream().map(GgufWriter::int32).toArray(byte[][]::new));
        return key(name, joined(int32(9), int32(5), int64(values.size()), items));
    }

    /** A tensor whose entry says what is given, sizes fastest first; its data is put at the next aligned offset. */
    GgufWriter tensor(String name, int type, byte[] bytes, long... sizes) {
        while (data.size() % ALIGNMENT != 0) {
            data.write(0);
        }
        return header(name, type, data.size(), sizes).raw(bytes);
    }

    /** An entry alone. */
    GgufWriter header(String name, int type, long offset, long... sizes) {
        ByteArrayOutputStream entry = new ByteArrayOutputStream();
        entry.writeBytes(joined(string(name), int32(sizes.length)));
        for (long size : sizes) {
            entry.writeBytes(int64(size));
        }
        entry.writeBytes(joined(int32(type), int64(offset)));
        headers.add(entry.toByteArray());
        return this;
    }

    GgufWriter raw(byte[] bytes) {
        data.writeBytes(bytes);
        return this;
    }

    GgufWriter f32(String name, float[] values, long... sizes) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putFloat(value);
        }
        return tensor(name, GgufType.F32.code(), bytes.array(), sizes);
    }

    byte[] bytes() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(
                joined("GGUF".getBytes(StandardCharsets.US_ASCII), int32(3), int64(headers.size()), int64(keyCount)));
        out.writeBytes(keys.toByteArray());
        headers.forEach(out::writeBytes);
        while (out.size() % ALIGNMENT != 0) {
            out.write(0);
        }
        out.writeBytes(data.toByteArray());
        return out.toByteArray();
    }

    Path write(Path file) {
        return write(file, bytes());
    }

    static Path write(Path file, byte[] bytes) {
        try {
            return Files.write(file, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
