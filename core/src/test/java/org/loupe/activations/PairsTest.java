package org.loupe.activations;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.loupe.activations.ActivationStoreTest.assertRefused;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.io.Dtype;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.io.Safetensors;
import org.loupe.tensor.BFloat16;
import org.loupe.tensor.Matrix;
import tools.jackson.databind.node.ObjectNode;

/** Rows [input | target], from a store and from two sources side by side. */
class PairsTest {
    private static final int ROWS = 23;
    private static final int IN = 5;
    private static final int OUT = 3;
    private static final Matrix X = TestStores.random(ROWS, IN, 1);
    private static final Matrix Y = TestStores.random(ROWS, OUT, 2);

    @TempDir
    Path folder;

    /** The value at (row, column) of the pairs, as the store's number format holds it. */
    private static float expected(int row, int column, Dtype dtype) {
        float value = column < IN ? X.at(row, column) : Y.at(row, column - IN);
        return dtype == Dtype.BF16 ? BFloat16.toFloat(BFloat16.fromFloat(value)) : value;
    }

    private static Matrix slice(Matrix rows, int from, int count) {
        Matrix out = Matrix.zeros(count, rows.cols());
        System.arraycopy(rows.data(), rows.offset(from), out.data(), 0, count * rows.cols());
        return out;
    }

    /** A store of two inputs of 2 and 3 columns and a target, in shards of 10 and 13 rows. */
    private static StoreInfo write(Path folder, Dtype dtype) {
        StoreInfo plain = TestStores.write(folder, X, dtype, 10, 13);
        List<StoreInfo.Shard> shards = new java.util.ArrayList<>();
        for (int s = 0; s < 2; s++) {
            int from = 10 * s;
            int count = s == 0 ? 10 : 13;
            int[] numbers = new int[count];
            shards.add(StoreWriter.writeShard(
                    folder,
                    s,
                    dtype,
                    new StoreWriter.Rows(
                            slice(X, from, count), numbers, numbers, numbers, slice(Y, from, count), null)));
        }
        StoreInfo info = new StoreInfo(
                plain.provenance(),
                IN,
                dtype,
                ROWS,
                plain.prefix(),
                4,
                plain.dropped(),
                plain.configuration(),
                plain.documents(),
                plain.corpusDocuments(),
                shards,
                List.of(new StoreInfo.Part("a", 2, 4), new StoreInfo.Part("b", 3, 5)),
                new StoreInfo.Part("c", OUT, 6),
                null);
        StoreWriter.finish(folder, info);
        return info;
    }

    private static void assertPairs(RowSource rows, Dtype dtype) {
        assertEquals(ROWS, rows.rows());
        assertEquals(IN + OUT, rows.width());
        assertEquals(OUT, rows.targetWidth());
        assertEquals(IN, rows.inputs().width());
        assertEquals(0, rows.inputs().targetWidth());
        assertSame(rows.inputs().inputs().getClass(), rows.inputs().getClass());
        assertEquals(rows.parts(), rows.inputs().parts());
        Matrix out = Matrix.zeros(20, IN + OUT);
        rows.read(5, 17, out, 2);
        Matrix inputs = Matrix.zeros(20, IN);
        rows.inputs().read(5, 17, inputs, 2);
        Matrix raw = raw(rows, 5, 17);
        Matrix rawInputs = raw(rows.inputs(), 5, 17);
        for (int r = 0; r < 17; r++) {
            for (int c = 0; c < IN + OUT; c++) {
                float value = expected(5 + r, c, dtype);
                assertEquals(value, out.at(2 + r, c), "row " + r + ", column " + c);
                assertEquals(value, raw.at(r, c));
                if (c < IN) {
                    assertEquals(value, inputs.at(2 + r, c));
                    assertEquals(value, rawInputs.at(r, c));
                }
            }
        }
        assertEquals(0f, out.at(1, 0));
        assertEquals(0f, out.at(19, 0));
    }

    /** Decodes what readRaw gives, eight bytes into a buffer, and checks that the bytes around are untouched. */
    private static Matrix raw(RowSource rows, long from, int count) {
        long bytes = (long) count * rows.width() * rows.dtype().bytes();
        Matrix out = Matrix.zeros(count, rows.width());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(bytes + 16);
            rows.readRaw(from, count, buffer, 8);
            assertEquals(0L, buffer.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
            assertEquals(0L, buffer.get(ValueLayout.JAVA_LONG_UNALIGNED, bytes + 8));
            rows.dtype().floats(buffer, 8, out.data(), 0, count * rows.width());
        }
        return out;
    }

