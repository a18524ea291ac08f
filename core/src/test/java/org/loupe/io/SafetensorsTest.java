package org.loupe.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.tensor.Matrix;

class SafetensorsTest {
    private static final float[] X = {1f, -2.5f, 3.1415927f, 0x1.01p0f, 0x1.03p0f, 1e-40f, 65504f, -0f};

    @TempDir
    Path folder;

    static Path fixture() throws URISyntaxException {
        return Path.of(Objects.requireNonNull(SafetensorsTest.class.getResource("/io/python.safetensors"))
                .toURI());
    }

    /** Expected roundings are torch's own, see scripts/reference/safetensors_fixture.py. */
    @Test
    void readsWhatPythonWrote() throws URISyntaxException {
        try (Safetensors file = Safetensors.open(fixture())) {
            assertEquals(Map.of("made by", "safetensors"), file.metadata());
            assertEquals(List.of(2L, 4L), file.entry("f32").shape());
            assertArrayEquals(X, file.entry("f32").floats());
            assertArrayEquals(X, file.entry("f64").floats());
            assertArrayEquals(
                    new float[] {1f, -2.5f, 3.140625f, 1f, 1.015625f, 0x1p-133f, 65536f, -0f},
                    file.entry("bf16").floats());
            assertArrayEquals(
                    new float[] {1f, -2.5f, 3.140625f, 0x1.01p0f, 0x1.03p0f, 0f, 65504f, -0f},
                    file.entry("f16").floats());
            assertArrayEquals(new int[] {-1, 0, 2147483647}, file.entry("i32").ints());
            assertEquals(0, file.entry("empty").size());
            assertArrayEquals(new float[] {7.5f}, file.entry("scalar").floats());
            refused("tensor 'i32' is I32, expected F32", () -> file.entry("i32").floats());
            refused("tensor 'f32' is F32, expected I32", () -> file.entry("f32").ints());
            refused("did you mean 'bf16'", () -> file.entry("bg16"));
            refused("has shape [2, 4], expected [4, 2]", () -> file.entry("f32").requireShape(4, 2));
        }
    }

    @Test
    void rowsThatAreMadeWhileTheyAreWritten() {
        float[] all = new float[70_000 * 3];
        for (int i = 0; i < all.length; i++) {
            all[i] = i;
        }
        Matrix buffer = Matrix.zeros(40_000, 3);
        List<Integer> counts = List.of(40_000, 0, 1, 29_999);
        int[] made = {0};
        Iterator<Matrix> blocks = counts.stream()
                .map(count -> {
                    System.arraycopy(all, made[0] * 3, buffer.data(), 0, count * 3);
                    made[0] += count;
                    return buffer.head(count);
                })
                .iterator();
        Path whole = folder.resolve("whole.safetensors");
        Path flowing = folder.resolve("flowing.safetensors");
        new SafetensorsWriter().f32("a", all, 70_000, 3).f32("b", X, 8).write(whole);
        new SafetensorsWriter().f32("a", blocks, 70_000, 3).f32("b", X, 8).write(flowing);
        assertEquals(-1, mismatch(whole, flowing));
    }

