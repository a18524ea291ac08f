package org.loupe.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Matrix;

class TruthTest {
    private static final int[] STARTS = {0, 2, 2, 3};
    private static final int[] INDEX = {0, 2, 1};
    private static final float[] VALUES = {0.5f, -1, 2};
    private static final int[] PARENTS = {-1, 0, 0};

    @TempDir
    private Path folder = Path.of("");

    private Path write(int[] starts, int[] index, float[] values, int[] parents) {
        Path file = folder.resolve("truth.safetensors");
        new SafetensorsWriter()
                .f32("directions", new float[12], 3, 4)
                .f32("probabilities", new float[] {0.5f, 0.25f, 0.125f}, 3)
                .i32("parent", parents, parents.length)
                .i32("row_starts", starts, starts.length)
                .i32("indices", index, index.length)
                .f32("values", values, values.length)
                .write(file);
        return file;
    }

    @Test
    void comesBackFromItsFile() {
        Matrix directions = new Matrix(3, 2, new float[] {1, 2, 3, 4, 5, 6});
        Path file = folder.resolve("truth.safetensors");
        new Truth(
                        directions,
                        new Truth.Activity(
                                new float[] {0.5f, 0.25f, 0.125f}, PARENTS, new Codes(STARTS, INDEX, VALUES)))
                .write(file);
        Truth back = Truth.read(file);
        Truth.Activity activity = Objects.requireNonNull(back.activity());
        assertArrayEquals(directions.data(), back.directions().data());
        assertArrayEquals(new float[] {0.5f, 0.25f, 0.125f}, activity.probabilities());
        assertArrayEquals(PARENTS, activity.parents());
        assertArrayEquals(STARTS, activity.codes().starts());
        assertArrayEquals(INDEX, activity.codes().index());
        assertArrayEquals(VALUES, activity.codes().value());
        assertEquals(3, activity.codes().rows());
    }

    @Test
    void directionsAloneUnderAnyName() {
        Path file = folder.resolve("dict.safetensors");
        new SafetensorsWriter().f32("dict", new float[] {1, 2, 3, 4}, 2, 2).write(file);
        Truth truth = Truth.read(file);
        assertEquals(2, truth.directions().rows());
        assertNull(truth.activity());
    }

    private void refused(Path file, String... says) {
        String message = String.valueOf(
                assertThrows(BadInput.class, () -> Truth.read(file)).getMessage());
        assertTrue(message.contains("truth.safetensors"), message);
        for (String word : says) {
            assertTrue(message.contains(word), message);
        }
    }

    @Test
    void tensorsThatDoNotFitAreNamed() {
        Objects.requireNonNull(Truth.read(write(STARTS, INDEX, VALUES, PARENTS)).activity());
        refused(write(new int[] {0, 2, 2, 4}, INDEX, VALUES, PARENTS), "row_starts", "3");
        refused(write(new int[] {1, 2, 2, 3}, INDEX, VALUES, PARENTS), "row_starts");
        refused(write(new int[] {0, 2, 1, 3}, INDEX, VALUES, PARENTS), "row_starts", "row 1");
        refused(write(new int[] {0, 9, 2, 3}, INDEX, VALUES, PARENTS), "row_starts", "row 0");
        refused(write(STARTS, new int[] {0, 3, 1}, VALUES, PARENTS), "indices", "feature 3", "below 3");
        refused(write(STARTS, new int[] {2, 0, 1}, VALUES, PARENTS), "indices", "row 0");
        refused(write(STARTS, new int[] {0, 2, -1}, VALUES, PARENTS), "indices", "row 2");
        refused(write(STARTS, INDEX, new float[] {1, 0, 1}, PARENTS), "values", "row 0", "0.0");
        refused(write(STARTS, INDEX, new float[] {1, 1, Float.NaN}, PARENTS), "values", "row 2", "NaN");
        refused(write(STARTS, INDEX, new float[] {1, 1}, PARENTS), "values", "[2]");
        refused(write(STARTS, INDEX, VALUES, new int[] {-1, 3, 0}), "parent", "feature 1", "3");
        refused(write(STARTS, INDEX, VALUES, new int[] {-1, 1, 0}), "parent", "feature 1");
        refused(write(STARTS, INDEX, VALUES, new int[] {-1, 0}), "parent", "[2]");
    }
}
