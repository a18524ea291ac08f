package org.loupe.eval;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.loupe.io.AtomicFiles;
import org.loupe.io.Provenance;

/** A report as one HTML file that needs nothing else: no script, no font, no address. */
public final class ReportPage {
    private final EvalReport report;
    private final List<TrueFeature> truth;
    private final @Nullable TrainingCurves training;
    private final StringBuilder out = new StringBuilder();

    private ReportPage(EvalReport report, List<TrueFeature> truth, @Nullable TrainingCurves training) {
        this.report = report;
        this.truth = truth;
        this.training = training;
    }

    /**
     * Writes the page, aside first.
     *
     * @param truth what became of each true feature; empty where that is not known
     * @param steps the training's {@code steps.jsonl}; null where there is none
     */
    public static void write(Path file, EvalReport report, List<TrueFeature> truth, @Nullable Path steps) {
        AtomicFiles.writeString(
                file, new ReportPage(report, truth, steps == null ? null : TrainingCurves.read(steps)).html());
    }

    private String html() {
        out.append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
                .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>")
                .append(Svg.escape(headline()))
                .append("</title>\n<style>\n")
                .append(stylesheet())
                .append("</style>\n</head>\n<body>\n<main>\n");
        header();
        tiles();
        ReportFigures figures = new ReportFigures(report);
        section("Against the baselines", figures.comparisons());
        section("How the latents are used", figures.usage());
        section("Why latents are dead", figures.deaths());
        section("Against the truth", figures.truth(truth));
        if (training != null) {
            section("Training", figures.training(training));
        }
        table();
        provenance();
        return out.append("</main>\n</body>\n</html>\n").toString();
    }

    private boolean has(Metric metric) {
        return report.scores().has(metric);
    }

    private String text(Metric metric) {
        return metric.format(report.value(metric));
    }

    private String headline() {
        String latents = String.format(
                Locale.ROOT,
                "%s of %,d latents",
                trimmed(report.value(Metric.L0)),
                report.sae().latents());
        return has(Metric.CE_RECOVERED_MEAN)
                ? latents + " a token recover " + text(Metric.CE_RECOVERED_MEAN) + " of the model’s loss"
                : latents + " a row explain "
                        + String.format(Locale.ROOT, "%.1f %%", 100 * report.value(Metric.EXPLAINED_VARIANCE))
                        + " of the variance";
    }

    private static String trimmed(double value) {
        return value == Math.rint(value)
                ? String.format(Locale.ROOT, "%,.0f", value)
                : String.format(Locale.ROOT, "%,.1f", value);
    }

    private void header() {
        Provenance from = report.provenance();
        EvalReport.Subject sae = report.sae();
        String hooks = sae.hook().equals(sae.hookOut()) ? sae.hook() : sae.hook() + " → " + sae.hookOut();
        String where = hooks.isEmpty() ? from.model() : hooks + " of " + from.model();
        out.append("<p class=\"kicker\">")
                .append(sae.transcoder() ? "Transcoder" : "Sparse autoencoder")
                .append(" · evaluation</p>\n<h1>")
                .append(Svg.escape(headline()))
                .append("</h1>\n");
        out.append("<p class=\"sub\">").append(Svg.escape(where)).append("<br>");
        List<String> lines = ReportTable.footing(report);
        out.append(Svg.escape(String.join(" · ", lines.subList(1, lines.size()))))
                .append("</p>\n");
    }

    private void tiles() {
        out.append("<ul class=\"tiles\">\n");
        tile(Metric.FVU, "FVU", "variance unexplained");
        tile(Metric.CE_RECOVERED_MEAN, "CE recovered", "against the mean");
        tile(Metric.KL, "KL", "nats a token");
        tile(Metric.TOP1_AGREEMENT, "top-1", "same next token");
        if (!has(Metric.CE_CLEAN)) {
            tile(Metric.COSINE, "cosine", "of x and x̂");
            tile(Metric.MMCS, "MMCS", "true directions found");
            tile(Metric.TRUTH_F1, "F1", "of true features’ firing");
        }
        tile(Metric.L0, "L0", "active latents a row");
        tile(
                Metric.DEAD_FRACTION,
                "dead",
                String.format(Locale.ROOT, "silent on %,d rows", report.window().rows()));
        out.append("</ul>\n");
    }

    private void tile(Metric metric, String label, String meaning) {
        if (has(metric)) {
            out.append("<li><span class=\"what\">").append(label).append("</span><b>");
            out.append(Svg.escape(text(metric)))
                    .append("</b><span>")
                    .append(meaning)
                    .append("</span></li>\n");
        }
    }

    private void section(String title, List<ReportFigures.Figure> figures) {
        if (figures.isEmpty()) {
            return;
        }
        out.append("<h2>").append(title).append("</h2>\n<div class=\"plots\">\n");
        for (ReportFigures.Figure figure : figures) {
            out.append("<figure><figcaption>").append(Svg.escape(figure.message()));
            out.append("<small>").append(Svg.escape(figure.detail())).append("</small></figcaption>");
            out.append(figure.svg()).append("</figure>\n");
        }
        out.append("</div>\n");
    }

    private void table() {
        List<ReportTable.Column> columns = ReportTable.columns(report);
        out.append("<h2>All figures</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th></th>");
        columns.forEach(c -> out.append("<th>").append(Svg.escape(c.title())).append("</th>"));
        out.append("<th></th><th></th></tr></thead>\n<tbody>\n");
        for (Metric metric : Metric.values()) {
            if (columns.stream().noneMatch(c -> c.figures().has(metric))) {
                continue;
            }
            out.append("<tr><th scope=\"row\">").append(metric.label()).append("</th>");
            for (int i = 0; i < columns.size(); i++) {
                Scores figures = columns.get(i).figures();
                out.append(i == 0 ? "<td class=\"own\">" : "<td>")
                        .append(figures.has(metric) ? Svg.escape(metric.format(figures.value(metric))) : "")
                        .append("</td>");
            }
            out.append("<td class=\"unit\">").append(metric.unit().equals("%") ? "" : metric.unit());
            out.append("</td><td class=\"about\">")
                    .append(Svg.escape(metric.definition()))
                    .append("</td></tr>\n");
        }
        out.append("</tbody></table></div>\n");
    }

    private void provenance() {
        Provenance from = report.provenance();
        out.append("<h2>Where it comes from</h2>\n<dl class=\"facts\">\n");
        fact("SAE", ReportTable.footing(report).getFirst());
        fact("Model", from.model());
        fact("Model sha256", from.modelSha256());
        fact("Training text", from.text());
        fact("Seed of its order", from.text().isEmpty() ? "" : String.valueOf(from.seed()));
        fact("Loupe", from.loupe());
        from.machine().forEach((name, value) -> fact("Machine, " + name, value));
        out.append("</dl>\n");
    }

    private void fact(String name, String value) {
        if (!value.isEmpty()) {
            out.append("<dt>").append(Svg.escape(name)).append("</dt><dd>");
            out.append(Svg.escape(value)).append("</dd>\n");
        }
    }

    /** The style sheet of pages of this kind. */
    public static String stylesheet() {
        try (InputStream in = Objects.requireNonNull(ReportPage.class.getResourceAsStream("report.css"))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("the page's style sheet is not in the program", e);
        }
    }
}
