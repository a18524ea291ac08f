package org.loupe.harvest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.DocumentTable;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
import org.loupe.text.Corpus;

class HarvestTest {
    private static final Corpus CORPUS = ToyModel.corpus(400);

    @TempDir
    Path folder;

    private static Harvest.Result harvest(Path folder) {
        return Harvest.run(ToyModel.subject(), CORPUS, ToyModel.config(), folder, event -> {});
    }

    private static HarvestConfig with(long tokens, Dtype dtype, boolean keepSinks) {
        HarvestConfig c = ToyModel.config();
        return new HarvestConfig(c.hooks(), tokens, c.context(), c.batch(), dtype, c.shardRows(), keepSinks, c.seed());
    }

    /** Every row is what the model gives for its document alone, and the counts add up. */
    @Test
    void rowsAreThoseOfTheDocumentAlone() {
        Harvest.Result result =
                Harvest.run(ToyModel.subject(), CORPUS, with(6_000, Dtype.F32, false), folder, event -> {});
        assertFalse(result.complete());
        try (ActivationStore store = ActivationStore.open(folder)) {
            store.verify();
            assertTrue(store.info().shards().size() > 5, "several shards");
            DocumentTable documents = store.documents();
            Matrix row = Matrix.zeros(1, ToyModel.WIDTH);
            long sinks = 0;
            for (long r = 0; r < store.rows(); r++) {
                int[] tokens = documents.get(store.document(r)).tokens();
                int position = store.position(r);
                assertEquals(tokens[position - 1], store.token(r));
                assertTrue(store.token(r) != '!' + 2, "a sink was kept");
                int[] alone = java.util.stream.IntStream.concat(
                                java.util.stream.IntStream.of(1), java.util.stream.IntStream.of(tokens))
                        .toArray();
                Matrix expected = ToyModel.rows(TokenBatch.of(alone));
                store.read(r, 1, row, 0);
                for (int c = 0; c < ToyModel.WIDTH; c++) {
                    assertEquals(expected.at(position, c), row.at(0, c));
                }
                boolean follows = r > 0 && store.document(r) == store.document(r - 1);
                assertTrue(!follows || store.position(r) > store.position(r - 1));
                assertTrue(r == 0 || store.document(r) >= store.document(r - 1));
            }
            for (int d = 0; d < documents.size(); d++) {
                sinks += java.util.Arrays.stream(documents.get(d).tokens())
                        .filter(t -> t == '!' + 2)
                        .count();
            }
            assertTrue(sinks > 0);
            assertEquals(sinks, store.info().dropped().get(Harvest.NORM));
            assertEquals(result.tokens(), store.rows() + sinks);
            assertTrue(store.info().normLimit() > 3 && store.info().normLimit() < 12);
            assertEquals("label.0", documents.get(0).label().substring(0, 6) + "0");
        }
    }

    /** The batch that the norm limit is taken from is not run again. */
    @Test
    void everyRowIsRunOnce() {
        AtomicInteger rows = new AtomicInteger();
        Harvest.Result result = Harvest.run(
                ToyModel.subject(batch -> {
                    rows.addAndGet(batch.sequences());
                    return ToyModel.rows(batch);
                }),
                CORPUS,
                ToyModel.config(),
                folder,
                event -> {});
        assertEquals(result.store().dropped().get(Harvest.FIRST_POSITION), rows.get(), "one prefix token a row");
    }

    @Test
    void sinksAreKeptWhenAskedFor() {
        Harvest.Result result =
                Harvest.run(ToyModel.subject(), CORPUS, with(2_000, Dtype.BF16, true), folder, event -> {});
        assertEquals(result.tokens(), result.store().rows());
        assertEquals(0, result.store().dropped().get(Harvest.NORM));
        assertEquals(0, result.store().normLimit());
    }

