package org.loupe.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * A memory-mapped safetensors file:
 *
 * <pre>
 * byte 0            8                8 + n
 *      | n : u64 LE | n bytes of JSON | tensor data ...
 * </pre>
 *
 * The JSON maps each name to {@code {"dtype", "shape", "data_offsets": [begin, end)}}, offsets counted from byte 8 + n, plus an
 * optional {@code "__metadata__"} of strings. Everything is checked on opening: lengths against the file, offsets against
 * each other, shapes against byte counts; a file that fails is refused with the byte or the tensor named.
 */
public final class Safetensors implements AutoCloseable {
    /** The reference implementation's own limit on the JSON header. */
    static final long MAX_HEADER = 100_000_000;

    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    private final Arena arena;
    private final Map<String, Entry> entries;
    private final Map<String, String> metadata;

    private Safetensors(Path file, Arena arena, Map<String, Entry> entries, Map<String, String> metadata) {
        this.file = file;
        this.arena = arena;
        this.entries = Collections.unmodifiableMap(entries);
        this.metadata = Map.copyOf(metadata);
    }

    /**
     * One tensor of the file.
     *
     * @param begin first byte of the data in the file
     * @param data the mapped bytes; valid until the file is closed
     */
    public record Entry(Path file, String name, Dtype dtype, List<Long> shape, long begin, MemorySegment data) {
        /** Number of elements. */
        public long size() {
            return data.byteSize() / dtype.bytes();
        }

        /** Throws unless the shape is this one. */
        public Entry requireShape(long... expected) {
            List<Long> wanted = java.util.Arrays.stream(expected).boxed().toList();
            if (!shape.equals(wanted)) {
                throw BadInput.in(file, "tensor '" + name + "' has shape " + shape + ", expected " + wanted);
            }
            return this;
        }

        /** All elements as f32, widened or narrowed; refuses integers. */
        public float[] floats() {
            if (size() > Integer.MAX_VALUE - 8) {
                throw BadInput.in(file, "tensor '" + name + "' has " + size() + " elements, more than one array holds");
            }
            float[] out = new float[(int) size()];
            floats(0, out, 0, out.length);
            return out;
        }

        /** Copies elements [from, from + count) as f32 into {@code out} from {@code at} on; refuses integers. */
        public void floats(long from, float[] out, int at, int count) {
            if (!dtype.isFloat()) {
                throw BadInput.in(file, "tensor '" + name + "' is " + dtype + ", expected F32, BF16, F16 or F64");
            }
            dtype.floats(data, from * dtype.bytes(), out, at, count);
        }

        /** All elements of an I32 tensor. */
        public int[] ints() {
            if (dtype != Dtype.I32) {
                throw BadInput.in(file, "tensor '" + name + "' is " + dtype + ", expected I32");
            }
            return data.toArray(INT);
        }

        /** All elements of an I64 tensor. */
        public long[] longs() {
            if (dtype != Dtype.I64) {
                throw BadInput.in(file, "tensor '" + name + "' is " + dtype + ", expected I64");
            }
            return data.toArray(LONG);
        }
    }

