package org.loupe.activations;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Dtype;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Matrix;

class SafetensorsRowsTest {
    @TempDir
    Path folder;

    private final float[] values = TestStores.random(6, 4, 3).data();

    private Path write(SafetensorsWriter writer) {
        Path file = folder.resolve("rows.safetensors");
        writer.write(file);
        return file;
    }

    @Test
    void theOnlyMatrixOfFloatsIsTakenAndNamedOnesAreFound() {
        Path file = write(new SafetensorsWriter()
                .f32("x", values, 6, 4)
                .i32("ids", new int[6], 6, 1)
                .f32("b", values, 24));
        try (SafetensorsRows rows = SafetensorsRows.open(file, null)) {
            assertEquals(6, rows.rows());
            assertEquals(4, rows.width());
            assertEquals(Dtype.F32, rows.dtype());
            Matrix out = Matrix.zeros(3, 4);
            rows.read(4, 2, out, 1);
            assertEquals(values[16], out.at(1, 0));
            assertEquals(values[23], out.at(2, 3));
        }
        ActivationStoreTest.assertRefused(
                "'b' is F32 [24], expected two dimensions", () -> SafetensorsRows.open(file, "b"));
        ActivationStoreTest.assertRefused("'ids' is I32 [6, 1]", () -> SafetensorsRows.open(file, "ids"));
        ActivationStoreTest.assertRefused("'y'; did you mean", () -> SafetensorsRows.open(file, "y"));
        Path two = write(new SafetensorsWriter().f32("x", values, 6, 4).bf16("y", values, 6, 4));
        ActivationStoreTest.assertRefused(
                "has 2 two-dimensional tensors of floats, name one of: x, y", () -> SafetensorsRows.open(two, null));
    }

    @Test
    void aNanIsRefusedWithRowAndColumn() {
        values[4 * 4 + 2] = Float.NEGATIVE_INFINITY;
        for (boolean half : new boolean[] {false, true}) {
            SafetensorsWriter writer = new SafetensorsWriter();
            Path file = write(half ? writer.bf16("x", values, 6, 4) : writer.f32("x", values, 6, 4));
            try (SafetensorsRows rows = SafetensorsRows.open(file, "x")) {
                Matrix out = Matrix.zeros(6, 4);
                rows.read(0, 4, out, 0);
                ActivationStoreTest.assertRefused(
                        "tensor 'x': row 4, column 2 is -Infinity, expected a finite number",
                        () -> rows.read(3, 2, out, 0));
                ActivationStoreTest.assertRefused(
                        "row 4, column 2", () -> new ShuffledRows(rows, 6, 0, 100, true).batch(0, out));
            }
        }
    }
}
