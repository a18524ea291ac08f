package org.loupe.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A report as plain text: one metric a line, the baselines beside it, units at the end. */
final class ReportTable {
    private ReportTable() {}

    /** One column of figures. */
    record Column(String title, Scores figures) {}

    /** The columns that a report has, the SAE first. */
    static List<Column> columns(EvalReport report) {
        List<Column> columns = new ArrayList<>();
        columns.add(new Column("SAE", report.scores()));
        if (!report.heldOut().values().isEmpty()) {
            columns.add(new Column("held-out", report.heldOut()));
        }
        report.parts().forEach((hook, figures) -> columns.add(new Column(hook, figures)));
        report.baselines().forEach((name, figures) -> columns.add(new Column(title(name, report), figures)));
        return columns;
    }

    private static String title(String baseline, EvalReport report) {
        return switch (baseline) {
            case Baselines.PCA ->
                "PCA " + report.sae().coefficients() + (report.sae().transcoder() ? " of y" : "");
            case Baselines.RANDOM -> "random";
            default -> baseline;
        };
    }

    /** What the figures rest on, in one line each. */
    static List<String> footing(EvalReport report) {
        EvalReport.Subject sae = report.sae();
        EvalReport.Window window = report.window();
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT,
                "%s, %,d latents, width %,d%s%s",
                sae.activation(),
                sae.latents(),
                sae.width(),
                where(sae),
                report.provenance().model().isEmpty()
                        ? ""
                        : " of " + report.provenance().model()));
        if (sae.transcoder()) {
            lines.add(
                    "a transcoder: below, x̂ is its ŷ and x the y that it is to write; linear is the best linear map from"
                            + " its input to y, PCA sees y itself");
        }
        lines.add(String.format(
                Locale.ROOT,
                "%s, %,d of %,d rows (the window for dead latents)",
                window.source(),
                window.rows(),
                window.available()));
        if (window.tokens() > 0) {
            lines.add(String.format(
                    Locale.ROOT,
                    "%,d predicted tokens of held-out text in %,d sequences, %,d rows replaced",
                    window.tokens(),
                    window.sequences(),
                    window.heldOutRows()));
        } else {
            lines.add("no model: cross-entropy and KL are not measured");
        }
        return lines;
    }

    /** The hook points and, of a transcoder, the width of what it writes. */
    private static String where(EvalReport.Subject sae) {
        String in = sae.hook().isEmpty() ? "" : ", " + sae.hook();
        if (!sae.transcoder()) {
            return in;
        }
        return in + " → width " + sae.widthOut() + (sae.hookOut().isEmpty() ? "" : ", " + sae.hookOut());
    }

    static String of(EvalReport report) {
        List<Column> columns = columns(report);
        List<Integer> widths =
                columns.stream().map(c -> Math.max(10, c.title().length() + 2)).toList();
        StringBuilder out = new StringBuilder();
        footing(report).forEach(line -> out.append(line).append('\n'));
        out.append('\n').append(" ".repeat(22));
        for (int i = 0; i < columns.size(); i++) {
            out.append(pad(columns.get(i).title(), widths.get(i)));
        }
        out.append('\n');
        for (Metric metric : Metric.values()) {
            if (columns.stream().noneMatch(c -> c.figures().has(metric))) {
                continue;
            }
            out.append(String.format(Locale.ROOT, "%-22s", metric.label()));
            for (int i = 0; i < columns.size(); i++) {
                Scores figures = columns.get(i).figures();
                out.append(pad(figures.has(metric) ? metric.format(figures.value(metric)) : "", widths.get(i)));
            }
            out.append(metric.unit().equals("%") ? "" : "  " + metric.unit());
            out.append('\n');
        }
        return out.toString().replaceAll(" +\n", "\n");
    }

    private static String pad(String text, int width) {
        return " ".repeat(Math.max(1, width - text.length())) + text;
    }
}
