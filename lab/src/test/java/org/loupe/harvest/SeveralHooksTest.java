package org.loupe.harvest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.activations.StoreInfo;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
import org.loupe.text.Corpus;

class SeveralHooksTest {
    private static final HookPoint A = HookPoint.residPost(0);
    private static final HookPoint B = HookPoint.parse("blocks.1.mlp.hook_post");
    private static final HookPoint C = HookPoint.parse("blocks.1.hook_mlp_out");
    private static final Corpus CORPUS = ToyModel.corpus(400);

    @TempDir
    Path folder;

    private static HarvestConfig config(List<HookPoint> inputs, @Nullable HookPoint target, boolean keepSinks) {
        return new HarvestConfig(new HarvestHooks(inputs, target), 3_000, 32, 4, Dtype.F32, 500, keepSinks, 3);
    }

    private static Matrix all(RowSource rows) {
        Matrix all = Matrix.zeros(Math.toIntExact(rows.rows()), rows.width());
        rows.read(0, all.rows(), all, 0);
        return all;
    }

    /** A real transformer: one run with three hook points gives what three runs with one each give, bit for bit. */
    @Test
    void oneRunGivesTheBitsOfSeparateRuns() {
        try (LanguageModel model =
                LanguageModel.load(org.loupe.lm.ToyModel.write(folder.resolve("model")), Precision.F32, 2)) {
            Path together = folder.resolve("together");
            // B before A: columns stand in the order that was asked for, not in that of the forward pass.
            Harvest.run(model, CORPUS, config(List.of(B, A), C, true), together, _ -> {});
            try (ActivationStore store = ActivationStore.open(together)) {
                store.verify();
                assertEquals(
                        "blocks.1.mlp.hook_post+blocks.0.hook_resid_post",
                        store.provenance().hook());
                assertEquals(C.toString(), store.targetHook());
                assertEquals(List.of(48, 32), store.parts());
                assertEquals(80, store.inputs().width());
                assertEquals(32, store.targetWidth());
                Matrix rows = all(store);
                assertEquals(112, rows.cols());
                int column = 0;
                for (HookPoint hook : List.of(B, A, C)) {
                    Path alone = folder.resolve(hook.toString());
                    Harvest.run(model, CORPUS, config(List.of(hook), null, true), alone, _ -> {});
                    try (ActivationStore single = ActivationStore.open(alone)) {
                        Matrix expected = all(single);
                        assertEquals(expected.rows(), rows.rows());
                        assertTrue(expected.rows() > 2_000);
                        assertArrayEquals(
                                expected.data(),
                                rows.columns(column, expected.cols()).data(),
                                hook.toString());
                        assertArrayEquals(single.tokens(0, expected.rows()), store.tokens(0, expected.rows()));
                        column += expected.cols();
                    }
                }
            }
        }
    }

    /** Rows of 6, 2 and 3 columns of the toy of bytes; the letters q and z are sinks of the second and the third. */
    private static List<Matrix> parts(TokenBatch batch) {
        Matrix rows = ToyModel.rows(batch);
        Matrix second = rows.columns(1, 2);
        Matrix third = rows.columns(3, 3);
        for (int i = 0; i < batch.size(); i++) {
            boolean sink = batch.ids()[i] == '!' + 2;
            scale(second, i, batch.ids()[i] == 'q' + 2 ? 500 : sink ? 0.001 : 1);
            scale(third, i, batch.ids()[i] == 'z' + 2 ? 500 : sink ? 0.001 : 1);
        }
        return List.of(rows, second, third);
    }

    private static void scale(Matrix rows, int row, double factor) {
        for (int c = 0; c < rows.cols(); c++) {
            rows.data()[rows.offset(row) + c] *= (float) factor;
        }
    }

    private static Subject subject() {
        return ToyModel.subject(List.of(6, 2, 3), SeveralHooksTest::parts);
    }

    private static Subject only(int part) {
        return ToyModel.subject(
                List.of(List.of(6, 2, 3).get(part)),
                batch -> List.of(parts(batch).get(part)));
    }

    /** A row stays where every hook point alone would have kept it, each by its own limit. */
    @Test
    void aRowIsDroppedWhereAnyPartIsASink() {
        Path together = folder.resolve("together");
        Harvest.run(subject(), CORPUS, config(List.of(A, B), C, false), together, _ -> {});
        Map<Long, float[]> expected = new TreeMap<>();
        List<Double> limits = new java.util.ArrayList<>();
        for (int part = 0; part < 3; part++) {
            Path alone = folder.resolve("part" + part);
            Harvest.run(only(part), CORPUS, config(List.of(A), null, false), alone, _ -> {});
            try (ActivationStore single = ActivationStore.open(alone)) {
                limits.add(single.info().normLimit());
                Map<Long, float[]> kept = new TreeMap<>();
                for (long r = 0; r < single.rows(); r++) {
                    long place = 1000L * single.document(r) + single.position(r);
                    Matrix row = Matrix.zeros(1, single.width());
                    single.read(r, 1, row, 0);
                    if (part == 0 || expected.containsKey(place)) {
                        kept.put(place, joined(expected.get(place), row.data()));
                    }
                }
                assertTrue(part == 0 || kept.size() < expected.size(), "each part drops rows of its own");
                expected = kept;
            }
        }
        try (ActivationStore store = ActivationStore.open(together)) {
            assertEquals(limits, List.copyOf(limits(store.info())));
            assertEquals(limits.getFirst(), store.info().normLimit());
            assertEquals(expected.size(), store.rows());
            Matrix row = Matrix.zeros(1, 11);
            for (long r = 0; r < store.rows(); r++) {
                store.read(r, 1, row, 0);
                assertArrayEquals(expected.get(1000L * store.document(r) + store.position(r)), row.data());
            }
            long tokens = store.rows() + store.info().dropped().getOrDefault(Harvest.NORM, 0L);
            assertTrue(tokens >= 3_000 && store.rows() < 2_900, "rows " + store.rows() + " of " + tokens);
        }
    }

