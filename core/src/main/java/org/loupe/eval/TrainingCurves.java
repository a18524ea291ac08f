package org.loupe.eval;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * The tracking of a training run, read back from {@code steps.jsonl} and thinned for drawing.
 *
 * @param steps the lines kept, in order, each with a number under {@code tokens}
 */
record TrainingCurves(List<JsonNode> steps) {
    /** More points than pixels show nothing more. */
    private static final int POINTS = 400;

    static TrainingCurves read(Path file) {
        List<JsonNode> steps = new ArrayList<>();
        try {
            List<String> lines = Files.readAllLines(file);
            int every = (lines.size() + POINTS - 1) / POINTS;
            for (int i = 0; i < lines.size(); i++) {
                if (i % every == 0 || i == lines.size() - 1) {
                    steps.add(step(file, i + 1, lines.get(i)));
                }
            }
        } catch (IOException e) {
            throw new BadInput(file + ": cannot be read as UTF-8 text: " + e.getMessage(), e);
        }
        return new TrainingCurves(steps);
    }

    private static JsonNode step(Path file, int line, String text) {
        try {
            JsonNode step = Json.MAPPER.readTree(text);
            if (step.path("tokens").isNumber()) {
                return step;
            }
        } catch (JacksonException e) {
            throw new BadInput(file + ": line " + line + " is not JSON", e);
        }
        throw new BadInput(file + ": line " + line + " has no number 'tokens'");
    }

    /** Points {tokens, value} of the lines that have a number under this key. */
    List<double[]> points(String key) {
        return steps.stream()
                .filter(step -> step.path(key).isNumber())
                .map(step -> new double[] {
                    step.path("tokens").asDouble(), step.path(key).asDouble()
                })
                .toList();
    }
}
