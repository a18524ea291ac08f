package org.loupe.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

/**
 * How a training run ended, as its {@code steps.jsonl} has it, so the same for a run that was interrupted or made long ago. Means
 * over the last {@value #LAST} tracked steps, on the batches that they trained on.
 *
 * @param loss mean loss
 * @param fvu mean fraction of variance unexplained
 * @param l0 mean number of active latents of a row
 * @param dead dead latents at the last tracked step
 */
public record ClosingFigures(double loss, double fvu, double l0, int dead) {
    private static final int LAST = 20;

    /** The figures of the run in a folder; NaN, and no dead latents, where nothing is tracked there. */
    public static ClosingFigures read(Path run) {
        Path file = run.resolve(StepLog.FILE);
        if (!Files.exists(file)) {
            return new ClosingFigures(Double.NaN, Double.NaN, Double.NaN, 0);
        }
        try (Stream<String> lines = Files.lines(file)) {
            List<String> all = lines.toList();
            List<JsonNode> last = all.subList(Math.max(0, all.size() - LAST), all.size()).stream()
                    .map(Json.MAPPER::readTree)
                    .toList();
            return new ClosingFigures(
                    mean(last, "loss"),
                    mean(last, "fvu"),
                    mean(last, "l0"),
                    last.isEmpty() ? 0 : last.getLast().path("dead").asInt());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    private static double mean(List<JsonNode> lines, String key) {
        return lines.stream()
                .mapToDouble(line -> line.path(key).asDouble())
                .average()
                .orElse(Double.NaN);
    }
}
