package org.loupe.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.RowSource;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
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

    /** The steps that steps.jsonl lists, in order. */
    static List<JsonNode> log(Path folder) throws IOException {
        return Files.readAllLines(folder.resolve(StepLog.FILE)).stream()
                .map(Json.MAPPER::readTree)
                .toList();
    }

    static List<String> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }
}
