package org.loupe.app;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.loupe.io.BadInput;
import org.loupe.train.ClosingFigures;
import org.loupe.train.Sweep;

/** What training several SAEs has given: a row for each, and mean and spread over those that differ by their seed alone. */
record SweepResult(List<Row> rows) {
    /** One SAE. */
    record Row(Sweep.Variant variant, TrainStage.Result result) {}

    /**
     * Mean and sample standard deviation √(Σ (x − x̄)² / (n − 1)).
     *
     * @param deviation at least two values
     */
    record Spread(double mean, double deviation) {
        static Spread of(List<Row> rows, ToDoubleFunction<ClosingFigures> figure) {
            double[] x = rows.stream()
                    .mapToDouble(row -> figure.applyAsDouble(row.result().closing()))
                    .toArray();
            double mean = 0;
            for (double value : x) {
                mean += value / x.length;
            }
            double squares = 0;
            for (double value : x) {
                squares += (value - mean) * (value - mean);
            }
            return new Spread(mean, Math.sqrt(squares / (x.length - 1)));
        }

        Map<String, Object> toJson() {
            return Terminal.object("mean", mean, "deviation", deviation);
        }
    }

    /** SAEs that differ by their seed alone, at least two, none of them diverged. */
    private record Family(String name, List<Row> rows) {
        Spread fvu() {
            return Spread.of(rows, ClosingFigures::fvu);
        }

        Spread l0() {
            return Spread.of(rows, ClosingFigures::l0);
        }

        Spread dead() {
            return Spread.of(rows, ClosingFigures::dead);
        }
    }

    private List<Family> families() {
        Map<String, List<Row>> byName = new LinkedHashMap<>();
        for (Row row : rows) {
            if (row.result().diverged().isEmpty()) {
                byName.computeIfAbsent(row.variant().family(), name -> new ArrayList<>())
                        .add(row);
            }
        }
        List<Family> families = new ArrayList<>();
        byName.forEach((name, of) -> {
            if (of.size() > 1) {
                families.add(new Family(name, of));
            }
        });
        return families;
    }

    /** The table, a line for each SAE, then one for each family of seeds. */
    String table() {
        int width = rows.stream()
                .mapToInt(row -> row.variant().name().length())
                .max()
                .orElse(0);
        width = Math.max(width, "mean ± deviation".length());
        StringBuilder text = new StringBuilder();
        line(text, width, "SAE", "FVU", "L0", "dead", "seconds");
        for (Row row : rows) {
            ClosingFigures closing = row.result().closing();
            if (row.result().diverged().isPresent()) {
                line(text, width, row.variant().name(), "diverged", "", "", "");
            } else {
                line(
                        text,
                        width,
                        row.variant().name(),
                        format("%.4f", closing.fvu()),
                        format("%.1f", closing.l0()),
                        format("%,d", closing.dead()),
                        row.result().complete()
                                ? "complete"
                                : format("%.1f", row.result().seconds()));
            }
        }
        for (Family family : families()) {
            line(
                    text,
                    width,
                    family.name().isEmpty() ? "mean ± deviation" : family.name(),
                    format("%.4f ± %.4f", family.fvu()),
                    format("%.1f ± %.1f", family.l0()),
                    format("%.0f ± %.0f", family.dead()),
                    format("%d seeds", family.rows().size()));
        }
        return text.toString().stripTrailing();
    }

    private static String format(String pattern, Object value) {
        return value instanceof Spread spread
                ? String.format(Locale.ROOT, pattern, spread.mean(), spread.deviation())
                : String.format(Locale.ROOT, pattern, value);
    }

    private static void line(StringBuilder text, int width, String... cells) {
        text.append(String.format(
                                "  %-" + width + "s  %17s  %13s  %13s  %9s",
                                cells[0],
                                cells[1],
                                cells[2],
                                cells[3],
                                cells[4])
                        .stripTrailing())
                .append('\n');
    }

    Map<String, Object> toJson() {
        List<Object> runs = new ArrayList<>();
        for (Row row : rows) {
            Map<String, Object> run = Terminal.object("name", row.variant().name());
            run.putAll(row.result().toJson());
            row.result().diverged().ifPresent(reason -> run.put("diverged", reason.getMessage()));
            runs.add(run);
        }
        List<Object> seeds = new ArrayList<>();
        for (Family family : families()) {
            seeds.add(Terminal.object(
                    "name", family.name(),
                    "seeds", family.rows().size(),
                    "fvu", family.fvu().toJson(),
                    "l0", family.l0().toJson(),
                    "dead", family.dead().toJson()));
        }
        return Terminal.object("runs", runs, "over_seeds", seeds);
    }

    /** Throws where an SAE has diverged. */
    void requireAll() {
        List<BadInput> reasons =
                rows.stream().flatMap(row -> row.result().diverged().stream()).toList();
        if (!reasons.isEmpty()) {
            throw new BadInput(reasons.size() + " of " + rows.size() + " SAEs have diverged; "
                    + reasons.getFirst().getMessage());
        }
    }
}