    @ParameterizedTest
    @EnumSource(
            value = Dtype.class,
            names = {"F32", "BF16"})
    void aStoreOfPairsGivesInputAndTargetInOneRow(Dtype dtype) {
        StoreInfo written = write(folder, dtype);
        try (ActivationStore store = ActivationStore.open(folder)) {
            assertEquals(written, store.info());
            assertPairs(store, dtype);
            assertEquals(List.of(2, 3), store.parts());
            assertEquals("c", store.targetHook());
            assertEquals(Map.of("a", 4.0, "b", 5.0, "c", 6.0), store.info().normLimits());
            store.verify();
        }
        try (Safetensors shard = Safetensors.open(folder.resolve(StoreWriter.shardName(1)))) {
            assertEquals(List.of(13L, 5L), shard.entry("activations").shape());
            assertEquals(List.of(13L, 3L), shard.entry("targets").shape());
        }
    }

    /** Every row of a pass has its own target behind it, whatever the order. */
    @Test
    void shufflingKeepsPairsTogether() {
        write(folder, Dtype.F32);
        try (ActivationStore store = ActivationStore.open(folder)) {
            Matrix batch = Matrix.zeros(ROWS, IN + OUT);
            new ShuffledRows(store, ROWS, 3, 1000, true).batch(0, batch);
            boolean moved = false;
            for (int r = 0; r < ROWS; r++) {
                int from = -1;
                for (int s = 0; s < ROWS; s++) {
                    from = X.at(s, 0) == batch.at(r, 0) ? s : from;
                }
                moved |= from != r;
                for (int c = 0; c < IN + OUT; c++) {
                    assertEquals(expected(from, c, Dtype.F32), batch.at(r, c));
                }
            }
            assertEquals(true, moved);
        }
    }

    @Test
    void sourcesSideBySideArePairs() {
        MatrixRows x = new MatrixRows(X);
        MatrixRows y = new MatrixRows(Y);
        assertPairs(new PairedRows(x, y), Dtype.F32);
        assertEquals(true, new PairedRows(x, y).inMemory());
        TestStores.write(folder.resolve("x"), X, Dtype.BF16, 23);
        TestStores.write(folder.resolve("y"), Y, Dtype.BF16, 4, 19);
        try (ActivationStore storeX = ActivationStore.open(folder.resolve("x"));
                ActivationStore storeY = ActivationStore.open(folder.resolve("y"))) {
            PairedRows pairs = new PairedRows(storeX, storeY);
            assertEquals(Dtype.BF16, pairs.dtype());
            assertEquals("blocks.1.hook_resid_post", pairs.targetHook());
            assertPairs(pairs, Dtype.BF16);
            // f32 inputs and bf16 targets are read as f32.
            PairedRows mixed = new PairedRows(x, storeY);
            assertEquals(Dtype.F32, mixed.dtype());
            Matrix read = raw(mixed, 0, ROWS);
            assertEquals(expected(7, 1, Dtype.F32), read.at(7, 1));
            assertEquals(expected(7, IN + 1, Dtype.BF16), read.at(7, IN + 1));
        }
    }

    /** What a source that only says its target width gives as inputs. */
    @Test
    void theInputsOfAnySourceAreItsFirstColumns() {
        assertPairs(new Pairs(new PairedRows(new MatrixRows(X), new MatrixRows(Y)), Dtype.F32), Dtype.F32);
        write(folder, Dtype.BF16);
        try (ActivationStore store = ActivationStore.open(folder)) {
            assertPairs(new Pairs(store, Dtype.BF16), Dtype.BF16);
        }
    }

    private record Pairs(RowSource of, Dtype dtype) implements RowSource {
        @Override
        public long rows() {
            return of.rows();
        }

        @Override
        public int width() {
            return of.width();
        }

        @Override
        public int targetWidth() {
            return OUT;
        }

        @Override
        public void read(long from, int count, Matrix out, int at) {
            of.read(from, count, out, at);
        }

        @Override
        public void readRaw(long from, int count, MemorySegment out, long at) {
            of.readRaw(from, count, out, at);
        }
    }

