package org.loupe.harvest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.GradientLoss;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelFiles;
import org.loupe.lm.Precision;
import org.loupe.tensor.Matrix;
import org.loupe.text.Corpus;

/** A store with gradients beside its rows, of a real transformer. */
class GradientHarvestTest {
    private static final Corpus CORPUS = ToyModel.corpus(200);
    private static final HookPoint RESIDUAL = HookPoint.residPost(1);

    @TempDir
    Path folder;

    private ModelFiles files = new ModelFiles("", Path.of(""));

    @BeforeEach
    void write() {
        files = org.loupe.lm.ToyModel.write(folder.resolve("model"));
    }

    /** Batches of 20 rows of 32 tokens are two parts; shards hold 13 rows, batches of 13. */
    private static HarvestConfig config(HookPoint hook, @Nullable GradientLoss loss, Dtype dtype) {
        return new HarvestConfig(new HarvestHooks(List.of(hook), null, loss), 2_500, 32, 20, dtype, 700, false, 3);
    }

    private Path harvest(String name, HarvestConfig config, int threads) {
        Path out = folder.resolve(name);
        try (LanguageModel model = LanguageModel.load(files, Precision.F32, threads)) {
            Harvest.run(model, CORPUS, config, out, _ -> {});
        }
        return out;
    }

    private static Matrix all(RowSource rows) {
        Matrix all = Matrix.zeros(Math.toIntExact(rows.rows()), rows.width());
        rows.read(0, all.rows(), all, 0);
        return all;
    }

    /** Gradients change nothing else: rows, places, norms and what is dropped are those of a plain store. */
    @Test
    void theRestIsWhatAPlainStoreHolds() {
        for (HookPoint hook : List.of(RESIDUAL, new HookPoint(1, Site.MLP_POST))) {
            Path plain = harvest("plain " + hook, config(hook, null, Dtype.F32), 2);
            Path with = harvest("with " + hook, config(hook, GradientLoss.KL, Dtype.F32), 2);
            Path rounded = harvest("bf16 " + hook, config(hook, GradientLoss.KL, Dtype.BF16), 2);
            try (ActivationStore without = ActivationStore.open(plain);
                    ActivationStore store = ActivationStore.open(with);
                    ActivationStore bf16 = ActivationStore.open(rounded)) {
                store.verify();
                assertTrue(store.info().shards().size() > 2, "several shards");
                assertEquals(GradientLoss.KL, store.info().gradients());
                assertNull(without.info().gradients());
                assertEquals(without.width(), store.width());
                assertArrayEquals(all(without).data(), all(store).data());
                int n = Math.toIntExact(store.rows());
                assertArrayEquals(without.tokens(0, n), store.tokens(0, n));
                assertArrayEquals(without.documents(0, n), store.documents(0, n));
                assertEquals(without.info().dropped(), store.info().dropped());
                assertEquals(without.info().normLimits(), store.info().normLimits());
                Matrix g = all(store.gradients());
                Matrix g16 = all(bf16.gradients());
                for (int i = 0; i < g.data().length; i++) {
                    assertEquals(g.data()[i], g16.data()[i], Math.abs(g.data()[i]) / 256);
                }
                int zero = 0;
                for (int r = 0; r < n; r++) {
                    boolean last = r + 1 == n || store.document(r + 1) != store.document(r);
                    double squares = 0;
                    for (int c = 0; c < g.cols(); c++) {
                        squares += (double) g.at(r, c) * g.at(r, c);
                    }
                    assertTrue(last || squares > 0, "row " + r + " predicts a token");
                    zero += squares == 0 ? 1 : 0;
                }
                assertTrue(zero > 30, "rows of last tokens: " + zero);
                assertTrue(assertThrows(BadInput.class, without::gradients)
                        .toString()
                        .contains(plain + ": holds no gradients; a store made by harvest --gradients does"));
            }
        }
    }

    /** One thread, three threads, and runs that end at random places: the same bytes. */
    @Test
    void interruptedAndWithOtherThreadsItEndsWithTheSameBytes() throws IOException {
        HarvestConfig config = config(RESIDUAL, GradientLoss.KL, Dtype.BF16);
        Map<String, byte[]> expected = bytes(harvest("whole", config, 1));
        assertSameBytes(expected, bytes(harvest("three", config, 3)));
        Random random = new Random(2);
        Path cut = folder.resolve("cut");
        int interruptions = 0;
        for (boolean done = false; !done; interruptions++) {
            int[] left = {1 + random.nextInt(3)};
            try (LanguageModel model = LanguageModel.load(files, Precision.F32, 1 + interruptions % 3)) {
                Harvest.run(model, CORPUS, config, cut, event -> {
                    if (event.stage() == HarvestEvent.Stage.RUNNING && left[0]-- == 0) {
                        throw new IllegalStateException("interrupted");
                    }
                });
                done = true;
            } catch (IllegalStateException e) {
                assertEquals("interrupted", e.getMessage());
            }
        }
        assertTrue(interruptions > 1);
        assertSameBytes(expected, bytes(cut));
    }

    @Test
    void anotherLossOrNoneIsAnotherStore() {
        Path out = harvest("store", config(RESIDUAL, GradientLoss.KL, Dtype.F32), 1);
        for (GradientLoss loss : new GradientLoss[] {GradientLoss.CE, null}) {
            String wants = loss == null ? "absent" : "ce";
            BadInput refusal =
                    assertThrows(BadInput.class, () -> harvest("store", config(RESIDUAL, loss, Dtype.F32), 1));
            assertTrue(refusal.toString().contains("its gradients is kl, this run's is " + wants), refusal.toString());
        }
        assertTrue(Files.exists(out.resolve("store.json")));
    }

    @Test
    void gradientsAreOfOneHookPoint() {
        HookPoint other = HookPoint.residPost(0);
        for (List<HookPoint> inputs : List.of(List.of(RESIDUAL, other), List.of(RESIDUAL))) {
            BadInput refusal = assertThrows(
                    BadInput.class, () -> new HarvestHooks(inputs, inputs.size() > 1 ? null : other, GradientLoss.KL));
            assertTrue(
                    refusal.toString()
                            .contains("gradients are those of one hook point, but 2 are named:"
                                    + " blocks.1.hook_resid_post+blocks.0.hook_resid_post"),
                    refusal.toString());
        }
    }

    /** Shards without the tensor that store.json names are refused; a description without the key is of a plain store. */
    @Test
    void aDescriptionAndItsShardsHaveToAgree() throws IOException {
        Path plain = harvest("plain", config(RESIDUAL, null, Dtype.F32), 1);
        Path json = plain.resolve("store.json");
        String text = Files.readString(json);
        assertTrue(text.contains(",\n  \"gradients\" : null"));
        Files.writeString(json, text.replace(",\n  \"gradients\" : null", ""));
        try (ActivationStore store = ActivationStore.open(plain)) {
            assertNull(store.info().gradients());
        }
        Files.writeString(json, text.replace("\"gradients\" : null", "\"gradients\" : \"KL\""));
        BadInput refusal = assertThrows(BadInput.class, () -> ActivationStore.open(plain));
        assertTrue(refusal.toString().contains("shard-00000.safetensors"), refusal.toString());
        assertTrue(refusal.toString().contains("gradients"), refusal.toString());
    }

    private static Map<String, byte[]> bytes(Path folder) throws IOException {
        Map<String, byte[]> out = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                out.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
        return out;
    }

    private static void assertSameBytes(Map<String, byte[]> expected, Map<String, byte[]> found) {
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach((name, bytes) -> assertArrayEquals(bytes, found.get(name), name));
    }
}
