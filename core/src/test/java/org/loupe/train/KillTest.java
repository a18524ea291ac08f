package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Safetensors;
import org.loupe.sae.SaeFolder;

/** A training process killed with SIGKILL at random moments, until one is left to finish. */
class KillTest {
    private static final int KILLS = 4;

    @TempDir
    Path folder;

    private static TrainConfig config() {
        return TrainRuns.config("tokens=" + 2000 * 101, "checkpoint_seconds=0.02");
    }

    /** The child: trains in the folder that it is given and tells of every checkpoint. */
    public static void main(String[] args) {
        TrainRuns.train(Path.of(args[0]), TrainRuns.rows(), config(), event -> {
            if (event instanceof TrainEvent.Saved saved) {
                System.out.println("saved " + saved.step());
            }
        });
    }

    private static Process child(Path out) throws IOException {
        String java = ProcessHandle.current().info().command().orElseThrow();
        return new ProcessBuilder(
                        java,
                        "--add-modules",
                        "jdk.incubator.vector",
                        "-Xmx256m",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        KillTest.class.getName(),
                        out.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    @Test
    @Timeout(120)
    void aRunKilledManyTimesEndsWithTheBitsOfAnUndisturbedOne() throws IOException, InterruptedException {
        Path killed = folder.resolve("killed");
        Random random = new Random();
        long last = 0;
        for (int i = 0; i < KILLS; i++) {
            Process process = child(killed);
            try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
                @Nullable String line = out.readLine();
                assertNotNull(line, "the child ended before its first checkpoint");
                assertRefused(killed);
                Thread.sleep(0, random.nextInt(1_000_000));
                Thread.sleep(random.nextInt(60));
                process.destroyForcibly();
                assertEquals(128 + 9, process.waitFor(), "the child was over before it was killed");
                long saved = Long.parseLong(line.substring("saved ".length()));
                assertTrue(saved > last, "each life goes on where the last one was: " + last + ", then " + saved);
                last = saved;
            }
            assertNothingIsHalfWritten(killed);
        }
        Process process = child(killed);
        process.inputReader(StandardCharsets.UTF_8).lines().forEach(line -> {});
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue());

        Path undisturbed = folder.resolve("undisturbed");
        TrainRuns.train(undisturbed, TrainRuns.rows(), config(), event -> {});
        for (String name : List.of(SaeFolder.WEIGHTS, SaeFolder.CONFIG, SaeFolder.INFO, RunRecord.FILE)) {
            assertArrayEquals(
                    Files.readAllBytes(undisturbed.resolve(name)), Files.readAllBytes(killed.resolve(name)), name);
        }
        assertEquals(TrainRuns.files(undisturbed), TrainRuns.files(killed));
        assertEquals(
                TrainRuns.log(undisturbed).stream()
                        .map(line -> line.path("step"))
                        .toList(),
                TrainRuns.log(killed).stream().map(line -> line.path("step")).toList());
    }

    /** Two processes in one folder would write each other's files: while the child trains nobody else may, or start over. */
    private static void assertRefused(Path busy) throws IOException {
        byte[] before = Files.readAllBytes(busy.resolve(RunRecord.FILE));
        List<Executable> attempts = List.of(
                () -> TrainRuns.train(busy, TrainRuns.rows(), config(), event -> {}), () -> TrainRun.clear(busy));
        for (Executable attempt : attempts) {
            BadInput refusal = assertThrows(BadInput.class, attempt);
            assertEquals(
                    busy + ": another process is writing there: wait for it to end, or choose another folder",
                    refusal.getMessage());
        }
        assertArrayEquals(before, Files.readAllBytes(busy.resolve(RunRecord.FILE)));
    }

    /** Every file is whole, but for the one that was being written aside and the last line of the log. */
    private static void assertNothingIsHalfWritten(Path run) throws IOException {
        Json.tree(run.resolve(RunRecord.FILE));
        try (Safetensors checkpoint = Safetensors.open(run.resolve(Checkpoint.FILE))) {
            assertNotNull(checkpoint.metadata().get("step"));
        }
        assertTrue(!Files.exists(run.resolve(SaeFolder.INFO)));
    }
}
