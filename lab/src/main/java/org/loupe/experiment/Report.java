package org.loupe.experiment;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.io.AtomicFiles;
import org.loupe.io.Json;
import org.loupe.io.Provenance;

/**
 * What a finished experiment writes: {@value #PAGE}, {@value #RESULTS}, {@value #TABLE} and an SVG file for each figure.
 *
 * @param command that makes it again
 */
record Report(Experiment experiment, Scale scale, Trials trials, Answer answer, Provenance provenance, String command) {
    static final String PAGE = "report.html";
    static final String RESULTS = "results.json";
    static final String TABLE = "table.csv";

    /** One quantity of one variant over the seeds. */
    private record Summary(
            String part,
            String variant,
            String quantity,
            int seeds,
            double mean,
            double low,
            double high,
            double error) {}

    /** Time of all trials. */
    double seconds() {
        return trials.all().stream().mapToDouble(Trial::seconds).sum();
    }

    /** Writes all files, {@value #RESULTS} last: a folder that has it is complete. */
    void write(Path folder) {
        for (Answer.Figure figure : answer.figures()) {
            AtomicFiles.writeString(folder.resolve(figure.name() + ".svg"), figure.svg());
        }
        AtomicFiles.writeString(folder.resolve(TABLE), csv());
        AtomicFiles.writeString(folder.resolve(PAGE), ExperimentPage.html(this));
        Json.write(folder.resolve(RESULTS), json());
    }

    private Map<String, Object> json() {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("experiment", experiment.name());
        all.put("question", experiment.question());
        all.put("verdict", answer.verdict());
        all.put("would_change", answer.wouldChange());
        all.put("setting", answer.setting());
        all.put("command", command);
        all.put("small", scale.small());
        all.put("seeds", scale.seeds());
        all.put("seconds", seconds());
        all.put("provenance", provenance);
        all.put("quantities", experiment.quantities());
        List<Map<String, String>> figures = new ArrayList<>();
        answer.figures()
                .forEach(f ->
                        figures.add(Map.of("file", f.name() + ".svg", "message", f.message(), "detail", f.detail())));
        all.put("figures", figures);
        all.put("tables", answer.tables());
        all.put("summary", summaries());
        all.put("trials", trials.all());
        return all;
    }

    private List<Summary> summaries() {
        List<Summary> summaries = new ArrayList<>();
        for (String part : trials.parts()) {
            for (String variant : trials.variants(part)) {
                for (Quantity quantity : experiment.quantities()) {
                    Spread s = trials.spread(part, variant, quantity);
                    if (s.count() > 0) {
                        summaries.add(new Summary(
                                part, variant, quantity.key(), s.count(), s.mean(), s.low(), s.high(), s.error()));
                    }
                }
            }
        }
        return summaries;
    }

    /** One value a line; x is the place on a curve. */
    private String csv() {
        StringBuilder out = new StringBuilder("part,variant,seed,quantity,x,value\n");
        for (Trial trial : trials.all()) {
            String head = quoted(trial.part()) + "," + quoted(trial.variant()) + "," + trial.seed() + ",";
            trial.values()
                    .forEach((key, value) -> out.append(head)
                            .append(key)
                            .append(",,")
                            .append(value)
                            .append('\n'));
            trial.curves().forEach((key, curve) -> {
                for (int i = 0; i < curve.x().length; i++) {
                    out.append(head).append(key).append(',').append(curve.x()[i]);
                    out.append(',').append(curve.y()[i]).append('\n');
                }
            });
        }
        return out.toString();
    }

    private static String quoted(String text) {
        return text.contains(",") || text.contains("\"") ? '"' + text.replace("\"", "\"\"") + '"' : text;
    }
}
