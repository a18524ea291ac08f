package org.loupe.lm;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;

/**
 * A memory-mapped GGUF file, version 2 or 3, little-endian (ggml's {@code docs/gguf.md}):
 *
 * <pre>
 * "GGUF" | version: u32 | tensors: u64 | keys: u64
 * keys    × (name: string, type: u32, value)
 * tensors × (name: string, dimensions: u32, sizes: u64 each, fastest first, type: u32, offset: u64)
 * padding to general.alignment (default 32) | tensor data, offsets counted from here
 * </pre>
 *
 * Everything is checked on opening: counts and lengths against the file, offsets against the alignment, the data and each
 * other. A file that fails is refused with the byte named.
 */
final class Gguf implements AutoCloseable {
    private static final int MAGIC = 0x46554747; // "GGUF" read as a little-endian integer
    private static final int MAX_DIMENSIONS = 4;

    private final Path file;
    private final Arena arena;
    private final Map<String, GgufValue> metadata;
    private final Map<String, TensorInfo> tensors;

    private Gguf(Path file, Arena arena, Map<String, GgufValue> metadata, Map<String, TensorInfo> tensors) {
        this.file = file;
        this.arena = arena;
        this.metadata = Collections.unmodifiableMap(metadata);
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /**
     * One tensor.
     *
     * @param shape sizes, slowest first (row-major)
     * @param at byte of its entry in the header
     * @param begin first byte of its data in the file
     */
    record TensorInfo(String name, GgufType type, List<Long> shape, long at, long begin, MemorySegment data) {}

    /** Maps and checks a file. */
    @SuppressWarnings("MustBeClosedChecker") // the Gguf owns the arena; every failure below closes it
    static Gguf open(Path file) {
        if (!Files.isRegularFile(file)) {
            throw BadInput.in(file, "no such file");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return parse(file, arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException e) {
            arena.close();
            throw new BadInput(file + ": cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static Gguf parse(Path file, Arena arena, MemorySegment whole) {
        GgufReader reader = new GgufReader(file, whole, 0);
        if (reader.int32("magic number") != MAGIC) {
            throw reader.bad(0, "not a GGUF file: it does not start with the letters GGUF");
        }
        int version = reader.int32("version");
        if (version != 2 && version != 3) {
            throw reader.bad(4, "GGUF version " + Integer.toUnsignedString(version) + ", expected 2 or 3");
        }
        long tensorCount = reader.count(24, "number of tensors");
        long keyCount = reader.count(13, "number of keys");
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        for (long i = 0; i < keyCount; i++) {
            long at = reader.position();
            String key = reader.string("key");
            if (metadata.put(key, reader.typed(key)) != null) {
                throw reader.bad(at, "key '" + key + "' occurs twice");
            }
        }
        return new Gguf(file, arena, metadata, tensors(reader, whole, tensorCount, alignment(reader, metadata)));
    }

    private static long alignment(GgufReader reader, Map<String, GgufValue> metadata) {
        GgufValue value = metadata.getOrDefault("general.alignment", new GgufValue.Whole(32));
        if (value instanceof GgufValue.Whole(long alignment)
                && alignment > 0
                && alignment <= 1 << 20
                && Long.bitCount(alignment) == 1) {
            return alignment;
        }
        throw reader.bad(reader.position(), "general.alignment is " + value + ", expected a power of two up to 2^20");
    }

    private static Map<String, TensorInfo> tensors(GgufReader reader, MemorySegment whole, long count, long alignment) {
        record Header(String name, GgufType type, List<Long> shape, long bytes, long at, long offset) {}
        Map<String, Header> headers = new LinkedHashMap<>();
        for (long i = 0; i < count; i++) {
            long at = reader.position();
            String name = reader.string("tensor name");
            List<Long> shape = shape(reader, name);
            long typeAt = reader.position();
            int code = reader.int32("tensor type");
            GgufType type = GgufType.of(code)
                    .orElseThrow(() -> reader.bad(
                            typeAt,
                            "tensor '" + name + "' has type " + GgufType.describe(code)
                                    + ", which is not read; read are F32, F16, BF16, Q8_0, Q4_0, Q4_1"));
            long bytes = bytes(reader, name, type, shape, typeAt, whole.byteSize());
            long offsetAt = reader.position();
            long offset = reader.int64("tensor offset");
            if (offset < 0 || offset % alignment != 0) {
                throw reader.bad(
                        offsetAt,
                        "tensor '" + name + "' has offset " + Long.toUnsignedString(offset)
                                + ", expected a multiple of the alignment " + alignment);
            }
            if (headers.put(name, new Header(name, type, shape, bytes, at, offset)) != null) {
                throw reader.bad(at, "tensor '" + name + "' occurs twice");
            }
        }
        long start = (reader.position() + alignment - 1) / alignment * alignment;
        Map<String, TensorInfo> tensors = new LinkedHashMap<>();
        for (Header h : headers.values()) {
            long available = Math.max(0, whole.byteSize() - start);
            if (h.offset() > available || h.bytes() > available - h.offset()) {
                throw reader.bad(
                        h.at(),
                        "tensor '" + h.name() + "' takes bytes [" + h.offset() + ", " + h.offset() + " + " + h.bytes()
                                + ") of " + available + " bytes of data");
            }
            long begin = start + h.offset();
            tensors.put(
                    h.name(),
                    new TensorInfo(h.name(), h.type(), h.shape(), h.at(), begin, whole.asSlice(begin, h.bytes())));
        }
        requireDisjoint(reader, tensors);
        return tensors;
    }

    private static List<Long> shape(GgufReader reader, String name) {
        long at = reader.position();
        int dimensions = reader.int32("number of dimensions");
        if (dimensions < 0 || dimensions > MAX_DIMENSIONS) {
            throw reader.bad(
                    at,
                    "tensor '" + name + "' has " + Integer.toUnsignedString(dimensions) + " dimensions, at most "
                            + MAX_DIMENSIONS + " expected");
        }
        List<Long> shape = new ArrayList<>();
        for (int d = 0; d < dimensions; d++) {
            long sizeAt = reader.position();
            long size = reader.int64("dimension");
            if (size <= 0) {
                throw reader.bad(
                        sizeAt, "tensor '" + name + "' has a dimension of size " + Long.toUnsignedString(size));
            }
            shape.add(size);
        }
        return List.copyOf(shape.reversed());
    }

    private static long bytes(
            GgufReader reader, String name, GgufType type, List<Long> shape, long at, long fileBytes) {
        long elements = 1;
        for (long size : shape) {
            if (size > fileBytes * 32 / elements) { // the densest type stores 32 elements in 18 bytes
                throw reader.bad(at, "tensor '" + name + "' of shape " + shape + " is larger than the file");
            }
            elements *= size;
        }
        if (elements % type.blockElements() != 0 || (!shape.isEmpty() && shape.getLast() % type.blockElements() != 0)) {
            throw reader.bad(
                    at,
                    "tensor '" + name + "' of shape " + shape + " is not made of whole " + type + " blocks of "
                            + type.blockElements());
        }
        return elements / type.blockElements() * type.blockBytes();
    }

    private static void requireDisjoint(GgufReader reader, Map<String, TensorInfo> tensors) {
        List<TensorInfo> ordered = tensors.values().stream()
                .sorted(Comparator.comparingLong(TensorInfo::begin))
                .toList();
        for (int i = 1; i < ordered.size(); i++) {
            TensorInfo before = ordered.get(i - 1);
            TensorInfo after = ordered.get(i);
            if (before.begin() + before.data().byteSize() > after.begin()) {
                throw reader.bad(after.begin(), "tensors '" + before.name() + "' and '" + after.name() + "' overlap");
            }
        }
    }

    Path file() {
        return file;
    }

    /** The tensors by name, in the file's order. */
    Map<String, TensorInfo> tensors() {
        return tensors;
    }

    /** The metadata value of a key, or null. */
    @Nullable
    GgufValue get(String key) {
        return metadata.get(key);
    }

    /** A whole number; the fallback where the key is missing, which is refused without one. */
    long whole(String key, @Nullable Long fallback) {
        return switch (required(key, fallback == null ? null : new GgufValue.Whole(fallback))) {
            case GgufValue.Whole(long value) -> value;
            case GgufValue other -> throw wrong(key, other, "a whole number");
        };
    }

    /** A real number; the fallback where the key is missing, which is refused without one. */
    double real(String key, @Nullable Double fallback) {
        return switch (required(key, fallback == null ? null : new GgufValue.Real(fallback))) {
            case GgufValue.Real(double value) -> value;
            case GgufValue other -> throw wrong(key, other, "a real number");
        };
    }

    /** A text; the fallback where the key is missing, which is refused without one. */
    String text(String key, @Nullable String fallback) {
        return switch (required(key, fallback == null ? null : new GgufValue.Text(fallback))) {
            case GgufValue.Text(String value) -> value;
            case GgufValue other -> throw wrong(key, other, "a text");
        };
    }

    /** An array of texts. */
    List<String> texts(String key) {
        List<String> texts = new ArrayList<>();
        for (GgufValue value : items(key)) {
            if (!(value instanceof GgufValue.Text(String text))) {
                throw wrong(key, value, "an array of texts");
            }
            texts.add(text);
        }
        return texts;
    }

    /** An array of whole numbers. */
    List<Long> wholes(String key) {
        List<Long> wholes = new ArrayList<>();
        for (GgufValue value : items(key)) {
            if (!(value instanceof GgufValue.Whole(long whole))) {
                throw wrong(key, value, "an array of whole numbers");
            }
            wholes.add(whole);
        }
        return wholes;
    }

    private List<GgufValue> items(String key) {
        GgufValue value = required(key, null);
        if (value instanceof GgufValue.Items items) {
            return items.values();
        }
        throw wrong(key, value, "an array");
    }

    private GgufValue required(String key, @Nullable GgufValue fallback) {
        GgufValue value = metadata.getOrDefault(key, fallback);
        if (value == null) {
            throw BadInput.in(file, "the metadata has no key '" + key + "'");
        }
        return value;
    }

    private BadInput wrong(String key, GgufValue value, String expected) {
        return BadInput.in(
                file, "metadata '" + key + "' is a " + value.getClass().getSimpleName() + ", expected " + expected);
    }

    @Override
    public void close() {
        arena.close();
    }
}
