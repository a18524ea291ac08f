package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.PairedRows;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class TrainRunTest {
    @TempDir
    static Path undisturbed;

    @TempDir
    Path folder;

    @BeforeAll
    static void trainOnce() {
        TrainRuns.train(undisturbed, TrainRuns.rows(), TrainRuns.config(), event -> {});
    }

    @Test
    void aRunLearnsAndTellsHow() throws IOException {
        List<JsonNode> log = TrainRuns.log(undisturbed);
        JsonNode first = log.getFirst();
        JsonNode last = log.getLast();
        assertTrue(last.path("fvu").asDouble() < 0.8 * first.path("fvu").asDouble(), first + " … " + last);
        assertTrue(log.stream().anyMatch(line -> line.path("dead").asInt() > 0), "AuxK took no part");
        assertEquals(6, last.path("l0").asDouble());
        assertEquals(TrainRuns.STEPS * 101, last.path("tokens").asLong());
        assertEquals(
                List.of("cfg.json", "loupe.json", "run.json", "sae_weights.safetensors", "steps.jsonl"),
                TrainRuns.files(undisturbed));
        SaeFolder.Loaded loaded = SaeFolder.load(undisturbed);
        assertEquals(TrainRuns.HOOK, loaded.info().hookIn());
        assertEquals(150, loaded.info().training().get("latents"));
        assertEquals(TrainRuns.STEPS * 101, loaded.info().metrics().get("tokens"));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void theThreadsDoNotChangeABit(int threads) throws IOException {
        TrainRuns.train(folder, TrainRuns.rows(), TrainRuns.config("threads=" + threads), event -> {});
        TrainRuns.assertSameSae(undisturbed, folder);
    }

    /** A checkpoint after every step, or none before the interruption. */
    @ParameterizedTest(name = "interrupted after step {0}, checkpoints every {1} s")
    @CsvSource({"1, 1e-9", "2, 1e-9", "31, 1e-9", "59, 1e-9", "60, 1e-9", "17, 1000"})
    void anInterruptedRunEndsWithTheSameBits(long step, double seconds) throws IOException {
        TrainConfig config = TrainRuns.config("checkpoint_seconds=" + seconds);
        TrainRuns.interruptAfter(folder, config, step);
        List<TrainEvent> events = new ArrayList<>();
        TrainRuns.train(folder, TrainRuns.rows(), config, events::add);
        TrainEvent.Started started = assertInstanceOf(TrainEvent.Started.class, events.getFirst());
        assertEquals(seconds > 1 ? 0 : step - 1, started.from(), "the interrupted step has no checkpoint yet");
        TrainRuns.assertSameSae(undisturbed, folder);
        assertEquals(TrainRuns.files(undisturbed), TrainRuns.files(folder));
        assertEquals(withoutRate(TrainRuns.log(undisturbed)), withoutRate(TrainRuns.log(folder)));
        assertArrayEquals(
                LongStream.rangeClosed(1, TrainRuns.STEPS).toArray(),
                TrainRuns.log(folder).stream()
                        .mapToLong(line -> line.path("step").asLong())
                        .toArray());
    }

    @ParameterizedTest
    @EnumSource(Architecture.class)
    void anInterruptedRunOfEveryArchitectureEndsWithTheSameBits(Architecture architecture) throws IOException {
        assertInterruptionChangesNothing("architecture=" + architecture);
    }

    @Test
    void anInterruptedRunWithAScoreOfRowsEndsWithTheSameBits() throws IOException {
        assertInterruptionChangesNothing("cosine=true");
    }

    @Test
    void anInterruptedRunOfLassoCodesEndsWithTheSameBits() throws IOException {
        assertInterruptionChangesNothing("architecture=dictionary_learning", "arch.dictionary.coding=lasso", "l0=6");
    }

    private void assertInterruptionChangesNothing(String... keys) throws IOException {
        TrainConfig set = ConfigReader.read(TrainRuns.config(), null, List.of(keys));
        Path whole = folder.resolve("whole");
        TrainRuns.train(whole, TrainRuns.rows(), with(set, "threads=3"), event -> {});
        Path interrupted = folder.resolve("interrupted");
        TrainRuns.interruptAfter(interrupted, with(set, "threads=1", "checkpoint_seconds=1e-9"), 31);
        TrainRuns.train(interrupted, TrainRuns.rows(), set, event -> {});
        TrainRuns.assertSameSae(whole, interrupted);
    }

    /** Latents die, some begin anew, biases are lifted; maps are read back from the checkpoint. */
    @ParameterizedTest
    @EnumSource(Architecture.class)
    void anInterruptedRunThatRevivesLatentsEndsWithTheSameBits(Architecture architecture) throws IOException {
        boolean tied = architecture.tied();
        List<String> set = List.of(
                "architecture=" + architecture,
                "l1=3",
                "resample.every=" + (architecture.classic() ? 0 : 0.1),
                "resample.until=1",
                "input.centre_rows=true",
                "input.whiten=" + (tied ? "none" : "full"),
                "revive.bias=" + (tied ? 0 : 1),
                "arch.jump.preactivation=0.01");
        Path whole = folder.resolve("whole");
        TrainRuns.train(whole, TrainRuns.rows(), with(set, "threads=3"), event -> {});
        Path interrupted = folder.resolve("interrupted");
        TrainRuns.interruptAfter(interrupted, with(set, "threads=1", "checkpoint_seconds=1e-9"), 31);
        TrainRuns.train(interrupted, TrainRuns.rows(), with(set), event -> {});
        TrainRuns.assertSameSae(whole, interrupted);
    }

    /** A crosscoder's hook points get a scale each unless one is asked for; the checkpoint has them to the bit. */
    @Test
    void aSourceOfSeveralPartsHasAScaleForEach() {
        RowSource parts = new RowSource() {
            private final RowSource whole = TrainRuns.rows();

            @Override
            public long rows() {
                return whole.rows();
            }

            @Override
            public int width() {
                return whole.width();
            }

            @Override
            public List<Integer> parts() {
                return List.of(4, 20);
            }

            @Override
            public void read(long from, int count, Matrix out, int at) {
                whole.read(from, count, out, at);
                for (int r = at; r < at + count; r++) {
                    for (int c = 0; c < 4; c++) {
                        out.data()[out.offset(r) + c] *= 16;
                    }
                }
            }
        };
        double[] factor = mapOf(parts, "one").factor();
        assertTrue(factor[0] == factor[3] && factor[4] == factor[23], Arrays.toString(factor));
        assertEquals(16, factor[4] / factor[0], 2);
        assertTrue(mapOf(parts, "two", "input.whiten=none").isScalar());
    }

    private RowMap mapOf(RowSource rows, String name, String... more) {
        Path out = folder.resolve(name);
        List<String> set = List.of("checkpoint_seconds=1e-9");
        assertThrows(
                TrainRuns.Interruption.class,
                () -> TrainRuns.train(out, rows, with(set, more), TrainRuns.interruption(3)));
        return Checkpoint.read(out.resolve(Checkpoint.FILE))
                .statistics()
                .inputs()
                .map();
    }

    private static TrainConfig with(List<String> set, String... more) {
        return TrainRuns.config(Stream.concat(set.stream(), Stream.of(more)).toArray(String[]::new));
    }

    private static TrainConfig with(TrainConfig config, String... keys) {
        return ConfigReader.read(config, null, List.of(keys));
    }

    @Test
    void aTiedDictionaryAsTranscoderIsRefusedByName() {
        RowSource pairs = new PairedRows(TrainRuns.rows(), TrainRuns.rows());
        for (String name : List.of("vq", "residual_vq", "dictionary_learning", "matching_pursuit")) {
            BadInput refusal = assertThrows(
                    BadInput.class,
                    () -> TrainRuns.train(folder, pairs, TrainRuns.config("architecture=" + name), event -> {}));
            assertTrue(String.valueOf(refusal.getMessage()).contains(name), refusal.getMessage());
        }
    }

    @Test
    void sumsOfProductsBeyondOneArrayAreRefusedWithTheirBytes() throws IOException {
        BadInput refusal = assertThrows(
                BadInput.class,
                () -> TrainRuns.train(
                        folder,
                        TrainRuns.rows(),
                        TrainRuns.config("architecture=dictionary_learning", "latents=60000"),
                        event -> {}));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains("60000") && message.contains("14,400,000,000 bytes"), message);
        assertTrue(message.contains("at most 46340 latents"), message);
        assertEquals(List.of(), TrainRuns.files(folder));
    }

    private static List<JsonNode> withoutRate(List<JsonNode> log) {
        log.forEach(line -> ((ObjectNode) line).remove("tokens_per_second"));
        return log;
    }

    @Test
    void aRunInterruptedTwiceAndWithAHalfWrittenLineEndsWithTheSameBits() throws IOException {
        TrainConfig config = TrainRuns.config("checkpoint_seconds=1e-9");
        TrainRuns.interruptAfter(folder, config, 12);
        Files.writeString(folder.resolve(StepLog.FILE), "{\"step\":13,\"tok", java.nio.file.StandardOpenOption.APPEND);
        TrainRuns.interruptAfter(folder, TrainRuns.config("checkpoint_seconds=1e-9", "threads=1"), 40);
        TrainRuns.train(folder, TrainRuns.rows(), config, event -> {});
        TrainRuns.assertSameSae(undisturbed, folder);
        assertEquals(TrainRuns.STEPS, TrainRuns.log(folder).size());
    }

    @Test
    void aCompleteRunSaysSoAndChangesNothing() throws IOException {
        TrainRuns.train(folder, TrainRuns.rows(), TrainRuns.config(), event -> {});
        byte[] info = Files.readAllBytes(folder.resolve(SaeFolder.INFO));
        Files.writeString(folder.resolve(Checkpoint.FILE), "left by a process that was killed before deleting it");
        List<TrainEvent> events = new ArrayList<>();
        TrainRuns.train(folder, TrainRuns.rows(), TrainRuns.config("threads=1"), events::add);
        assertEquals(List.of(new TrainEvent.Complete(folder)), events);
        assertArrayEquals(info, Files.readAllBytes(folder.resolve(SaeFolder.INFO)));
        assertEquals(TrainRuns.files(undisturbed), TrainRuns.files(folder));
    }

    @Test
    void anSaeOfUnknownMakingIsNotTakenForTheRun() throws IOException {
        Files.writeString(folder.resolve(SaeFolder.INFO), "{}");
        BadInput refusal = assertThrows(
                BadInput.class, () -> TrainRuns.train(folder, TrainRuns.rows(), TrainRuns.config(), event -> {}));
        assertEquals(folder + ": holds loupe.json without run.json: choose another folder", refusal.getMessage());
        assertEquals(List.of(SaeFolder.INFO), TrainRuns.files(folder));
    }

    @ParameterizedTest
    @CsvSource({"seed=1, seed", "k=5, k", "optimizer.clip=0.5, optimizer.clip", "input.shuffle=false, input.shuffle"})
    void anotherConfigurationIsRefusedWithTheKey(String pair, String key) throws IOException {
        TrainRuns.interruptAfter(folder, TrainRuns.config(), 3);
        byte[] before = Files.readAllBytes(folder.resolve(RunRecord.FILE));
        BadInput refusal = assertThrows(
                BadInput.class, () -> TrainRuns.train(folder, TrainRuns.rows(), TrainRuns.config(pair), event -> {}));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains(folder.toString()) && message.contains(" " + key + " = "), message);
        assertTrue(message.endsWith("--fresh"), message);
        assertArrayEquals(before, Files.readAllBytes(folder.resolve(RunRecord.FILE)));
    }

    @Test
    void otherDataIsRefusedWithBothSizes() {
        TrainRuns.interruptAfter(folder, TrainRuns.config(), 3);
        assertRefused("width of the data = 24, this one has 25", new MatrixRows(Matrix.zeros(1000, 25)), "toy");
        assertRefused("rows of the data = 1000, this one has 999", new MatrixRows(Matrix.zeros(999, 24)), "toy");
        assertRefused("model = toy, this one has other", TrainRuns.rows(), "other");
        assertRefused("seed of the text's order = 0, this one has 1", TrainRuns.rows(), "toy", 1, TrainRuns.HOOK);
        assertRefused(
                "written = " + TrainRuns.HOOK + ", this one has blocks.1.hook_mlp_out",
                TrainRuns.rows(),
                "toy",
                0,
                "blocks.1.hook_mlp_out");
    }

    private void assertRefused(String words, RowSource rows, String model) {
        assertRefused(words, rows, model, 0, TrainRuns.HOOK);
    }

    private void assertRefused(String words, RowSource rows, String model, long seed, String hookOut) {
        Provenance provenance = Provenance.here(model, "00ff", "made up", TrainRuns.HOOK, seed);
        BadInput refusal = assertThrows(
                BadInput.class,
                () -> TrainRun.train(
                        folder, rows, TrainRuns.config(), provenance, TrainRuns.HOOK, hookOut, event -> {}));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains(words), message);
    }

    @Test
    void rowsThatAreNotFiniteAreRefusedByRowAndColumn() {
        for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            Matrix rows = Matrix.zeros(1000, TrainRuns.WIDTH);
            TrainRuns.rows().read(0, 1000, rows, 0);
            rows.data()[777 * TrainRuns.WIDTH + 3] = value;
            Path out = folder.resolve("run" + value);
            BadInput refusal = assertThrows(
                    BadInput.class, () -> TrainRuns.train(out, new MatrixRows(rows), TrainRuns.config(), event -> {}));
            String message = String.valueOf(refusal.getMessage());
            assertTrue(message.contains("row 777, column 3 is " + value), message);
            assertThrows(BadInput.class, () -> SaeFolder.load(out));
        }
    }

    @Test
    void aLogThatCannotBeWrittenIsNamedWithItsFolder() {
        StepLog log = new StepLog(folder, 0);
        log.close();
        UncheckedIOException failure = assertThrows(UncheckedIOException.class, () -> log.add(1, 1, Map.of()));
        assertTrue(
                String.valueOf(failure.getMessage()).startsWith("cannot write " + folder.resolve(StepLog.FILE)),
                failure.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"1e5", "1e10", "1e20", "1e38"})
    void aRunThatDivergesSaysSoAndLeavesNoSae(String lr) {
        BadInput refusal = assertThrows(
                BadInput.class,
                () -> TrainRuns.train(folder, TrainRuns.rows(), TrainRuns.config("lr=" + lr), event -> {}));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains("diverged") && message.contains("smaller lr"), message);
        assertThrows(BadInput.class, () -> SaeFolder.load(folder));
    }

    @Test
    void aDictionaryBeyondOneArrayIsRefusedBeforeAnythingIsWritten() throws IOException {
        BadInput refusal = assertThrows(
                BadInput.class,
                () -> TrainRuns.train(folder, TrainRuns.rows(), TrainRuns.config("latents=89478485"), event -> {}));
        assertTrue(String.valueOf(refusal.getMessage()).contains("at most 89478484"), refusal.getMessage());
        assertEquals(List.of(), TrainRuns.files(folder));
    }

    /** That of another run, or with an array cut short. */
    @Test
    void aCheckpointThatDoesNotFitIsRefusedByName() {
        TrainConfig config = TrainRuns.config("checkpoint_seconds=1e-9");
        TrainRuns.interruptAfter(folder, config, 9);
        Path file = folder.resolve(Checkpoint.FILE);
        TrainState whole = Checkpoint.read(file);
        Map<String, float[]> arrays = new LinkedHashMap<>(whole.arrays());
        arrays.remove("encoder.first");
        refused(with(whole, arrays, whole.control(), whole.lastFired()), "'encoder.first' has 0 values, expected 3600");
        refused(
                with(whole, whole.arrays(), Arrays.copyOf(whole.control(), 4), whole.lastFired()),
                "'control' has 4 values, expected 5");
        for (int latents : new int[] {149, 151}) {
            refused(
                    with(whole, whole.arrays(), whole.control(), Arrays.copyOf(whole.lastFired(), latents)),
                    "'last_fired' has " + latents + " values, expected 150");
        }
    }

    private static TrainState with(TrainState state, Map<String, float[]> arrays, double[] control, long[] lastFired) {
        return new TrainState(state.step(), state.statistics(), arrays, control, lastFired);
    }

    private void refused(TrainState state, String words) {
        Path file = folder.resolve(Checkpoint.FILE);
        Checkpoint.write(file, state);
        BadInput refusal = assertThrows(
                BadInput.class,
                () -> TrainRuns.train(
                        folder, TrainRuns.rows(), TrainRuns.config("checkpoint_seconds=1e-9"), event -> {}));
        assertEquals(file + ": " + words + " for this configuration", refusal.getMessage());
    }

    @Test
    void aDamagedCheckpointIsRefusedByName() throws IOException {
        TrainConfig config = TrainRuns.config("checkpoint_seconds=1e-9");
        TrainRuns.interruptAfter(folder, config, 9);
        Path file = folder.resolve(Checkpoint.FILE);
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(whole, whole.length - 100));
        BadInput refusal =
                assertThrows(BadInput.class, () -> TrainRuns.train(folder, TrainRuns.rows(), config, event -> {}));
        assertTrue(String.valueOf(refusal.getMessage()).contains(Checkpoint.FILE), refusal.getMessage());
    }
}
