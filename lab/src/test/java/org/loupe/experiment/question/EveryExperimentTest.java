package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.ExperimentRun;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;
import org.loupe.io.Json;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelStore;
import tools.jackson.databind.JsonNode;

/** Runs every experiment at its small size on the real model, in the folder {@code loupe.experiments}, and checks what it writes. */
@EnabledIfSystemProperty(named = "loupe.experiments", matches = ".+")
final class EveryExperimentTest {
    private static final int THREADS = Runtime.getRuntime().availableProcessors();

    private static final Laboratory.Listener TO_LOG = new Laboratory.Listener() {
        @Override
        public void at(String stage, String unit, long done, long total) {}

        @Override
        public void done(Trial trial) {
            System.out.printf("  %s, %s: %.1f s%n", trial.part(), trial.variant(), trial.seconds());
        }
    };

    static Stream<String> names() {
        return Experiments.ALL.stream().map(Experiment::name);
    }

    @ParameterizedTest
    @MethodSource("names")
    void itsFilesAreCompleteAndAgree(String name) throws Exception {
        Experiment experiment = Experiments.named(name);
        Path root = Path.of(System.getProperty("loupe.experiments"));
        Path folder = root.resolve(name);
        long start = System.nanoTime();
        ExperimentRun.run(
                experiment,
                new Scale(true, 1),
                folder,
                root.resolve("stores"),
                "loupe experiment " + name + " --small",
                THREADS,
                precision -> LanguageModel.load(
                        ModelStore.ofUser().findOrGet("smollm2", (a, b, c) -> {}), precision, THREADS),
                TO_LOG);
        System.out.printf("%s took %.0f s%n", name, (System.nanoTime() - start) / 1e9);

        JsonNode results = Json.tree(folder.resolve("results.json"));
        String page = Files.readString(folder.resolve("report.html"));
        assertEquals(name, results.path("experiment").asString());
        assertTrue(results.path("verdict").asString().length() > 40, "a verdict");
        assertFalse(results.path("would_change").asString().isBlank());
        assertTrue(page.contains("<h1>"));
        summariesAreThoseOfTheTable(results, Files.readAllLines(folder.resolve("table.csv")));
        everyQuantityIsMeasured(experiment, results);
        assertTrue(results.path("figures").size() >= 2, "figures");
        for (JsonNode figure : results.path("figures")) {
            Path svg = folder.resolve(figure.path("file").asString());
            DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(svg.toFile());
            String message = figure.path("message").asString();
            assertFalse(message.contains("–") || message.contains("NaN"), "a message without its number: " + message);
        }
        assertFalse(results.path("verdict").asString().contains("NaN"));
    }

    /** The means of results.json against those of the lines of table.csv. */
    private static void summariesAreThoseOfTheTable(JsonNode results, List<String> lines) {
        Map<String, List<Double>> values = new LinkedHashMap<>();
        for (String line : lines.subList(1, lines.size())) {
            List<String> cells = cells(line);
            assertEquals(6, cells.size(), line);
            if (cells.get(4).isEmpty()) {
                double value = Double.parseDouble(cells.get(5));
                if (Double.isFinite(value)) {
                    values.computeIfAbsent(
                                    cells.get(0) + "|" + cells.get(1) + "|" + cells.get(3), _ -> new ArrayList<>())
                            .add(value);
                }
            }
        }
        assertFalse(values.isEmpty());
        assertEquals(values.size(), results.path("summary").size());
        for (JsonNode summary : results.path("summary")) {
            String key = summary.path("part").asString() + "|"
                    + summary.path("variant").asString() + "|"
                    + summary.path("quantity").asString();
            List<Double> own = values.getOrDefault(key, List.of());
            double mean = own.stream().mapToDouble(v -> v).average().orElse(Double.NaN);
            assertAll(
                    key,
                    () -> assertEquals(own.size(), summary.path("seeds").asInt()),
                    () -> assertEquals(mean, summary.path("mean").asDouble(), 1e-9 * (1 + Math.abs(mean))),
                    () -> assertTrue(summary.path("low").asDouble()
                            <= summary.path("high").asDouble()));
        }
    }

    private static void everyQuantityIsMeasured(Experiment experiment, JsonNode results) {
        Set<String> measured = new HashSet<>();
        results.path("summary").forEach(s -> measured.add(s.path("quantity").asString()));
        for (Quantity quantity : experiment.quantities()) {
            assertTrue(measured.contains(quantity.key()), "nothing measures " + quantity.key());
        }
    }

    /** Cells of a line; quoted ones may hold commas. */
    private static List<String> cells(String line) {
        List<String> cells = new ArrayList<>();
        StringBuilder cell = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '"') {
                quoted = !quoted;
            } else if (c == ',' && !quoted) {
                cells.add(cell.toString());
                cell.setLength(0);
            } else {
                cell.append(c);
            }
        }
        cells.add(cell.toString());
        return cells;
    }
}
