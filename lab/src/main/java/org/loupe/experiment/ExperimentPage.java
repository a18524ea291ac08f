package org.loupe.experiment;

import java.util.List;
import java.util.Locale;
import org.loupe.eval.ReportPage;
import org.loupe.eval.Svg;

/** An answer as one HTML file that needs nothing else. */
final class ExperimentPage {
    private ExperimentPage() {}

    static String html(Report report) {
        Answer answer = report.answer();
        StringBuilder out = new StringBuilder("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
                .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>")
                .append(Svg.escape(report.experiment().question()))
                .append("</title>\n<style>\n")
                .append(ReportPage.stylesheet())
                .append(".verdict{font-size:18px;line-height:1.5;max-width:46em;margin:22px 0 0}.plots.wide")
                .append(
                        "{grid-template-columns:repeat(auto-fill,minmax(min(520px,100%),1fr))}td:last-child,th:last-child:not(:first-child){text-align:right}\n")
                .append("</style>\n</head>\n<body>\n<main>\n<p class=\"kicker\">Experiment · ")
                .append(Svg.escape(report.experiment().name()))
                .append("</p>\n<h1>")
                .append(Svg.escape(report.experiment().question()))
                .append("</h1>\n<p class=\"verdict\">")
                .append(Svg.escape(answer.verdict()))
                .append("</p>\n<h2>What was done</h2>\n<p class=\"sub\">")
                .append(Svg.escape(answer.setting()))
                .append("</p>\n<h2>What it shows</h2>\n<div class=\"plots wide\">\n");
        for (Answer.Figure figure : answer.figures()) {
            out.append("<figure><figcaption>")
                    .append(Svg.escape(figure.message()))
                    .append("<small>")
                    .append(Svg.escape(figure.detail()))
                    .append("</small></figcaption>")
                    .append(figure.svg())
                    .append("</figure>\n");
        }
        out.append("</div>\n");
        answer.tables().forEach(table -> table(out, table));
        out.append("<h2>What would change it</h2>\n<p class=\"sub\">")
                .append(Svg.escape(answer.wouldChange()))
                .append("</p>\n<h2>What the figures mean</h2>\n<dl class=\"facts\">\n");
        for (Quantity quantity : report.experiment().quantities()) {
            fact(out, quantity.axis(), quantity.definition());
        }
        fact(
                out,
                "±",
                "half of the mean’s 95 % interval by Student’s t over the seeds, of each comparison alone: nothing is corrected for the"
                        + " number of comparisons");
        out.append("</dl>\n<h2>Where it comes from</h2>\n<dl class=\"facts\">\n");
        fact(out, "Command", report.command());
        fact(out, "Loupe", report.provenance().loupe());
        fact(out, "Seeds", String.valueOf(report.scale().seeds()));
        fact(out, "Model", report.provenance().model());
        fact(out, "Time of all trials", String.format(Locale.ROOT, "%.0f s", report.seconds()));
        report.provenance().machine().forEach((name, value) -> fact(out, "Machine, " + name, value));
        return out.append("</dl>\n</main>\n</body>\n</html>\n").toString();
    }

    private static void table(StringBuilder out, Answer.Table table) {
        out.append("<h2>")
                .append(Svg.escape(table.title()))
                .append("</h2>\n<div class=\"scroll\"><table>\n<thead><tr>");
        table.columns()
                .forEach(column -> out.append("<th>").append(Svg.escape(column)).append("</th>"));
        out.append("</tr></thead>\n<tbody>\n");
        for (List<String> row : table.rows()) {
            out.append("<tr><th scope=\"row\">")
                    .append(Svg.escape(row.getFirst()))
                    .append("</th>");
            row.subList(1, row.size())
                    .forEach(cell -> out.append("<td>").append(Svg.escape(cell)).append("</td>"));
            out.append("</tr>\n");
        }
        out.append("</tbody></table></div>\n");
    }

    private static void fact(StringBuilder out, String name, String value) {
        if (!value.isEmpty()) {
            out.append("<dt>").append(Svg.escape(name)).append("</dt><dd>");
            out.append(Svg.escape(value)).append("</dd>\n");
        }
    }
}
