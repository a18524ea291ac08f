package org.loupe.io;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.tensor.BFloat16;
import org.loupe.tensor.Matrix;

/** Collects tensors and writes them as one safetensors file, whole or not at all. Arrays are read when {@link #write} runs. */
public final class SafetensorsWriter {
    private static final int CHUNK = 1 << 16;

    private final List<Tensor> tensors = new ArrayList<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    private record Tensor(String name, Dtype dtype, long[] shape, long elements, Fill fill) {}

    /** Puts elements [from, from + count) into the buffer. */
    @FunctionalInterface
    private interface Fill {
        void put(ByteBuffer into, int from, int count);
    }

    public SafetensorsWriter metadata(String key, String value) {
        metadata.put(key, value);
        return this;
    }

    public SafetensorsWriter f32(String name, float[] values, long... shape) {
        return add(name, Dtype.F32, shape, (b, from, n) -> {
            for (int i = from; i < from + n; i++) {
                b.putFloat(values[i]);
            }
        });
    }

    public SafetensorsWriter f32(String name, Matrix matrix) {
        return f32(name, matrix.data(), matrix.rows(), matrix.cols());
    }

    /**
     * A tensor that is made while it is written.
     *
     * @param blocks rows of it in order, each block read before the next is asked for; {@code rows} of them in all
     */
    public SafetensorsWriter f32(String name, Iterator<Matrix> blocks, long rows, int cols) {
        Flow flow = new Flow(blocks);
        return add(name, Dtype.F32, new long[] {rows, cols}, (b, from, n) -> flow.put(b, n));
    }

    /** The elements of blocks, one after the other. */
    private static final class Flow {
        private final Iterator<Matrix> blocks;
        private Matrix block = Matrix.zeros(0, 0);
        private int at;

        Flow(Iterator<Matrix> blocks) {
            this.blocks = blocks;
        }

        void put(ByteBuffer into, int count) {
            for (int i = 0; i < count; i++) {
                while (at == block.rows() * block.cols()) {
                    block = blocks.next();
                    at = 0;
                }
                into.putFloat(block.data()[at++]);
            }
        }
    }

    /** Rounds to the nearest bfloat16. */
    public SafetensorsWriter bf16(String name, float[] values, long... shape) {
        return add(name, Dtype.BF16, shape, (b, from, n) -> {
            for (int i = from; i < from + n; i++) {
                b.putShort(BFloat16.fromFloat(values[i]));
            }
        });
    }

    public SafetensorsWriter i32(String name, int[] values, long... shape) {
        return add(name, Dtype.I32, shape, (b, from, n) -> {
            for (int i = from; i < from + n; i++) {
                b.putInt(values[i]);
            }
        });
    }

    public SafetensorsWriter i64(String name, long[] values, long... shape) {
        return add(name, Dtype.I64, shape, (b, from, n) -> {
            for (int i = from; i < from + n; i++) {
                b.putLong(values[i]);
            }
        });
    }

    private SafetensorsWriter add(String name, Dtype dtype, long[] shape, Fill fill) {
        long elements = 1;
        for (long dim : shape) {
            elements = Math.multiplyExact(elements, dim);
        }
        tensors.add(new Tensor(name, dtype, shape.clone(), elements, fill));
        return this;
    }

    /** Writes the file; see {@link AtomicFiles#write}. */
    public void write(Path file) {
        AtomicFiles.write(file, this::writeTo);
    }

    /** Writes the bytes of the file: the header, padded with spaces to a multiple of 8, then the tensors in order. */
    public void writeTo(OutputStream out) throws IOException {
        Map<String, Object> header = new LinkedHashMap<>();
        if (!metadata.isEmpty()) {
            header.put("__metadata__", metadata);
        }
        long offset = 0;
        for (Tensor t : tensors) {
            long bytes = t.elements() * t.dtype().bytes();
            // In a fixed order: Map.of gives its keys in an order that differs from one JVM to the next.
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("dtype", t.dtype().name());
            entry.put("shape", t.shape());
            entry.put("data_offsets", new long[] {offset, offset + bytes});
            header.put(t.name(), entry);
            offset += bytes;
        }
        String json = Json.MAPPER
                .writer()
                .without(tools.jackson.databind.SerializationFeature.INDENT_OUTPUT)
                .writeValueAsString(header);
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        int padded = (text.length + 7) / 8 * 8;
        ByteBuffer head = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
        head.putLong(padded).put(text);
        while (head.hasRemaining()) {
            head.put((byte) ' ');
        }
        out.write(head.array());
        ByteBuffer buffer = ByteBuffer.allocate(CHUNK * 8).order(ByteOrder.LITTLE_ENDIAN);
        for (Tensor t : tensors) {
            for (long from = 0; from < t.elements(); from += CHUNK) {
                int count = (int) Math.min(CHUNK, t.elements() - from);
                buffer.clear();
                t.fill().put(buffer, (int) from, count);
                out.write(buffer.array(), 0, buffer.position());
            }
        }
    }
}
