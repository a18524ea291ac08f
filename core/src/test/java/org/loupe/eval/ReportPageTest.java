package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Provenance;
import org.xml.sax.InputSource;

class ReportPageTest {
    @TempDir
    private Path folder;

    private String page(EvalReport report, String... steps) throws Exception {
        Path log = Files.write(folder.resolve("steps.jsonl"), List.of(steps));
        Path file = folder.resolve("report.html");
        ReportPage.write(file, report, List.of(), steps.length == 0 ? null : log);
        return Files.readString(file);
    }

    private static String step(int tokens, double fvu) {
        return "{\"step\": 1, \"tokens\": " + tokens + ", \"loss\": 0.5, \"fvu\": " + fvu
                + ", \"l0\": 32.0, \"dead\": 3, \"lr\": 0.1, \"grad_norm\": 1.0, \"tokens_per_second\": 9}";
    }

    @Test
    void needsNothingFromOutside() throws Exception {
        String page = page(EvalReportTest.full(), step(0, 1), step(4096, 0.25));
        for (String foreign : List.of("http:", "https:", "<script", "src=", "@import", "url(", "<link")) {
            assertFalse(page.contains(foreign), foreign);
        }
        assertTrue(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    }

    @Test
    void saysWhatTheFiguresSay() throws Exception {
        EvalReport full = EvalReportTest.full();
        String page = page(full, step(0, 1), step(4096, 0.25));
        assertTrue(page.contains("52\u00a0%"), "FVU of PCA");
        assertTrue(page.contains("FVU ends at 0.250"), "training");
        for (Metric metric : Metric.values()) {
            assertTrue(page.contains(">" + Svg.escape(metric.label()) + "</th>"), metric.label());
            assertTrue(page.contains(Svg.escape(metric.format(full.value(metric)))), metric.key());
        }
    }

    @Test
    void everyPlotIsWellFormedAndHasLabelledAxes() throws Exception {
        String page = page(EvalReportTest.full(), step(0, 1), step(2048, 0.5), step(4096, 0.25));
        Matcher svg = Pattern.compile("<svg.*?</svg>", Pattern.DOTALL).matcher(page);
        int plots = 0;
        while (svg.find()) {
            DocumentBuilderFactory.newInstance()
                    .newDocumentBuilder()
                    .parse(new InputSource(new StringReader(svg.group())));
            assertTrue(svg.group().contains("class=\"title\""), svg.group());
            assertTrue(svg.group().contains("aria-label"), svg.group());
            assertFalse(svg.group().contains("NaN"), svg.group());
            plots++;
        }
        assertEquals(2 + 2 + 1 + 4, plots);
    }

    /** Dots for the two features that fire and have a latent, on axes that hold both frequencies. */
    @Test
    void trueFeaturesAreDrawnWhereTheyAreKnown() throws Exception {
        EvalReport full = EvalReportTest.full();
        double nan = Double.NaN;
        Path file = folder.resolve("report.html");
        ReportPage.write(
                file,
                full,
                List.of(
                        new TrueFeature(0, -1, 0.3, 300, 5, 0.99, 1, 0.5, 0.75, 1, 1, nan),
                        new TrueFeature(1, 0, 0.01, 9, 6, -0.5, 0, 0, 0, nan, 0, 1),
                        new TrueFeature(2, -1, 0, 0, 7, 0.1, nan, nan, nan, nan, 0, nan),
                        new TrueFeature(3, -1, 0.1, 90, -1, nan, 0, 0, 0, nan, 0, nan)),
                null);
        String page = Files.readString(file);
        assertTrue(page.contains("<h2>Against the truth</h2>") && page.contains("2 true features that fire"), page);
        assertEquals(4, page.split("<circle class=\"dot", -1).length - 1);
        assertFalse(page.contains("NaN"));
        assertFalse(page(full).contains("Against the truth"));
    }

    @Test
    void withoutAModelOrATrainingThoseSectionsAreAbsent() throws Exception {
        EvalReport full = EvalReportTest.full();
        Scores rows = new Scores(Map.of(Metric.FVU, 0.25, Metric.EXPLAINED_VARIANCE, 0.75, Metric.L0, 32.0));
        String page = page(new EvalReport(
                full.provenance(),
                full.sae(),
                full.window(),
                rows,
                Scores.NONE,
                full.baselines(),
                Map.of(),
                full.histograms()));
        assertTrue(page.contains("32 of 4,096 latents a row explain 75.0\u00a0% of the variance"), page);
        assertFalse(page.contains("cross-entropy") || page.contains("<h2>Training"));
    }

    /** 3, 5 and 4 of 12, in this order, and no section where none is dead. */
    @Test
    void theReasonsOfDeadLatentsAreDrawnWhereThereAreSome() throws Exception {
        EvalReport full = EvalReportTest.full();
        Scores some = Scores.NONE
                .with(Metric.FVU, 0.25)
                .with(Metric.EXPLAINED_VARIANCE, 0.75)
                .with(Metric.L0, 32)
                .with(Metric.DEAD_TURNED_AWAY, 3)
                .with(Metric.DEAD_THRESHOLD_TOO_HIGH, 5)
                .with(Metric.DEAD_NEVER_WON, 4);
        String page = page(of(full, some));
        assertTrue(page.contains("<h2>Why latents are dead</h2>"), page);
        assertTrue(page.contains("5 of 12 come near their threshold"), page);
        Scores none = some.with(Metric.DEAD_TURNED_AWAY, 0)
                .with(Metric.DEAD_THRESHOLD_TOO_HIGH, 0)
                .with(Metric.DEAD_NEVER_WON, 0);
        assertFalse(page(of(full, none)).contains("Why latents are dead"));
    }

    private static EvalReport of(EvalReport full, Scores scores) {
        return new EvalReport(
                full.provenance(),
                full.sae(),
                full.window(),
                scores,
                Scores.NONE,
                full.baselines(),
                Map.of(),
                full.histograms());
    }

    @Test
    void namesFromFilesCannotBecomeMarkup() throws Exception {
        EvalReport full = EvalReportTest.full();
        Provenance hostile = Provenance.here("<b>\"model\" & co", "", "<script>", "", 1);
        String page = page(new EvalReport(
                hostile,
                full.sae(),
                full.window(),
                full.scores(),
                full.heldOut(),
                full.baselines(),
                Map.of(),
                full.histograms()));
        assertFalse(page.contains("<b>\"model\"") || page.contains("<script>"));
        assertTrue(page.contains("&lt;b&gt;&quot;model&quot; &amp; co"));
    }

    @Test
    void aDamagedTrackingFileIsNamed() {
        String cut = Refused.message(() -> page(EvalReportTest.full(), step(0, 1), "{\"step\": 2, "));
        assertTrue(cut.contains("steps.jsonl") && cut.contains("line 2"), cut);
        String other = Refused.message(() -> page(EvalReportTest.full(), "{\"step\": 2}"));
        assertTrue(other.contains("line 1") && other.contains("tokens"), other);
    }

    @Test
    void longRunsAreThinnedAndKeepTheirEnd() throws Exception {
        String[] steps = new String[5000];
        for (int i = 0; i < steps.length; i++) {
            steps[i] = step(i, 0.5);
        }
        Path log = Files.write(folder.resolve("long.jsonl"), List.of(steps));
        List<double[]> points = TrainingCurves.read(log).points("fvu");
        assertTrue(points.size() <= 402, String.valueOf(points.size()));
        assertEquals(4999, points.getLast()[0]);
    }
}
