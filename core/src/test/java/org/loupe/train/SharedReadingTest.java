package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.tensor.Matrix;

/** Several SAEs of one call: each as if it were alone, at the price of one reading. */
class SharedReadingTest {
    /** What varies: in length, in the statistics' sample, in the architecture; the last two cannot share the first reading. */
    private static final List<String[]> VARIED = List.of(
            new String[] {"k=6"},
            new String[] {"k=3", "tokens=" + 25 * 101},
            new String[] {"lr=1e-3", "architecture=batchtopk"},
            new String[] {"latents=70", "input.sample=500", "input.centre=mean"},
            new String[] {"seed=1"},
            new String[] {"batch=64"});

    @TempDir
    static Path alone;

    @TempDir
    Path folder;

    @BeforeAll
    static void trainEachAlone() {
        jobs(alone).forEach((out, config) -> TrainRuns.train(out, TrainRuns.rows(), config, event -> {}));
    }

    private static Map<Path, TrainConfig> jobs(Path in, String... more) {
        Map<Path, TrainConfig> jobs = new LinkedHashMap<>();
        for (int i = 0; i < VARIED.size(); i++) {
            List<String> pairs = new ArrayList<>(List.of(VARIED.get(i)));
            pairs.addAll(List.of(more));
            jobs.put(in.resolve("sae-" + i), TrainRuns.config(pairs.toArray(String[]::new)));
        }
        return jobs;
    }

    private static void assertEachIsAsAlone(Map<Path, TrainConfig> jobs) throws IOException {
        for (Path sae : jobs.keySet()) {
            Path expected = alone.resolve(sae.getFileName());
            TrainRuns.assertSameSae(expected, sae);
            assertEquals(TrainRuns.files(expected), TrainRuns.files(sae));
            assertEquals(withoutRate(expected), withoutRate(sae));
            assertEquals(ClosingFigures.read(expected), ClosingFigures.read(sae));
        }
    }

    private static List<String> withoutRate(Path run) throws IOException {
        return Files.readAllLines(run.resolve(StepLog.FILE)).stream()
                .map(line -> line.replaceFirst(",\"tokens_per_second.*", ""))
                .toList();
    }

    @Test
    void eachIsToTheBitWhatItIsAlone() throws IOException {
        Map<Path, TrainConfig> jobs = jobs(folder);
        Map<Path, TrainEvent.Finished> finished = new LinkedHashMap<>();
        long start = System.nanoTime();
        assertEquals(List.of(), TrainRuns.trainAll(jobs, TrainRuns.rows(), event -> {
            if (event instanceof TrainEvent.Finished end) {
                finished.put(end.sae(), end);
            }
        }));
        double wall = (System.nanoTime() - start) / 1e9;
        assertEquals(jobs.keySet(), finished.keySet());
        double charged = finished.values().stream()
                .mapToDouble(TrainEvent.Finished::seconds)
                .sum();
        assertTrue(charged > 0.5 * wall && charged <= wall, charged + " of " + wall + " s");
        assertEachIsAsAlone(jobs);
    }

    /** Interrupted in the first reading or, with a step that only the last configuration reaches, in the last one. */
    @ParameterizedTest(name = "interrupted after step {0}, checkpoints every {1} s")
    @CsvSource({"1, 1e-9", "20, 1e-9", "26, 1e-9", "60, 1e-9", "31, 1000", "80, 1e-9"})
    void interruptedTheyEndWithTheSameBits(long step, double seconds) throws IOException {
        Map<Path, TrainConfig> jobs = jobs(folder, "checkpoint_seconds=" + seconds);
        assertThrows(
                TrainRuns.Interruption.class,
                () -> TrainRuns.trainAll(jobs, TrainRuns.rows(), TrainRuns.interruption(step)));
        TrainRuns.trainAll(jobs, TrainRuns.rows(), event -> {});
        assertEachIsAsAlone(jobs);
    }

    /** As a kill between two checkpoints of one round leaves them, or a list to which a configuration was added. */
    @Test
    void thoseAtDifferentStepsAreCaughtUp() throws IOException {
        Map<Path, TrainConfig> jobs = jobs(folder, "checkpoint_seconds=1e-9");
        List<Path> folders = List.copyOf(jobs.keySet());
        Function<Integer, TrainConfig> config = i -> java.util.Objects.requireNonNull(jobs.get(folders.get(i)));
        TrainRuns.interruptAfter(folders.get(0), config.apply(0), 40);
        TrainRuns.train(folders.get(1), TrainRuns.rows(), config.apply(1), event -> {});
        TrainRuns.interruptAfter(folders.get(2), config.apply(2), 7);
        List<TrainEvent> events = new ArrayList<>();
        TrainRuns.trainAll(jobs, TrainRuns.rows(), events::add);
        assertEquals(new TrainEvent.Complete(folders.get(1)), events.getFirst());
        Map<Path, Long> begun = events.stream()
                .filter(TrainEvent.Started.class::isInstance)
                .map(TrainEvent.Started.class::cast)
                .collect(Collectors.toMap(TrainEvent.Started::sae, TrainEvent.Started::from));
        assertEquals(
                Map.of(
                        folders.get(0),
                        39L,
                        folders.get(2),
                        6L,
                        folders.get(3),
                        0L,
                        folders.get(4),
                        0L,
                        folders.get(5),
                        0L),
                begun);
        assertEachIsAsAlone(jobs);
    }