    @Test
    void aFinishedStoreIsCompleteAndAnotherConfigurationIsRefused() throws IOException {
        Harvest.Result first = harvest(folder);
        Map<String, byte[]> bytes = bytes(folder);
        Harvest.Result second = Harvest.run(
                ToyModel.subject(batch -> {
                    throw new AssertionError("nothing is left to run");
                }),
                CORPUS,
                ToyModel.config(),
                folder,
                event -> {});
        assertTrue(second.complete());
        assertEquals(first.store(), second.store());
        refused(
                "its tokens is 6000, this run's is 7000",
                () -> Harvest.run(ToyModel.subject(), CORPUS, with(7_000, Dtype.BF16, false), folder, event -> {}));
        refused(
                "its dtype is BF16, this run's is F32",
                () -> Harvest.run(ToyModel.subject(), CORPUS, with(6_000, Dtype.F32, false), folder, event -> {}));
        assertSameBytes(bytes, bytes(folder));
        Harvest.clear(folder);
        assertEquals(0, bytes(folder).size());
        Files.writeString(folder.resolve("letter.txt"), "dear");
        refused("is not empty and holds no store: it has letter.txt", () -> harvest(folder));
    }

    @Test
    void interruptedAtRandomPlacesItEndsWithTheSameBytes() throws IOException {
        Path whole = folder.resolve("whole");
        harvest(whole);
        Map<String, byte[]> expected = bytes(whole);
        Random random = new Random(5);
        for (int round = 0; round < 5; round++) {
            Path cut = folder.resolve("cut" + round);
            int interruptions = 0;
            for (boolean done = false; !done; interruptions++) {
                AtomicInteger left = new AtomicInteger(random.nextInt(25));
                try {
                    Harvest.run(
                            ToyModel.subject(batch -> {
                                if (left.getAndDecrement() == 0) {
                                    throw new IllegalStateException("interrupted");
                                }
                                return ToyModel.rows(batch);
                            }),
                            CORPUS,
                            ToyModel.config(),
                            cut,
                            event -> {});
                    done = true;
                } catch (IllegalStateException e) {
                    assertEquals("interrupted", e.getMessage());
                }
            }
            assertTrue(interruptions > 1);
            assertSameBytes(expected, bytes(cut));
        }
    }

