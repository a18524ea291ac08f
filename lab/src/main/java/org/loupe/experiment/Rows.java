package org.loupe.experiment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.loupe.eval.Axis;
import org.loupe.eval.Svg;

/** One quantity, variants down: a ring for each seed, a bar at their mean, the mean as a number. */
public final class Rows implements Drawing {
    private static final double WIDTH = 680;
    private static final double RIGHT = 590;
    private static final double TOP = 10;
    private static final double PITCH = 27;
    private static final double CHARACTER = 7;

    private final String label;
    private final List<Row> rows = new ArrayList<>();
    private boolean log;
    private boolean fromZero;

    private record Row(String name, List<Double> values, double mean, boolean heading) {}

    private Rows(String label) {
        this.label = label;
    }

    /** @param label of the axis, with its unit */
    public static Rows of(String label) {
        return new Rows(label);
    }

    /** All variants of a part. */
    public static Rows of(Trials trials, String part, Quantity quantity) {
        return of(quantity.axis()).group("", trials, part, quantity);
    }

    /** The variants of another part, under a heading. */
    public Rows group(String heading, Trials trials, String part, Quantity quantity) {
        if (!heading.isEmpty()) {
            rows.add(new Row(heading, List.of(), Double.NaN, true));
        }
        for (String variant : trials.variants(part)) {
            List<Double> values = trials.of(part, variant).stream()
                    .map(trial -> trial.values().getOrDefault(quantity.key(), Double.NaN))
                    .filter(Double::isFinite)
                    .toList();
            if (!values.isEmpty()) {
                rows.add(new Row(variant, values, trials.mean(part, variant, quantity), false));
            }
        }
        return this;
    }

    public Rows log() {
        log = true;
        return this;
    }

    public Rows fromZero() {
        fromZero = true;
        return this;
    }

    @Override
    public String svg(String message) {
        double left = 16
                + CHARACTER
                        * rows.stream().mapToInt(row -> row.name.length()).max().orElse(0);
        double bottom = TOP + PITCH * rows.size() + 4;
        Axis x = axis(left);
        Svg svg = Svg.file(WIDTH, bottom + 46, message, ChartStyle.CSS);
        svg.rect(0, 0, WIDTH, bottom + 46, "paper");
        for (double tick : x.ticks()) {
            svg.line(x.at(tick), TOP, x.at(tick), bottom, "grid");
            svg.text(x.at(tick), bottom + 17, "middle", "tick", x.label(tick));
        }
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            double middle = TOP + PITCH * i + PITCH / 2;
            if (row.heading) {
                svg.text(4, middle + 4, "start", "group", row.name);
                continue;
            }
            svg.text(left - 10, middle + 4, "end", "name", row.name);
            row.values.forEach(value -> svg.circle(x.at(value), middle, 4.5, "seed c0"));
            svg.rect(x.at(row.mean) - 1.5, middle - 9, 3, 18, "c1");
            svg.text(WIDTH - 8, middle + 4, "end", "value", Say.number(row.mean));
        }
        svg.line(left, bottom, RIGHT, bottom, "axis");
        svg.text((left + RIGHT) / 2, bottom + 40, "middle", "title", label);
        return svg.end();
    }

    private Axis axis(double left) {
        double[] values = rows.stream()
                .flatMapToDouble(row -> row.values.stream().mapToDouble(v -> v))
                .filter(v -> !log || v > 0)
                .toArray();
        double low = Arrays.stream(values).min().orElse(log ? 1 : 0);
        double high = Arrays.stream(values).max().orElse(log ? 10 : 1);
        if (log) {
            return Axis.decades(Math.log10(low) - 0.05, Math.log10(Math.max(high, low * 1.0001)) + 0.05, left, RIGHT);
        }
        double least = fromZero ? Math.min(0, low) : low;
        return Axis.linear(least, high > least ? high : least + Math.max(1e-9, Math.abs(least) * 0.1), left, RIGHT);
    }
}
