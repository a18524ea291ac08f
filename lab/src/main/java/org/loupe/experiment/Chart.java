package org.loupe.experiment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.loupe.eval.Axis;
import org.loupe.eval.Svg;

/**
 * Series over two labelled axes, as an SVG file of its own. Each series has a colour (after Okabe and Ito) and a mark of its own, so that
 * it is known in print and by any eye; bars span the seeds.
 */
public final class Chart implements Drawing {
    private static final double WIDTH = 680;
    private static final double LEFT = 66;
    private static final double RIGHT = 664;
    private static final double PLOT_HEIGHT = 300;
    private static final double LEGEND_ROW = 20;
    private static final double CHARACTER = 7.6; // units, of the 12.5-unit type in the widest of its fonts

    /** Series that can be told apart. */
    public static final int MOST_SERIES = 8;

    private final String xLabel;
    private final String yLabel;
    private final List<Series> series = new ArrayList<>();
    private final List<Rule> rules = new ArrayList<>();
    private List<String> categories = List.of();
    private boolean logX;
    private boolean logY;
    private boolean fromZero;

    /** A point with the range of its value over seeds. */
    public record Point(double x, double y, double low, double high) {
        public static Point of(double x, double y) {
            return new Point(x, y, y, y);
        }

        public static Point of(double x, Spread spread) {
            return new Point(x, spread.mean(), spread.low(), spread.high());
        }
    }

    private enum Form {
        LINE,
        MARKED_LINE,
        MARKS
    }

    private record Series(String name, Form form, List<Point> points) {}

    private record Rule(double value, String label, boolean upright) {}

    private Chart(String xLabel, String yLabel) {
        this.xLabel = xLabel;
        this.yLabel = yLabel;
    }

    /** A chart with linear axes. */
    public static Chart of(String xLabel, String yLabel) {
        return new Chart(xLabel, yLabel);
    }

    public Chart logX() {
        logX = true;
        return this;
    }

    public Chart logY() {
        logY = true;
        return this;
    }

    /** The vertical axis begins at 0. */
    public Chart fromZero() {
        fromZero = true;
        return this;
    }

    /** Names in place of the numbers 0, 1, … of the horizontal axis. */
    public Chart categories(List<String> names) {
        categories = List.copyOf(names);
        return this;
    }

    /** A line through points close together, with a band that the seeds span. */
    public Chart line(String name, List<Point> points) {
        return add(name, Form.LINE, points);
    }

    /** A line with a mark at each point and the range of its seeds. */
    public Chart markedLine(String name, List<Point> points) {
        return add(name, Form.MARKED_LINE, points);
    }

    /** Marks with the ranges of their seeds. */
    public Chart marks(String name, List<Point> points) {
        return add(name, Form.MARKS, points);
    }

    private Chart add(String name, Form form, List<Point> points) {
        if (series.size() == MOST_SERIES) {
            throw new IllegalArgumentException("more than " + MOST_SERIES + " series in one chart");
        }
        series.add(new Series(
                name,
                form,
                points.stream()
                        .filter(p -> Double.isFinite(p.x)
                                && Double.isFinite(p.y)
                                && (!logX || p.x > 0)
                                && (!logY || p.low > 0))
                        .toList()));
        return this;
    }

    /** A dashed line across, at a value of the vertical axis. */
    public Chart across(double value, String label) {
        rules.add(new Rule(value, label, false));
        return this;
    }

    /** A dashed upright line, at a value of the horizontal axis. */
    public Chart upright(double value, String label) {
        rules.add(new Rule(value, label, true));
        return this;
    }

    @Override
    public String svg(String label) {
        double top = 12 + LEGEND_ROW * legendRows();
        double bottom = top + PLOT_HEIGHT;
        Svg svg = Svg.file(WIDTH, bottom + 52, label, ChartStyle.CSS);
        svg.rect(0, 0, WIDTH, bottom + 52, "paper");
        legend(svg);
        Axis x = horizontal();
        Axis y = vertical(top, bottom);
        grid(svg, x, y, top, bottom);
        for (Rule rule : rules) {
            rule(svg, rule, x, y, top, bottom);
        }
        for (int s = 0; s < series.size(); s++) {
            draw(svg, series.get(s), s, x, y);
        }
        return svg.end();
    }

    private Axis horizontal() {
        if (!categories.isEmpty()) {
            return new Axis(-0.5, categories.size() - 0.5, false, LEFT, RIGHT);
        }
        double[] values = series.stream()
                .flatMap(s -> s.points.stream())
                .mapToDouble(Point::x)
                .toArray();
        return axis(values, logX, false, LEFT, RIGHT);
    }

    private Axis vertical(double top, double bottom) {
        double[] values = series.stream()
                .flatMap(s -> s.points.stream())
                .flatMapToDouble(p -> Arrays.stream(new double[] {p.low, p.y, p.high}))
                .toArray();
        double[] marked = rules.stream()
                .filter(r -> !r.upright && Double.isFinite(r.value))
                .mapToDouble(Rule::value)
                .toArray();
        double[] all = Arrays.copyOf(values, values.length + marked.length);
        System.arraycopy(marked, 0, all, values.length, marked.length);
        return axis(all, logY, fromZero, bottom, top);
    }

