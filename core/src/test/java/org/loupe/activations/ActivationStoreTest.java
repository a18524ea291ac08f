package org.loupe.activations;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.tensor.BFloat16;
import org.loupe.tensor.Matrix;

class ActivationStoreTest {
    private static final Matrix ROWS = TestStores.random(23, 7, 1);

    @TempDir
    Path folder;

    @Test
    void f32RowsComeBackAcrossShardBordersAndAnEmptyShard() {
        StoreInfo written = TestStores.write(folder, ROWS, Dtype.F32, 10, 0, 4, 9);
        try (ActivationStore store = ActivationStore.open(folder)) {
            assertEquals(written, store.info());
            Matrix out = Matrix.zeros(20, 7);
            store.read(5, 17, out, 2);
            for (int r = 0; r < 17; r++) {
                for (int c = 0; c < 7; c++) {
                    assertEquals(ROWS.at(5 + r, c), out.at(2 + r, c));
                }
            }
            assertEquals(0f, out.at(19, 0), "rows beyond the range are untouched");
            assertThrows(IndexOutOfBoundsException.class, () -> store.read(20, 4, out, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> store.read(-1, 1, out, 0));
            store.verify();
        }
    }

    @Test
    void bf16RowsAreRoundedToTheNearest() {
        TestStores.write(folder, ROWS, Dtype.BF16, 23);
        try (ActivationStore store = ActivationStore.open(folder)) {
            Matrix out = Matrix.zeros(23, 7);
            store.read(0, 23, out, 0);
            for (int i = 0; i < 23 * 7; i++) {
                assertEquals(BFloat16.toFloat(BFloat16.fromFloat(ROWS.data()[i])), out.data()[i]);
            }
        }
    }

    /** In shards of 10: row 13 is the fourth of the second. */
    @Test
    void whatIsNotFiniteIsRefusedWithItsRow() {
        Matrix bad = new Matrix(23, 7, ROWS.data().clone());
        bad.data()[13 * 7 + 2] = Float.NaN;
        TestStores.write(folder, bad, ROWS, Dtype.F32, 10, 13);
        Matrix out = Matrix.zeros(23, 7);
        try (ActivationStore store = ActivationStore.open(folder)) {
            store.read(0, 13, out, 0);
            assertRefused(folder + ": row 13, column 2 is NaN", () -> store.read(12, 5, out, 4));
            store.gradients().read(0, 23, out, 0);
        }
        Path other = folder.resolve("other");
        TestStores.write(other, ROWS, bad, Dtype.F32, 10, 13);
        try (ActivationStore store = ActivationStore.open(other)) {
            store.read(0, 23, out, 0);
            assertRefused(
                    "gradients of " + other + ": row 13, column 2 is NaN",
                    () -> store.gradients().read(0, 23, out, 0));
        }
    }

    @Test
    void tokensPositionsAndDocumentsComeBack() {
        TestStores.write(folder, ROWS, Dtype.BF16, 10, 13);
        try (ActivationStore store = ActivationStore.open(folder)) {
            assertArrayEquals(new int[] {8, 9, 10, 11}, store.tokens(8, 4));
            assertArrayEquals(new int[] {4, 5, 1, 2}, store.positions(8, 4));
            assertArrayEquals(new int[] {1, 1, 2, 2}, store.documents(8, 4));
            assertEquals(12, store.token(12));
            assertEquals(3, store.position(12));
            assertEquals(2, store.document(12));
            DocumentTable documents = store.documents();
            assertEquals(5, documents.size());
            assertEquals("text \"2\"\nä", documents.get(2).text());
            assertEquals("noun.animal", documents.get(2).label());
            assertEquals(store.token(12), documents.get(2).tokens()[store.position(12) - 1]);
            assertRefused("asks for number 5", () -> documents.get(5));
        }
    }

    @Test
    void damageIsRefusedWithTheFileNamed() throws IOException {
        TestStores.write(folder, ROWS, Dtype.F32, 10, 13);
        Path second = folder.resolve(StoreWriter.shardName(1));
        byte[] bytes = Files.readAllBytes(second);

        bytes[bytes.length - 1] ^= 1;
        Files.write(second, bytes);
        try (ActivationStore store = ActivationStore.open(folder)) {
            assertRefused("shard-00001.safetensors: sha256 is", store::verify);
        }
        Files.write(second, java.util.Arrays.copyOf(bytes, bytes.length - 4));
        assertRefused("shard-00001.safetensors", () -> ActivationStore.open(folder));
        Files.delete(second);
        assertRefused("shard-00001.safetensors: no such file", () -> ActivationStore.open(folder));
        Files.copy(folder.resolve(StoreWriter.shardName(0)), second);
        assertRefused("has shape [10, 7], expected [13, 7]", () -> ActivationStore.open(folder));
        Files.delete(folder.resolve(StoreInfo.FILE));
        assertRefused("not a finished activation store", () -> ActivationStore.open(folder));
    }

    @Test
    void descriptionsThatBreakARuleAreRefused() throws IOException {
        TestStores.write(folder, ROWS, Dtype.F32, 10, 13);
        Path described = folder.resolve(StoreInfo.FILE);
        String good = Files.readString(described);
        refuse(described, good.replace("\"rows\" : 23", "\"rows\" : 24"), "rows is 24, but the shards have 23");
        refuse(described, good.replace("shard-00000", "../shard-00000"), "not the name of a file");
        refuse(described, good.replace("\"F32\"", "\"I32\""), "dtype is I32, expected BF16 or F32");
        refuse(described, good.replace("\"F32\"", "\"BF16\""), "is F32, expected BF16");
        refuse(described, good.replace("\"width\" : 7", "\"width\" : 8"), "has shape [10, 7], expected [10, 8]");
        refuse(described, good.replace("\"width\"", "\"witdh\""), "'width'");
        refuse(described, good.replace("documents.jsonl", "docs.jsonl"), "docs.jsonl: no such file");
        refuse(described, good.replace("\"rows\" : 10,", "\"rows\" : 10.5,"), "store.json");
        refuse(described, good.replaceFirst("\"sha256\" : \"[0-9a-f]+\"", "\"sha256\" : null"), "sha256");
        refuse(described, good.replaceFirst("\"shards\" : \\[ ", "\"shards\" : [ null, "), "store.json");
        refuse(described, good.substring(0, good.length() / 2), "store.json");
        Files.writeString(described, good);
        ActivationStore.open(folder).close();
    }

    private void refuse(Path file, String text, String message) throws IOException {
        Files.writeString(file, text);
        assertRefused(message, () -> ActivationStore.open(folder));
    }

    @Test
    void aConsumerOfAnotherModelHookOrWidthIsRefusedWithBothNamed() {
        TestStores.write(folder, ROWS, Dtype.F32, 23);
        try (ActivationStore store = ActivationStore.open(folder)) {
            assertEquals(TestStores.PROVENANCE, store.provenance());
            store.requireMatches(7, TestStores.PROVENANCE, "SAE a");
            store.requireMatches(7, Provenance.here("", "", "", "", 1), "SAE of unknown origin");
            assertRefused(
                    folder + ": holds rows of width 7, but SAE a reads width 8",
                    () -> store.requireMatches(8, TestStores.PROVENANCE, "SAE a"));
            assertRefused(
                    "activations of blocks.1.hook_resid_post, but SAE a is made for blocks.2.hook_mlp_out",
                    () -> store.requireMatches(
                            7, Provenance.here("toy", "00ff", "", "blocks.2.hook_mlp_out", 1), "SAE a"));
            assertRefused(
                    "'toy' (sha256 00ff), but SAE a is made for 'big' (sha256 11)",
                    () -> store.requireMatches(
                            7, Provenance.here("big", "11", "", "blocks.1.hook_resid_post", 1), "SAE a"));
        }
    }

    static void assertRefused(String expected, org.junit.jupiter.api.function.Executable what) {
        String message = String.valueOf(assertThrows(BadInput.class, what).getMessage());
        assertTrue(message.contains(expected), message);
    }
}
