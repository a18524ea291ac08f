package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Provenance;
import tools.jackson.databind.JsonNode;

class EvalReportTest {
    /** The keys that scripts rely on. */
    private static final List<String> CONTRACT = List.of(
            "l0",
            "fvu",
            "explained_variance",
            "mse",
            "cosine",
            "relative_bias",
            "dead_fraction",
            "ce_clean",
            "ce_spliced",
            "ce_zero",
            "ce_mean",
            "ce_recovered_zero",
            "ce_recovered_mean",
            "kl",
            "top1_agreement",
            "mmcs");

    private static Scores fvu(double fvu) {
        return Scores.NONE.with(Metric.FVU, fvu);
    }

    static EvalReport full() {
        Scores scores = Scores.NONE;
        for (Metric metric : Metric.values()) {
            scores = scores.with(metric, scores.values().size() + 0.5);
        }
        Map<String, Scores> baselines = new LinkedHashMap<>();
        baselines.put(Baselines.PCA, fvu(0.52).with(Metric.L0, 32));
        baselines.put(Baselines.RANDOM, fvu(0.74));
        baselines.put(Baselines.MEAN, fvu(1));
        return new EvalReport(
                Provenance.here("toy", "", "made up", "blocks.0.hook_resid_post", 1),
                new EvalReport.Subject(
                        "TopK, k = 32",
                        "blocks.0.hook_resid_post",
                        576,
                        4096,
                        32,
                        "blocks.0.hook_resid_post",
                        576,
                        false),
                new EvalReport.Window("the/store", 1000, 200_000, 700, 10, 800),
                scores,
                fvu(0.2),
                baselines,
                Map.of(),
                new EvalReport.Histograms(
                        new Histogram("frequency", -3, 0.1, new long[] {1, 2}),
                        new Histogram("activation", 0, 0.1, new long[] {3})));
    }

    @Test
    void jsonHasTheKeysOfTheContractAtItsTop() {
        JsonNode json = full().toJson();
        for (String key : CONTRACT) {
            assertTrue(json.path(key).isNumber(), key);
        }
        assertEquals(0.52, json.at("/baselines/pca/fvu").asDouble());
        assertEquals(1000, json.at("/window/rows").asLong());
    }

    @Test
    void whatWasNotMeasuredIsAbsent() {
        EvalReport report = full();
        EvalReport rowsOnly = new EvalReport(
                report.provenance(),
                report.sae(),
                report.window(),
                fvu(0.25),
                Scores.NONE,
                Map.of(),
                Map.of(),
                report.histograms());
        assertFalse(rowsOnly.toJson().has("ce_clean"));
        assertFalse(rowsOnly.table().contains("CE"), rowsOnly.table());
        assertTrue(Double.isNaN(rowsOnly.value(Metric.KL)));
    }

    @Test
    void fileAndBack(@TempDir Path folder) {
        Path file = folder.resolve("eval.json");
        EvalReport report = full();
        report.write(file);
        EvalReport back = EvalReport.read(file);
        assertEquals(report.toJson(), back.toJson());
        assertEquals(report.table(), back.table());
    }

    @Test
    void anotherFileIsRefused(@TempDir Path folder) throws Exception {
        for (String text : List.of("{}", "[1]", "3", "{\"provenance\": 4}")) {
            Path file = Files.writeString(folder.resolve("other.json"), text);
            String message = Refused.message(() -> EvalReport.read(file));
            assertTrue(message.contains("other.json"), message);
        }
    }

    @Test
    void tableIsAlignedAndHasUnits() {
        String table = full().table();
        List<String> lines = table.lines().toList();
        String header =
                lines.stream().filter(l -> l.contains("PCA 32")).findFirst().orElseThrow();
        String fvu = lines.stream().filter(l -> l.startsWith("FVU")).findFirst().orElseThrow();
        for (String column : List.of("SAE", "held-out", "PCA 32", "random", "mean")) {
            int end = header.indexOf(column) + column.length();
            assertTrue(Character.isDigit(fvu.charAt(end - 1)), table);
            assertTrue(end == fvu.length() || fvu.charAt(end) == ' ', table);
        }
        assertTrue(table.contains("nats/token"), table);
        assertTrue(table.contains("the/store, 1,000 of 200,000 rows"), table);
    }

    @Test
    void everyMetricIsDefinedOnTheMetricsPage() throws Exception {
        String page = Files.readString(Path.of("..", "docs", "metrics.md"));
        for (Metric metric : Metric.values()) {
            assertTrue(page.contains("`" + metric.key() + "`"), metric.key());
        }
    }
}
