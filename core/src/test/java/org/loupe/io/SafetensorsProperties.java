package org.loupe.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/** A damaged file is read or refused with {@link BadInput}; no damage ends in another exception or in bytes outside the file. */
class SafetensorsProperties {
    private static byte[] sample() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new SafetensorsWriter()
                .metadata("k", "v")
                .f32("a", new float[] {1, 2, 3, 4, 5, 6}, 2, 3)
                .bf16("b", new float[] {7, 8}, 2)
                .i32("c", new int[] {9, 10, 11}, 3)
                .writeTo(out);
        return out.toByteArray();
    }

    private static void readOrRefuse(byte[] bytes) throws IOException {
        Path path = Files.createTempFile("damaged", ".safetensors");
        try {
            Files.write(path, bytes);
            try (Safetensors file = Safetensors.open(path)) {
                for (Safetensors.Entry entry : file.entries().values()) {
                    assertTrue(entry.begin() + entry.data().byteSize() <= bytes.length);
                    if (entry.dtype().isFloat()) {
                        entry.floats();
                    }
                }
            } catch (BadInput e) {
                assertTrue(String.valueOf(e.getMessage()).startsWith(path.toString()), e.getMessage());
            }
        } finally {
            Files.delete(path);
        }
    }

    @Property(tries = 1000)
    void flippedBytes(@ForAll @Size(min = 1, max = 6) int[] places, @ForAll @Size(min = 6, max = 6) byte[] values)
            throws IOException {
        byte[] bytes = sample();
        for (int i = 0; i < places.length; i++) {
            bytes[Math.floorMod(places[i], bytes.length)] = values[i];
        }
        readOrRefuse(bytes);
    }

    /** Digits of offsets, shapes and the length replaced by others: what stays valid JSON. */
    @Property(tries = 1000)
    void changedNumbers(@ForAll @Size(min = 1, max = 8) int[] places, @ForAll @Size(min = 8, max = 8) byte[] values)
            throws IOException {
        byte[] bytes = sample();
        for (int i = 0; i < places.length; i++) {
            int place = Math.floorMod(places[i], bytes.length);
            if (bytes[place] >= '0' && bytes[place] <= '9') {
                bytes[place] = (byte) "0123456789-e.".charAt(Math.floorMod(values[i], 13));
            }
        }
        readOrRefuse(bytes);
    }

    @Property(tries = 300)
    void truncatedOrExtended(@ForAll @IntRange(min = 0, max = 400) int length) throws IOException {
        readOrRefuse(Arrays.copyOf(sample(), length));
    }

    @Property(tries = 500)
    void noise(@ForAll @Size(max = 200) byte[] bytes) throws IOException {
        readOrRefuse(bytes);
    }

    @Property(tries = 200)
    void valuesComeBackBitForBit(@ForAll @Size(max = 50) float[] values) throws IOException {
        Path path = Files.createTempFile("values", ".safetensors");
        try {
            new SafetensorsWriter().f32("x", values, values.length).write(path);
            try (Safetensors file = Safetensors.open(path)) {
                assertArrayEquals(values, file.entry("x").floats());
            }
        } finally {
            Files.delete(path);
        }
    }
}