    /** Kills a child process with SIGKILL at random moments until one survives. */
    @Test
    void killedAtRandomMomentsItEndsWithTheSameBytes() throws IOException, InterruptedException {
        Path whole = folder.resolve("whole");
        harvest(whole);
        Path killed = folder.resolve("killed");
        Random random = new Random();
        int kills = 0;
        while (!Files.exists(killed.resolve("store.json"))) {
            Process child = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-cp",
                            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                            ToyModel.class.getName(),
                            killed.toString(),
                            "25")
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("child.log").toFile())
                    .start();
            long moment = 300L + random.nextInt(900); // a whole run pauses for 1,200 ms at least
            if (!child.waitFor(kills < 6 ? moment : 60_000, TimeUnit.MILLISECONDS)) {
                child.destroyForcibly().waitFor();
                kills++;
            } else {
                assertEquals(0, child.exitValue(), Files.readString(folder.resolve("child.log")));
            }
        }
        assertTrue(kills > 0, "the child was never killed");
        harvest(killed); // tidies where the last kill came between the store and the end
        assertSameBytes(bytes(whole), bytes(killed));
    }

    /** A second harvest into the folder, or a fresh start of it, while the first one runs. */
    @Test
    void onlyOneHarvestAtATimeWritesInAFolder() throws IOException {
        Path whole = folder.resolve("whole");
        harvest(whole);
        Path busy = folder.resolve("busy");
        AtomicInteger batches = new AtomicInteger();
        Harvest.run(
                ToyModel.subject(batch -> {
                    if (batches.getAndIncrement() == 20) {
                        refused(busy + ": another process is writing there", () -> harvest(busy));
                        refused(busy + ": another process is writing there", () -> Harvest.clear(busy));
                    }
                    return ToyModel.rows(batch);
                }),
                CORPUS,
                ToyModel.config(),
                busy,
                event -> {});
        assertTrue(batches.get() > 20);
        assertSameBytes(bytes(whole), bytes(busy));
    }

    @Test
    void aDamagedShardOfAnInterruptedRunIsMadeAgain() throws IOException {
        Path whole = folder.resolve("whole");
        harvest(whole);
        Path cut = folder.resolve("cut");
        AtomicInteger left = new AtomicInteger(20);
        assertThrows(
                IllegalStateException.class,
                () -> Harvest.run(
                        ToyModel.subject(batch -> {
                            if (left.getAndDecrement() == 0) {
                                throw new IllegalStateException("interrupted");
                            }
                            return ToyModel.rows(batch);
                        }),
                        CORPUS,
                        ToyModel.config(),
                        cut,
                        event -> {}));
        Path shard = cut.resolve("shard-00001.safetensors");
        byte[] bytes = Files.readAllBytes(shard);
        bytes[bytes.length / 2] ^= 4;
        Files.write(shard, bytes);
        refused(
                "seed",
                () -> Harvest.run(
                        ToyModel.subject(),
                        CORPUS,
                        new HarvestConfig(ToyModel.HOOK, 6_000, 32, 4, Dtype.BF16, 500, false, 4),
                        cut,
                        event -> {}));
        refused(
                "has changed since",
                () -> Harvest.run(
                        ToyModel.subject(),
                        new Corpus.InMemory(
                                "made up",
                                ToyModel.corpus(400)
                                        .documents()
                                        .map(d -> new org.loupe.text.Document(d.text() + "x", d.label()))
                                        .toList()),
                        ToyModel.config(),
                        cut,
                        event -> {}));
        harvest(cut);
        assertSameBytes(bytes(whole), bytes(cut));
    }

    /** The third shard is written aside through a link to a device that is always full. */
    @Test
    void aFullDiskLeavesTheShardsBeforeItWhole() throws IOException {
        Path full = Path.of("/dev/full");
        assumeTrue(Files.isWritable(full), "only where there is a /dev/full");
        Path whole = folder.resolve("whole");
        harvest(whole);
        Path cut = Files.createDirectory(folder.resolve("cut"));
        Files.createSymbolicLink(cut.resolve(".shard-00002.safetensors.part"), full);
        String message = String.valueOf(
                assertThrows(UncheckedIOException.class, () -> harvest(cut)).getMessage());
        assertTrue(
                message.startsWith("cannot write " + cut.resolve("shard-00002.safetensors") + ": No space left"),
                message);
        assertEquals(
                List.of("documents.jsonl", "progress.json", "shard-00000.safetensors", "shard-00001.safetensors"),
                List.copyOf(bytes(cut).keySet()));
        harvest(cut);
        assertSameBytes(bytes(whole), bytes(cut));
    }

    @Test
    void aNanIsRefusedWithTokenDocumentAndPosition() {
        AtomicInteger batches = new AtomicInteger();
        refused(
                "the activation of token ",
                () -> Harvest.run(
                        ToyModel.subject(batch -> {
                            Matrix rows = ToyModel.rows(batch);
                            if (batches.getAndIncrement() == 3) {
                                rows.data()[rows.offset(5) + 2] = Float.NaN;
                            }
                            return rows;
                        }),
                        CORPUS,
                        ToyModel.config(),
                        folder,
                        event -> {}));
    }

    @Test
    void progressEndsAtAllTokens() {
        List<HarvestEvent> events = new ArrayList<>();
        Harvest.Result result = Harvest.run(ToyModel.subject(), CORPUS, ToyModel.config(), folder, events::add);
        HarvestEvent last = events.getLast();
        assertEquals(HarvestEvent.Stage.RUNNING, last.stage());
        assertEquals(result.tokens(), last.done());
        assertEquals(result.tokens(), last.total());
        assertTrue(last.tokensPerSecond() > 0);
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

    private static void refused(String expected, org.junit.jupiter.api.function.Executable what) {
        String message = String.valueOf(assertThrows(BadInput.class, what).getMessage());
        assertTrue(message.contains(expected), message);
    }
}
