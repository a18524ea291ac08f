package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.sae.SaeFolder;

/** A process that trains a sweep, killed with SIGKILL at random moments, until one is left to finish. */
class SweepKillTest {
    private static final int KILLS = 4;
    private static final int STEPS = 900;

    @TempDir
    Path folder;

    /** Three that share a reading, one of them shorter, and one with another seed. */
    private static Map<Path, TrainConfig> jobs(Path out) {
        Map<Path, TrainConfig> jobs = new LinkedHashMap<>();
        jobs.put(out.resolve("k-6"), config("k=6"));
        jobs.put(out.resolve("short"), config("k=3", "tokens=" + 300 * 101));
        jobs.put(out.resolve("batchtopk"), config("architecture=batchtopk"));
        jobs.put(out.resolve("seed-1"), config("seed=1"));
        return jobs;
    }

    private static TrainConfig config(String... pairs) {
        TrainConfig base = TrainRuns.config("tokens=" + STEPS * 101, "checkpoint_seconds=0.02");
        return ConfigReader.read(base, null, List.of(pairs));
    }

    /** The child: trains in the folder that it is given and tells of every checkpoint. */
    public static void main(String[] args) {
        TrainRuns.trainAll(jobs(Path.of(args[0])), TrainRuns.rows(), event -> {
            if (event instanceof TrainEvent.Saved saved) {
                System.out.println("saved " + saved.sae().getFileName() + " " + saved.step());
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
                        SweepKillTest.class.getName(),
                        out.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    @Test
    @Timeout(180)
    void aSweepKilledManyTimesEndsWithTheBitsOfUndisturbedRuns() throws IOException, InterruptedException {
        Path killed = folder.resolve("killed");
        Random random = new Random();
        for (int i = 0; i < KILLS; i++) {
            Process process = child(killed);
            try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
                assertNotNull(out.readLine(), "the child ended before its first checkpoint");
                Thread.sleep(random.nextInt(100), random.nextInt(1_000_000));
                process.destroyForcibly();
                assertEquals(128 + 9, process.waitFor(), "the child was over before it was killed");
            }
        }
        Process process = child(killed);
        process.inputReader(StandardCharsets.UTF_8).lines().forEach(line -> {});
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue());

        for (Map.Entry<Path, TrainConfig> job : jobs(killed).entrySet()) {
            Path alone = folder.resolve("alone-" + job.getKey().getFileName());
            TrainRuns.train(alone, TrainRuns.rows(), job.getValue(), event -> {});
            for (String name : List.of(SaeFolder.WEIGHTS, SaeFolder.CONFIG, SaeFolder.INFO, RunRecord.FILE)) {
                assertArrayEquals(
                        Files.readAllBytes(alone.resolve(name)),
                        Files.readAllBytes(job.getKey().resolve(name)),
                        name);
            }
            assertEquals(TrainRuns.files(alone), TrainRuns.files(job.getKey()));
            assertEquals(
                    TensorBoardFile.shown(alone).keySet(),
                    TensorBoardFile.shown(job.getKey()).keySet());
        }
    }
}
