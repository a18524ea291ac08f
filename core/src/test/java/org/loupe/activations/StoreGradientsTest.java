package org.loupe.activations;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.tensor.Matrix;

/** Gradients beside the rows of a store. */
class StoreGradientsTest {
    private static final Matrix X = TestStores.random(23, 4, 1);
    private static final Matrix G = TestStores.random(23, 4, 2);

    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource(
            value = Dtype.class,
            names = {"F32", "BF16"})
    void gradientsAreReadApartFromRows(Dtype dtype) {
        TestStores.write(folder, X, G, dtype, 9, 0, 14);
        try (ActivationStore store = ActivationStore.open(folder)) {
            RowSource gradients = store.gradients();
            assertEquals(4, store.width());
            assertEquals(0, store.targetWidth());
            assertEquals(4, gradients.width());
            assertEquals("gradients of " + folder, gradients.name());
            double tolerance = dtype == Dtype.F32 ? 0 : 1.0 / 64;
            for (int from : new int[] {0, 7, 22}) {
                int count = Math.min(5, 23 - from);
                Matrix x = Matrix.zeros(count + 1, 4);
                Matrix g = Matrix.zeros(count + 1, 4);
                store.read(from, count, x, 1);
                gradients.read(from, count, g, 1);
                for (int i = 0; i < 4 * count; i++) {
                    assertEquals(X.data()[4 * from + i], x.data()[4 + i], tolerance);
                    assertEquals(G.data()[4 * from + i], g.data()[4 + i], tolerance);
                }
            }
            // As shuffled batches read them: both of a row from one place.
            Matrix batch = Matrix.zeros(23, 8);
            new ShuffledRows(new PairedRows(store, gradients), 23, 1, 100, true).batch(0, batch);
            for (int r = 0; r < 23; r++) {
                int row = 0;
                while (Math.abs(X.at(row, 0) - batch.at(r, 0)) > tolerance
                        || Math.abs(X.at(row, 1) - batch.at(r, 1)) > tolerance) {
                    row++;
                }
                for (int c = 0; c < 4; c++) {
                    assertEquals(X.at(row, c), batch.at(r, c), tolerance);
                    assertEquals(G.at(row, c), batch.at(r, 4 + c), tolerance);
                }
            }
        }
    }

    @Test
    void rowsWithoutGradientsSaySo() {
        TestStores.write(folder, X, Dtype.F32, 23);
        try (ActivationStore store = ActivationStore.open(folder)) {
            for (RowSource rows : new RowSource[] {store, new MatrixRows(X)}) {
                String message = String.valueOf(
                        assertThrows(BadInput.class, rows::gradients).getMessage());
                assertEquals(rows.name() + ": holds no gradients; a store made by harvest --gradients does", message);
            }
        }
    }

    @Test
    void gradientsAreAsWideAsTheRows() {
        int[] places = new int[23];
        String message = String.valueOf(assertThrows(
                        IllegalArgumentException.class,
                        () -> new StoreWriter.Rows(X, places, places, places, null, TestStores.random(23, 3, 2)))
                .getMessage());
        assertTrue(message.contains("3 columns, expected 4"), message);
        message = String.valueOf(assertThrows(
                        IllegalArgumentException.class,
                        () -> new StoreWriter.Rows(X, places, places, places, null, TestStores.random(22, 4, 2)))
                .getMessage());
        assertEquals("shard: 22 gradients for 23 rows", message);
    }

    @Test
    void aStoreOfSeveralHookPointsHasNone() {
        StoreInfo one = TestStores.write(folder, X, Dtype.F32, 23);
        StoreInfo.Part half = new StoreInfo.Part("a", 2, 0);
        assertNull(one.gradients());
        assertThrows(
                IllegalArgumentException.class,
                () -> new StoreInfo(
                        one.provenance(),
                        4,
                        Dtype.F32,
                        23,
                        one.prefix(),
                        0,
                        one.dropped(),
                        one.configuration(),
                        one.documents(),
                        1,
                        one.shards(),
                        java.util.List.of(half, new StoreInfo.Part("b", 2, 0)),
                        null,
                        GradientLoss.KL));
    }
}
