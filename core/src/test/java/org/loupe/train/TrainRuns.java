package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import tools.jackson.databind.JsonNode;

/** One small run that tests start, interrupt and compare; some of its latents die, so that AuxK takes part. */
final class TrainRuns {
    static final int WIDTH = 24;
    static final int STEPS = 60;
    static final String HOOK = "blocks.1.hook_resid_post";

    private TrainRuns() {}

    static RowSource rows() {
        Random random = new Random(5);
        Matrix rows = Matrix.zeros(1000, WIDTH);
        for (int r = 0; r < rows.rows(); r++) {
            int cause = random.nextInt(5);
            for (int c = 0; c < WIDTH; c++) {
                rows.data()[r * WIDTH + c] = (float) (random.nextGaussian() + (c % 5 == cause ? 4 : 0) + 1);
            }
        }
        return new MatrixRows(rows);
    }

    static TrainConfig config(String... more) {
        TrainConfig base = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of(
                        "latents=150",
                        "k=6",
                        "batch=101",
                        "tokens=" + STEPS * 101,
                        "lr=3e-3",
                        "auxk.dead_after=202",
                        "input.sample=300",
                        "threads=2"));
        return ConfigReader.read(base, null, List.of(more));
    }

    static void train(Path out, RowSource rows, TrainConfig config, Consumer<TrainEvent> listener) {
        TrainRun.train(out, rows, config, Provenance.here("toy", "00ff", "made up", HOOK, 0), HOOK, HOOK, listener);
    }

    /** What a listener throws to end a run where it is. */
    static final class Interruption extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** Ends training when the first SAE of it has taken that step. */
    static void interruptAfter(Path out, TrainConfig config, long step) {
        assertThrows(Interruption.class, () -> train(out, rows(), config, interruption(step)));
    }

    static Consumer<TrainEvent> interruption(long step) {
        return event -> {
            if (event instanceof TrainEvent.Stepped stepped && stepped.stats().step() == step) {
                throw new Interruption();
            }
        };
    }

    static void assertSameSae(Path expected, Path actual) throws IOException {
        for (String name : List.of(SaeFolder.WEIGHTS, SaeFolder.CONFIG)) {
            assertArrayEquals(
                    Files.readAllBytes(expected.resolve(name)), Files.readAllBytes(actual.resolve(name)), name);
        }
    }

    /** The steps that steps.jsonl lists, in order. */
    static List<JsonNode> log(Path folder) throws IOException {
        return Files.readAllLines(folder.resolve(StepLog.FILE)).stream()
                .map(Json.MAPPER::readTree)
                .toList();
    }

    /** The files of a run but for those for TensorBoard, of which each start leaves one. */
    static List<String> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(name -> !name.contains("tfevents"))
                    .sorted()
                    .toList();
        }
    }

    /** Trains one job for each folder and configuration. */
    static List<BadInput> trainAll(Map<Path, TrainConfig> jobs, RowSource rows, Consumer<TrainEvent> listener) {
        return TrainRun.trainAll(
                jobs.entrySet().stream()
                        .map(job -> new TrainJob(job.getKey(), job.getValue()))
                        .toList(),
                rows,
                Provenance.here("toy", "00ff", "made up", HOOK, 0),
                HOOK,
                HOOK,
                null,
                listener);
    }
}
