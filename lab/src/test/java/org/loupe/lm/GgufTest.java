package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.loupe.lm.GgufWriter.int32;
import static org.loupe.lm.GgufWriter.int64;
import static org.loupe.lm.GgufWriter.joined;
import static org.loupe.lm.GgufWriter.string;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.io.BadInput;
import org.loupe.io.Safetensors;

class GgufTest {
    @TempDir
    Path folder;

    private Path file() {
        return folder.resolve("a.gguf");
    }

    private void refused(byte[] bytes, String... words) {
        BadInput refused = assertThrows(
                BadInput.class, () -> Gguf.open(GgufWriter.write(file(), bytes)).close());
        for (String word : words) {
            assertTrue(refused.toString().contains(word), refused.toString());
        }
        assertTrue(refused.toString().contains("a.gguf"), refused.toString());
    }

    private static byte[] start(long tensors, long keys, byte[]... rest) {
        return joined("GGUF".getBytes(StandardCharsets.US_ASCII), int32(3), int64(tensors), int64(keys), joined(rest));
    }

    @ParameterizedTest
    @EnumSource(GgufType.class)
    void blocksMeanWhatTheGgufPackageSays(GgufType type) {
        try (Safetensors expected = Safetensors.open(Reference.file("dequantised.safetensors"))) {
            MemorySegment bytes = expected.entry(type + ".bytes").data();
            float[] values = expected.entry(type + ".values").floats();
            assertEquals(192, values.length);
            assertArrayEquals(values, type.floats(bytes));
        }
    }

    @Test
    void metadataAndTensorsAreRead() {
        Path file = new GgufWriter()
                .text("name", "größe")
                .whole("n", -1)
                .real("x", 0.5f)
                .texts("words", List.of("a", "", "ccc"))
                .wholes("numbers", List.of(1, -2))
                .key("nested", joined(int32(9), int32(9), int64(1), int32(0), int64(2), new byte[] {1, 2}))
                .key("flag", joined(int32(7), new byte[] {1}))
                .f32("t", new float[] {1, 2, 3, 4, 5, 6}, 3, 2)
                .f32("u", new float[] {7}, 1)
                .write(file());
        try (Gguf gguf = Gguf.open(file)) {
            assertEquals("größe", gguf.text("name", null));
            assertEquals(0xFFFFFFFFL, gguf.whole("n", null));
            assertEquals(0.5, gguf.real("x", null));
            assertEquals(List.of("a", "", "ccc"), gguf.texts("words"));
            assertEquals(List.of(1L, -2L), gguf.wholes("numbers"));
            assertEquals(new GgufValue.Flag(true), gguf.get("flag"));
            assertEquals(7, gguf.whole("missing", 7L));
            Gguf.TensorInfo tensor = gguf.tensors().values().iterator().next();
            assertEquals(List.of(2L, 3L), tensor.shape());
            assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, tensor.type().floats(tensor.data()));
            assertThrows(BadInput.class, () -> gguf.whole("name", null));
            assertThrows(BadInput.class, () -> gguf.text("n", null));
            assertThrows(BadInput.class, () -> gguf.texts("numbers"));
            assertThrows(BadInput.class, () -> gguf.wholes("x"));
            assertThrows(BadInput.class, () -> gguf.whole("missing", null));
        }
    }

    @Test
    void headersThatLieAreRefused() {
        refused(new byte[0], "ends inside", "at byte 0");
        refused("GGML".getBytes(StandardCharsets.US_ASCII), "not a GGUF file");
        refused(joined("GGUF".getBytes(StandardCharsets.US_ASCII), int32(1)), "version 1", "at byte 4");
        refused(start(1L << 40, 0), "number of tensors 1099511627776", "at byte 8");
        refused(start(-1, 0), "number of tensors 18446744073709551615");
        refused(start(0, Long.MAX_VALUE), "number of keys", "at byte 16");
        refused(start(0, 1, int64(1L << 60), new byte[16]), "length of key");
        refused(start(0, 1, string("k"), int32(99), int64(0)), "unknown metadata type 99");
        refused(start(0, 1, string("k"), int32(8), int64(1 << 30)), "length of text");
        refused(start(0, 1, string("k"), int32(9), int32(4), int64(1L << 61)), "array length");
        refused(start(0, 1, string("k"), int32(9), int32(8), int64(4), new byte[24]), "does not fit");
        byte[] deep = new byte[0];
        for (int i = 0; i < 50; i++) {
            deep = joined(int32(9), int64(1), deep);
        }
        refused(start(0, 1, string("k"), int32(9), deep, new byte[12]), "nested more than 4 deep");
        refused(new GgufWriter().whole("a", 1).whole("a", 2).bytes(), "key 'a' occurs twice");
        refused(new GgufWriter().whole("general.alignment", 24).bytes(), "general.alignment");
        refused(new GgufWriter().whole("general.alignment", 0).bytes(), "general.alignment");
    }

    @Test
    void tensorsThatLieAreRefused() {
        byte[] data = new byte[64];
        refused(new GgufWriter().header("t", 0, 0, 16, 1, 1, 1, 1).raw(data).bytes(), "5 dimensions");
        refused(new GgufWriter().header("t", 12, 0, 16).raw(data).bytes(), "type 12 (Q4_K)", "Q4_1");
        refused(new GgufWriter().header("t", -7, 0, 16).raw(data).bytes(), "type 4294967289");
        refused(new GgufWriter().header("t", 0, 0, 17).raw(data).bytes(), "takes bytes");
        refused(new GgufWriter().header("t", 0, 64, 1).raw(data).bytes(), "takes bytes");
        refused(new GgufWriter().header("t", 0, -32, 1).raw(data).bytes(), "offset 18446744073709551584");
        refused(new GgufWriter().header("t", 0, 4, 1).raw(data).bytes(), "multiple of the alignment 32");
        refused(new GgufWriter().header("t", 0, 0, Long.MAX_VALUE, 4).raw(data).bytes(), "larger than the file");
        refused(new GgufWriter().header("t", 0, 0, 0).raw(data).bytes(), "dimension of size 0");
        refused(new GgufWriter().header("t", 3, 0, 16, 2).raw(data).bytes(), "whole Q4_1 blocks");
        refused(
                new GgufWriter()
                        .header("t", 0, 0, 16)
                        .header("u", 0, 32, 8)
                        .raw(data)
                        .bytes(),
                "'t' and 'u' overlap");
        refused(
                new GgufWriter()
                        .header("t", 0, 0, 4)
                        .header("t", 0, 32, 4)
                        .raw(data)
                        .bytes(),
                "tensor 't' occurs twice");
        byte[] whole = new GgufWriter().f32("t", new float[16], 16).bytes();
        refused(Arrays.copyOf(whole, whole.length - 1), "takes bytes");
    }

    @Test
    void aMissingFileIsRefused() {
        assertThrows(BadInput.class, () -> Gguf.open(folder.resolve("none.gguf")));
        assertThrows(BadInput.class, () -> Gguf.open(folder));
    }
}