    @Test
    void sourcesThatAreNotOfTheSameTokensAreRefused() {
        MatrixRows x = new MatrixRows(X);
        assertRefused(
                "holds 5 targets for the 23 rows of rows in memory, expected one for each",
                () -> new PairedRows(x, new MatrixRows(slice(Y, 0, 5))));
        PairedRows pairs = new PairedRows(x, new MatrixRows(Y));
        assertRefused("holds targets of its own already", () -> new PairedRows(pairs, x));
        assertRefused(
                "its model is '11', that of rows in memory is '00'",
                () -> new PairedRows(from("00", "t", 1), from("11", "t", 1)));
        assertRefused(
                "its text is 'u', that of rows in memory is 't'",
                () -> new PairedRows(from("00", "t", 1), from("00", "u", 1)));
        assertRefused(
                "its seed is '2', that of rows in memory is '1'",
                () -> new PairedRows(from("00", "t", 1), from("00", "t", 2)));
        assertEquals(10, new PairedRows(from("00", "t", 1), from("00", "t", 1)).width());
        assertEquals(10, new PairedRows(from("", "", 1), from("00", "t", 2)).width());
    }

    private static RowSource from(String sha256, String text, long seed) {
        return new RowSource() {
            @Override
            public long rows() {
                return ROWS;
            }

            @Override
            public int width() {
                return IN;
            }

            @Override
            public void read(long from, int count, Matrix out, int at) {
                throw new AssertionError("nothing is to be read");
            }

            @Override
            public Provenance provenance() {
                return Provenance.here("m", sha256, text, "", seed);
            }
        };
    }

    @Test
    void aTranscoderOfOtherRowsIsRefusedWithBothNamed() {
        write(folder, Dtype.F32);
        Provenance provenance = TestStores.PROVENANCE;
        try (ActivationStore store = ActivationStore.open(folder)) {
            store.requirePairs(IN, OUT, provenance, "c", "SAE a");
            store.requirePairs(IN, OUT, provenance, "", "SAE a");
            assertRefused(
                    "holds rows of width 5, but SAE a reads width 4",
                    () -> store.requirePairs(4, OUT, provenance, "c", "SAE a"));
            assertRefused(
                    "holds targets of width 3, but SAE a writes width 2",
                    () -> store.requirePairs(IN, 2, provenance, "c", "SAE a"));
            assertRefused(
                    "holds targets of c, but SAE a writes d",
                    () -> store.requirePairs(IN, OUT, provenance, "d", "SAE a"));
            assertRefused(
                    "holds rows of width 8, but SAE a reads width 5",
                    () -> store.requireMatches(5, provenance, "SAE a"));
            assertRefused(
                    "holds no targets, but SAE a reads blocks.1.hook_resid_post and writes c",
                    () -> store.inputs().requirePairs(IN, OUT, provenance, "c", "SAE a"));
        }
    }

    /** A description from before there were several hook points. */
    @Test
    void aDescriptionWithoutPartsIsOfOneHookPoint() throws IOException {
        StoreInfo written = TestStores.write(folder, X, Dtype.F32, 10, 13);
        Path file = folder.resolve(StoreInfo.FILE);
        ObjectNode description = (ObjectNode) Json.tree(file);
        assertEquals(1, description.path("parts").size());
        description.remove(List.of("parts", "target"));
        Json.write(file, description);
        try (ActivationStore store = ActivationStore.open(folder)) {
            assertEquals(written, store.info());
            assertEquals(
                    List.of(new StoreInfo.Part("blocks.1.hook_resid_post", IN, 12.5)),
                    store.info().parts());
            assertEquals(0, store.targetWidth());
            assertEquals("", store.targetHook());
            assertSame(store, store.inputs());
        }
        description.remove("width");
        Json.write(file, description);
        assertRefused("store.json: ", () -> ActivationStore.open(folder));
        assertRefused("'width'", () -> ActivationStore.open(folder));
    }

    @Test
    void descriptionsAndShardsThatDoNotFitAreRefused() throws IOException {
        write(folder, Dtype.F32);
        Path file = folder.resolve(StoreInfo.FILE);
        String good = Files.readString(file);
        refuse(file, good.replace("\"width\" : 2", "\"width\" : 1"), "width is 5, but the parts have 4 together");
        refuse(file, good.replace("\"normLimit\" : 5.0", "\"normLimit\" : -5.0"), "norm limit -5.0");
        refuse(file, good.replace("\"target\"", "\"tarket\""), "'target'");
        TestStores.write(folder.resolve("plain"), X, Dtype.F32, 10, 13);
        for (int s = 0; s < 2; s++) {
            Path shard = Path.of(StoreWriter.shardName(s));
            Files.delete(folder.resolve(shard));
            Files.copy(folder.resolve("plain").resolve(shard), folder.resolve(shard));
        }
        refuse(file, good, "targets");
    }

    private void refuse(Path file, String text, String message) throws IOException {
        Files.writeString(file, text);
        assertRefused(message, () -> ActivationStore.open(folder));
    }
}
