package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.MatrixRows;
import org.loupe.io.Provenance;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;

/** Training with {@code precision: fast} in a process that is killed twice ends with the bits of an undisturbed f32 run. */
class FastKillTest {
    private static final int WIDTH = 48;
    private static final int STEPS = 400;
    private static final int BATCH = 200;

    @TempDir
    Path folder;

    /** The child: trains in the folder that it is given, says with which arithmetic, and tells of every checkpoint. */
    public static void main(String[] args) {
        train(Path.of(args[0]), Precision.FAST, event -> {
            if (event instanceof TrainEvent.Started started) {
                System.out.println(started.arithmetic());
            } else if (event instanceof TrainEvent.Saved saved) {
                System.out.println("saved " + saved.step());
            }
        });
    }

    /** 1,100 latents are two slices of the product, the second one narrower, and many of them die. */
    private static void train(Path out, Precision precision, Consumer<TrainEvent> listener) {
        TrainConfig config = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of(
                        "precision=" + precision,
                        "latents=1100",
                        "k=6",
                        "batch=" + BATCH,
                        "tokens=" + STEPS * BATCH,
                        "lr=3e-3",
                        "auxk.dead_after=" + 5 * BATCH,
                        "threads=2",
                        "checkpoint_seconds=0.05"));
        Random random = new Random(5);
        Matrix rows = Matrix.zeros(5000, WIDTH);
        for (int r = 0; r < rows.rows(); r++) {
            int cause = random.nextInt(7);
            for (int c = 0; c < WIDTH; c++) {
                rows.data()[r * WIDTH + c] = (float) (random.nextGaussian() + (c % 7 == cause ? 4 : 0) + 1);
            }
        }
        TrainRun.train(
                out, new MatrixRows(rows), config, Provenance.here("toy", "00ff", "made up", "", 0), "", "", listener);
    }

    private static Process child(Path out) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElseThrow());
        command.addAll(List.of("--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
        command.addAll(List.of("-Xmx512m", "-cp"));
        command.add(System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
        command.addAll(List.of(FastKillTest.class.getName(), out.toString()));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    @Test
    @Timeout(120)
    void endsWithTheBitsOfAnUndisturbedRunInF32() throws IOException, InterruptedException {
        Path killed = folder.resolve("killed");
        for (int kill = 0; kill < 2; kill++) {
            Process process = child(killed);
            try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
                String arithmetic = String.valueOf(out.readLine());
                String saved = String.valueOf(out.readLine());
                process.destroyForcibly();
                int code = process.waitFor();
                assumeFalse(arithmetic.contains("f32 product: "), arithmetic);
                assertTrue(arithmetic.contains("oneDNN"), arithmetic);
                assertTrue(saved.startsWith("saved "), saved);
                assertEquals(128 + 9, code, "the child was over before it was killed");
            }
        }
        Process process = child(killed);
        process.inputReader(StandardCharsets.UTF_8).lines().forEach(line -> {});
        assertEquals(0, process.waitFor());

        Path undisturbed = folder.resolve("undisturbed");
        int[] dead = new int[1];
        train(undisturbed, Precision.F32, event -> {
            if (event instanceof TrainEvent.Stepped stepped) {
                dead[0] += stepped.stats().dead();
            }
        });
        assertTrue(dead[0] > 0, "no latent died");
        assertArrayEquals(
                Files.readAllBytes(undisturbed.resolve(SaeFolder.WEIGHTS)),
                Files.readAllBytes(killed.resolve(SaeFolder.WEIGHTS)));
    }
}