    private static List<Double> limits(StoreInfo info) {
        Map<String, Double> limits = info.normLimits();
        return List.of(A, B, C).stream()
                .map(hook -> limits.getOrDefault(hook.toString(), Double.NaN))
                .toList();
    }

    private static float[] joined(float @Nullable [] before, float[] row) {
        float[] out = new float[(before == null ? 0 : before.length) + row.length];
        if (before != null) {
            System.arraycopy(before, 0, out, 0, before.length);
        }
        System.arraycopy(row, 0, out, out.length - row.length, row.length);
        return out;
    }

    @Test
    void interruptedItEndsWithTheSameBytesAndEveryBatchIsRunOnce() throws IOException {
        Path whole = folder.resolve("whole");
        AtomicInteger sequences = new AtomicInteger();
        Harvest.Result result = Harvest.run(
                ToyModel.subject(List.of(6, 2, 3), batch -> {
                    sequences.addAndGet(batch.sequences());
                    return parts(batch);
                }),
                CORPUS,
                config(List.of(A, B), C, false),
                whole,
                _ -> {});
        assertEquals(result.store().dropped().get(Harvest.FIRST_POSITION), sequences.get(), "one prefix token a row");
        Path cut = folder.resolve("cut");
        for (int stop : List.of(3, 9)) {
            AtomicInteger left = new AtomicInteger(stop);
            assertThrows(
                    IllegalStateException.class,
                    () -> Harvest.run(
                            ToyModel.subject(List.of(6, 2, 3), batch -> {
                                if (left.getAndDecrement() == 0) {
                                    throw new IllegalStateException("interrupted");
                                }
                                return parts(batch);
                            }),
                            CORPUS,
                            config(List.of(A, B), C, false),
                            cut,
                            _ -> {}));
        }
        Harvest.run(subject(), CORPUS, config(List.of(A, B), C, false), cut, _ -> {});
        assertTrue(result.store().shards().size() > 3);
        for (StoreInfo.Shard shard : result.store().shards()) {
            assertArrayEquals(
                    Files.readAllBytes(whole.resolve(shard.name())), Files.readAllBytes(cut.resolve(shard.name())));
        }
        assertEquals(Files.readString(whole.resolve(StoreInfo.FILE)), Files.readString(cut.resolve(StoreInfo.FILE)));
        assertTrue(Harvest.run(subject(), CORPUS, config(List.of(A, B), C, false), cut, _ -> {})
                .complete());
        refused(
                "its hook is " + A + "+" + B + ", this run's is " + A,
                () -> Harvest.run(only(0), CORPUS, config(List.of(A), C, false), cut, _ -> {}));
        refused(
                "its out_hook is " + C + ", this run's is absent",
                () -> Harvest.run(subject(), CORPUS, config(List.of(A, B), null, false), cut, _ -> {}));
    }

    @Test
    void aNanInTheTargetIsRefused() {
        refused(
                "the activation of token ",
                () -> Harvest.run(
                        ToyModel.subject(List.of(6, 2, 3), batch -> {
                            List<Matrix> parts = parts(batch);
                            parts.getLast().data()[parts.getLast().offset(5) + 2] = Float.NaN;
                            return parts;
                        }),
                        CORPUS,
                        config(List.of(A, B), C, true),
                        folder,
                        _ -> {}));
    }

    @Test
    void hookPointsThatMakeNoSenseAreRefused() {
        refused("hook point " + A + " is named twice", () -> new HarvestHooks(List.of(A, B, A), null));
        refused("hook point " + A + " is named twice", () -> new HarvestHooks(List.of(A), A));
        refused("expected at least one", () -> new HarvestHooks(List.of(), A));
        assertEquals(List.of(A, C), HookPoint.parseAll(HookPoint.join(List.of(A, C))));
        assertEquals(List.of(A), HookPoint.parseAll(A.toString()));
        refused("hook point", () -> HookPoint.parseAll(A + "+"));
    }

    private static void refused(String expected, org.junit.jupiter.api.function.Executable what) {
        String message = String.valueOf(assertThrows(BadInput.class, what).getMessage());
        assertTrue(message.contains(expected), message);
    }
}