    /** Maps and checks a file. */
    @SuppressWarnings("MustBeClosedChecker") // the Safetensors owns the arena; every failure below closes it
    public static Safetensors open(Path file) {
        if (!Files.isRegularFile(file)) {
            throw BadInput.in(file, "no such file");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long length = channel.size();
            if (length < 8) {
                throw BadInput.at(
                        file,
                        0,
                        "a safetensors file starts with 8 bytes of header length, this one has " + length + " bytes");
            }
            MemorySegment whole = channel.map(FileChannel.MapMode.READ_ONLY, 0, length, arena);
            long header = whole.get(LONG, 0);
            if (header < 2 || header > MAX_HEADER || header > length - 8) {
                throw BadInput.at(
                        file,
                        0,
                        "header length " + Long.toUnsignedString(header) + " does not fit a file of " + length
                                + " bytes (limit " + MAX_HEADER + ")");
            }
            JsonNode json = parse(file, whole.asSlice(8, header));
            Map<String, String> metadata = new LinkedHashMap<>();
            Map<String, Entry> entries = new LinkedHashMap<>();
            for (Map.Entry<String, JsonNode> property : json.properties()) {
                if (property.getKey().equals("__metadata__")) {
                    readMetadata(file, property.getValue(), metadata);
                } else {
                    Entry entry = readEntry(file, property.getKey(), property.getValue(), whole, 8 + header);
                    entries.put(entry.name(), entry);
                }
            }
            requireDisjoint(file, entries);
            return new Safetensors(file, arena, entries, metadata);
        } catch (IOException e) {
            arena.close();
            throw new BadInput(file + ": cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static JsonNode parse(Path file, MemorySegment header) {
        try {
            JsonNode json =
                    Json.MAPPER.readTree(new String(header.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8));
            if (json == null || !json.isObject()) {
                throw BadInput.at(file, 8, "the header is not a JSON object");
            }
            return json;
        } catch (JacksonException e) {
            throw new BadInput(file + ": the header is not valid JSON: " + Json.describe(e) + " (at byte 8)", e);
        } catch (StackOverflowError e) {
            throw new BadInput(file + ": the header is nested too deeply (at byte 8)", e);
        }
    }

    private static void readMetadata(Path file, JsonNode node, Map<String, String> into) {
        if (!node.isObject()) {
            throw BadInput.in(file, "'__metadata__' is not an object of strings");
        }
        node.properties().forEach(p -> into.put(p.getKey(), p.getValue().asString()));
    }

    private static Entry readEntry(Path file, String name, JsonNode node, MemorySegment whole, long dataStart) {
        String type = node.path("dtype").asString("");
        Dtype dtype = Dtype.named(type)
                .orElseThrow(() -> BadInput.in(file, "tensor '" + name + "' has unknown dtype '" + type + "'"));
        long available = whole.byteSize() - dataStart;
        List<Long> shape = new ArrayList<>();
        long elements = 1;
        JsonNode dims = node.path("shape");
        if (!dims.isArray()) {
            throw BadInput.in(file, "tensor '" + name + "' has no shape");
        }
        for (JsonNode dim : dims) {
            if (!dim.isIntegralNumber() || !dim.canConvertToLong() || dim.asLong() < 0) {
                throw BadInput.in(file, "tensor '" + name + "' has dimension " + dim + ", expected a whole number ≥ 0");
            }
            shape.add(dim.asLong());
            long high = Math.multiplyHigh(elements, dim.asLong());
            elements *= dim.asLong();
            if (high != 0 || elements < 0) {
                throw BadInput.in(
                        file, "tensor '" + name + "' has shape " + dims + ", more elements than a file holds");
            }
        }
        JsonNode offsets = node.path("data_offsets");
        if (!offsets.isArray()
                || offsets.size() != 2
                || !offsets.get(0).canConvertToLong()
                || !offsets.get(1).canConvertToLong()
                || !offsets.get(0).isIntegralNumber()
                || !offsets.get(1).isIntegralNumber()) {
            throw BadInput.in(
                    file, "tensor '" + name + "' has data_offsets " + offsets + ", expected two whole numbers");
        }
        long begin = offsets.get(0).asLong();
        long end = offsets.get(1).asLong();
        if (begin < 0 || end < begin || end > available) {
            throw BadInput.at(
                    file,
                    dataStart,
                    "tensor '" + name + "' has data_offsets [" + begin + ", " + end + "), outside the " + available
                            + " bytes of data");
        }
        if (elements > available / dtype.bytes() || end - begin != elements * dtype.bytes()) {
            throw BadInput.at(
                    file,
                    dataStart + begin,
                    "tensor '" + name + "' of " + dtype + " " + shape + " takes " + elements + " × " + dtype.bytes()
                            + " bytes, but its data_offsets span " + (end - begin));
        }
        return new Entry(
                file,
                name,
                dtype,
                List.copyOf(shape),
                dataStart + begin,
                whole.asSlice(dataStart + begin, end - begin));
    }

    private static void requireDisjoint(Path file, Map<String, Entry> entries) {
        List<Entry> ordered = entries.values().stream()
                .filter(e -> e.data().byteSize() > 0)
                .sorted(Comparator.comparingLong(Entry::begin))
                .toList();
        for (int i = 1; i < ordered.size(); i++) {
            Entry before = ordered.get(i - 1);
            Entry after = ordered.get(i);
            if (before.begin() + before.data().byteSize() > after.begin()) {
                throw BadInput.at(
                        file, after.begin(), "tensors '" + before.name() + "' and '" + after.name() + "' overlap");
            }
        }
    }

    public Path file() {
        return file;
    }

    /** The tensors by name, in the file's order. */
    public Map<String, Entry> entries() {
        return entries;
    }

    /** The {@code __metadata__} strings; empty where there are none. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** The tensor of that name. */
    public Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw BadInput.unknown("tensor of " + file, name, entries.keySet());
        }
        return entry;
    }

    @Override
    public void close() {
        arena.close();
    }
}