    private static Axis axis(double[] values, boolean log, boolean fromZero, double from, double to) {
        double low = Arrays.stream(values).filter(v -> !log || v > 0).min().orElse(log ? 1 : 0);
        double high = Arrays.stream(values).max().orElse(log ? 10 : 1);
        if (log) {
            double a = Math.log10(low);
            double b = Math.log10(Math.max(high, low * 1.0001));
            double room = Math.max(0.04, 0.03 * (b - a));
            Axis decades = Axis.decades(a - room, b + room, from, to);
            if (decades.ticks().size() > 1) { // a narrow range would have a mark or none, and is as good as linear
                return decades;
            }
        }
        double least = fromZero ? Math.min(0, low) : low;
        return Axis.linear(least, high > least ? high : least + Math.max(1e-9, Math.abs(least) * 0.1), from, to);
    }

    private void grid(Svg svg, Axis x, Axis y, double top, double bottom) {
        for (double tick : y.ticks()) {
            svg.line(LEFT, y.at(tick), RIGHT, y.at(tick), "grid");
            svg.text(LEFT - 8, y.at(tick) + 4, "end", "tick", y.label(tick));
        }
        if (categories.isEmpty()) {
            for (double tick : x.ticks()) {
                svg.line(x.at(tick), bottom, x.at(tick), bottom + 4, "axis");
                svg.text(x.at(tick), bottom + 18, "middle", "tick", x.label(tick));
            }
        } else {
            for (int i = 0; i < categories.size(); i++) {
                svg.text(x.at(i), bottom + 18, "middle", "tick", categories.get(i));
            }
        }
        svg.line(LEFT, bottom, RIGHT, bottom, "axis");
        svg.text((LEFT + RIGHT) / 2, bottom + 42, "middle", "title", xLabel);
        svg.upright(15, (top + bottom) / 2, "title", yLabel);
    }

    private void rule(Svg svg, Rule rule, Axis x, Axis y, double top, double bottom) {
        if (!Double.isFinite(rule.value)) {
            return;
        }
        if (rule.upright) {
            double at = x.at(rule.value);
            boolean left = at < (LEFT + RIGHT) / 2;
            svg.line(at, top, at, bottom, "rule");
            svg.text(at + (left ? 6 : -6), top + 11, left ? "start" : "end", "note", rule.label);
        } else {
            double at = y.at(rule.value);
            svg.line(LEFT, at, RIGHT, at, "rule");
            svg.text(RIGHT, at - 5, "end", "note", rule.label);
        }
    }

    private void draw(Svg svg, Series own, int number, Axis x, Axis y) {
        String colour = "c" + number;
        if (own.form == Form.LINE || own.form == Form.MARKED_LINE) {
            List<double[]> places = new ArrayList<>();
            own.points.forEach(p -> places.add(new double[] {x.at(p.x), y.at(p.y)}));
            if (!places.isEmpty()) {
                band(svg, own, colour, x, y);
                svg.path(places, "line " + colour + (number >= MOST_SERIES / 2 ? " broken" : ""));
            }
        }
        if (own.form == Form.LINE) {
            return;
        }
        double aside = own.form == Form.MARKS && !categories.isEmpty() ? (number - (series.size() - 1) / 2.0) * 9 : 0;
        for (Point p : own.points) {
            double at = x.at(p.x) + aside;
            if (p.high > p.low) {
                svg.line(at, y.at(p.low), at, y.at(p.high), "range " + colour);
            }
            Marks.draw(svg, number, at, y.at(p.y));
        }
    }

    /** What the seeds span around a line. */
    private static void band(Svg svg, Series own, String colour, Axis x, Axis y) {
        if (own.form != Form.LINE || own.points.stream().allMatch(p -> p.high == p.low)) {
            return;
        }
        List<double[]> outline = new ArrayList<>();
        own.points.forEach(p -> outline.add(new double[] {x.at(p.x), y.at(p.high)}));
        own.points.reversed().forEach(p -> outline.add(new double[] {x.at(p.x), y.at(p.low)}));
        svg.path(outline, "band " + colour);
    }

    private int legendRows() {
        return series.size() < 2
                ? 0
                : (int) Arrays.stream(legendPlaces())
                                .mapToDouble(p -> p[1])
                                .max()
                                .orElse(0)
                        + 1;
    }

    /** Place and row of each series' name. */
    private double[][] legendPlaces() {
        double[][] places = new double[series.size()][];
        double at = LEFT;
        int row = 0;
        for (int s = 0; s < places.length; s++) {
            double width = 26 + CHARACTER * series.get(s).name.length();
            if (at + width > RIGHT && at > LEFT) {
                at = LEFT;
                row++;
            }
            places[s] = new double[] {at, row};
            at += width + 12;
        }
        return places;
    }

    private void legend(Svg svg) {
        if (series.size() < 2) {
            return;
        }
        double[][] places = legendPlaces();
        for (int s = 0; s < places.length; s++) {
            double y = 14 + LEGEND_ROW * places[s][1];
            Form form = series.get(s).form;
            if (form == Form.LINE || form == Form.MARKED_LINE) {
                svg.path(
                        List.of(new double[] {places[s][0], y}, new double[] {places[s][0] + 18, y}),
                        "line c" + s + (s >= MOST_SERIES / 2 ? " broken" : ""));
            }
            if (form != Form.LINE) {
                Marks.draw(svg, s, places[s][0] + 9, y);
            }
            svg.text(places[s][0] + 24, y + 4, "start", "name", series.get(s).name);
        }
    }
}