    @Test
    void theRowsAreReadOnceForAllThatCanShare() {
        Map<Path, TrainConfig> jobs = new LinkedHashMap<>();
        for (int k = 1; k <= 4; k++) {
            jobs.put(folder.resolve("k-" + k), TrainRuns.config("k=" + k));
        }
        AtomicLong together = new AtomicLong();
        TrainRuns.trainAll(jobs, counted(together), event -> {});
        long needed = (TrainRuns.STEPS + 3) * 101L;
        long ahead = 2 * 101;
        assertTrue(together.get() >= needed && together.get() <= needed + ahead, together + " rows read");
    }

    private static RowSource counted(AtomicLong read) {
        RowSource rows = TrainRuns.rows();
        return new RowSource() {
            @Override
            public long rows() {
                return rows.rows();
            }

            @Override
            public int width() {
                return rows.width();
            }

            @Override
            public void read(long from, int count, Matrix out, int at) {
                read.addAndGet(count);
                rows.read(from, count, out, at);
            }

            @Override
            public boolean inMemory() {
                return true;
            }

            @Override
            public String name() {
                return rows.name();
            }
        };
    }

    @Test
    void rowsInFileOrderAreSharedAcrossSeeds() {
        SharedReading.Key first = SharedReading.Key.of(TrainRuns.config("input.shuffle=false", "seed=1"));
        assertEquals(first, SharedReading.Key.of(TrainRuns.config("input.shuffle=false", "seed=2", "k=1")));
        assertFalse(first.equals(SharedReading.Key.of(TrainRuns.config("seed=1"))));
    }

    @Test
    void oneThatDivergesIsGivenUpAndTheOthersGoOn() throws IOException {
        Map<Path, TrainConfig> jobs = new LinkedHashMap<>();
        jobs.put(folder.resolve("wild"), TrainRuns.config("lr=1e20"));
        jobs.put(folder.resolve("tame"), TrainRuns.config());
        List<TrainEvent> events = new ArrayList<>();
        List<BadInput> reasons = TrainRuns.trainAll(jobs, TrainRuns.rows(), events::add);
        assertEquals(1, reasons.size());
        assertTrue(events.contains(new TrainEvent.Diverged(folder.resolve("wild"), reasons.getFirst())));
        assertTrue(String.valueOf(reasons.getFirst().getMessage()).startsWith(folder.resolve("wild") + ": "));
        assertFalse(TrainRun.isComplete(folder.resolve("wild")));
        TrainRuns.assertSameSae(alone.resolve("sae-0"), folder.resolve("tame"));
    }

    @Test
    void anotherRunInOneOfTheFoldersIsRefusedBeforeARecordIsWritten() throws IOException {
        Path second = folder.resolve("sae-1");
        TrainRuns.train(second, TrainRuns.rows(), TrainRuns.config("k=5"), event -> {});
        byte[] before = Files.readAllBytes(second.resolve(RunRecord.FILE));
        Consumer<TrainEvent> none = event -> {};
        BadInput refusal = assertThrows(BadInput.class, () -> TrainRuns.trainAll(jobs(folder), TrainRuns.rows(), none));
        assertTrue(String.valueOf(refusal.getMessage()).startsWith(second + ": holds a run with k = 5"));
        assertEquals(List.of(), TrainRuns.files(folder.resolve("sae-0")));
        assertArrayEquals(before, Files.readAllBytes(second.resolve(RunRecord.FILE)));
    }

    /** As many SAEs of 0.75 GB as the heap holds, and one more; each is 8 · 4 bytes · 10⁶ latents · width 24. */
    @Test
    void moreThanTheHeapHoldsIsRefusedWithBothNumbers() throws IOException {
        long heap = Runtime.getRuntime().maxMemory();
        long each = 8 * 4 * 1_000_000L * TrainRuns.WIDTH;
        Map<Path, TrainConfig> jobs = new LinkedHashMap<>();
        for (long i = 0; i <= heap / each; i++) {
            jobs.put(folder.resolve("k-" + (i + 1)), TrainRuns.config("latents=1000000", "k=" + (i + 1)));
        }
        BadInput refusal = assertThrows(BadInput.class, () -> TrainRuns.trainAll(jobs, TrainRuns.rows(), event -> {}));
        String message = String.valueOf(refusal.getMessage()).replace(",", "");
        assertTrue(message.contains(" " + ((jobs.size() * each) >> 20) + " MB for weights"), message);
        assertTrue(message.contains("at most " + (heap >> 20) + " MB"), message);
        assertEquals(List.of(), TrainRuns.files(folder));
    }
}