    private static long mismatch(Path a, Path b) {
        try {
            return Files.mismatch(a, b);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void writesAndReadsBack() {
        Path file = folder.resolve("a.safetensors");
        float[] many = new float[200_000];
        for (int i = 0; i < many.length; i++) {
            many[i] = i;
        }
        new SafetensorsWriter()
                .metadata("key", "värde")
                .f32("many", many, 200, 1000)
                .bf16("b", X, 8)
                .i32("i", new int[] {-5, 7}, 2)
                .i64("l", new long[] {Long.MIN_VALUE}, 1)
                .f32("none", new float[0], 0, 9)
                .write(file);
        try (Safetensors read = Safetensors.open(file)) {
            assertEquals(
                    List.of("many", "b", "i", "l", "none"),
                    List.copyOf(read.entries().keySet()));
            assertEquals("värde", read.metadata().get("key"));
            assertArrayEquals(many, read.entry("many").floats());
            float[] part = new float[5];
            read.entry("many").floats(131_070, part, 1, 3);
            assertArrayEquals(new float[] {0, 131_070, 131_071, 131_072, 0}, part);
            assertArrayEquals(
                    new float[] {1f, -2.5f, 3.140625f, 1f, 1.015625f, 0x1p-133f, 65536f, -0f},
                    read.entry("b").floats());
            assertArrayEquals(new int[] {-5, 7}, read.entry("i").ints());
            assertEquals(0, read.entry("many").begin() % 8);
        }
    }

    @Test
    void filesThatBreakTheFormatAreRefused() throws IOException {
        refused("no such file", () -> Safetensors.open(folder.resolve("absent")));
        refusedBytes(new byte[] {1, 2, 3}, "this one has 3 bytes");
        refusedHeader(-1, "{}", "header length 18446744073709551615 does not fit");
        refusedHeader(1L << 40, "{}", "header length 1099511627776 does not fit");
        refusedHeader(3, "{}", "header length 3 does not fit a file of 10");
        refusedJson("[]", "not a JSON object");
        refusedJson("{\"a\": }", "not valid JSON");
        refusedJson("[".repeat(5000) + "]".repeat(5000), "");
        refusedJson(tensor("F33", "[1]", "[0, 4]"), "unknown dtype 'F33'");
        refusedJson(tensor("F32", "1", "[0, 4]"), "has no shape");
        refusedJson(tensor("F32", "[-1]", "[0, 4]"), "dimension -1");
        refusedJson(tensor("F32", "[1.5]", "[0, 4]"), "dimension 1.5");
        refusedJson(tensor("F32", "[4611686018427387904, 4]", "[0, 4]"), "more elements than a file holds");
        refusedJson(tensor("F32", "[2305843009213693952]", "[0, 0]"), "takes 2305843009213693952 × 4 bytes");
        refusedJson(tensor("F32", "[1]", "[-4, 0]"), "outside the 8 bytes of data");
        refusedJson(tensor("F32", "[1]", "[4, 0]"), "outside the 8 bytes of data");
        refusedJson(tensor("F32", "[1]", "[8, 12]"), "outside the 8 bytes of data");
        refusedJson(tensor("F32", "[1]", "[0, 9223372036854775808]"), "expected two whole numbers");
        refusedJson(tensor("F32", "[1]", "[0]"), "expected two whole numbers");
        refusedJson(tensor("F32", "[1]", "[0, 8]"), "takes 1 × 4 bytes, but its data_offsets span 8");
        refusedJson(
                "{\"a\": " + body("F32", "[1]", "[0, 4]") + ", \"b\": " + body("I16", "[1]", "[2, 4]") + "}",
                "tensors 'a' and 'b' overlap");
        refusedJson("{\"__metadata__\": 3}", "'__metadata__' is not an object");
        refusedJson("{\"a\": 3}", "unknown dtype ''");
    }

    private static String body(String dtype, String shape, String offsets) {
        return "{\"dtype\": \"" + dtype + "\", \"shape\": " + shape + ", \"data_offsets\": " + offsets + "}";
    }

    private static String tensor(String dtype, String shape, String offsets) {
        return "{\"a\": " + body(dtype, shape, offsets) + "}";
    }

    /** A file with this header and 8 bytes of data. */
    private void refusedJson(String json, String message) throws IOException {
        refusedHeader(json.getBytes(StandardCharsets.UTF_8).length, json + "\0\0\0\0\0\0\0\0", message);
    }

    private void refusedHeader(long length, String rest, String message) throws IOException {
        byte[] text = rest.getBytes(StandardCharsets.UTF_8);
        refusedBytes(
                ByteBuffer.allocate(8 + text.length)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(length)
                        .put(text)
                        .array(),
                message);
    }

    private void refusedBytes(byte[] bytes, String message) throws IOException {
        Path file = Files.write(folder.resolve("bad.safetensors"), bytes);
        refused(message, () -> Safetensors.open(file).close());
    }

    static void refused(String expected, org.junit.jupiter.api.function.Executable what) {
        String message = String.valueOf(assertThrows(BadInput.class, what).getMessage());
        assertTrue(message.contains(expected), message);
    }
}
