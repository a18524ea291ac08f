package org.loupe.eval;

import java.util.ArrayList;
import java.util.List;

/** The kinds of plot that a report has, as SVG. Every axis is labelled with its quantity and unit. */
final class Plots {
    private static final double WIDTH = 520;
    private static final double HEIGHT = 250;
    private static final double LEFT = 62;
    private static final double RIGHT = 506;
    private static final double TOP = 14;
    private static final double BOTTOM = 202;

    private Plots() {}

    /** A value to mark with an upright line on a histogram. */
    record Mark(double value, String label) {}

    /** One row of {@link #bars} or {@link #ladder}; {@code style} colours it. */
    record Bar(String label, double value, String text, String style) {}

    /** One curve, its vertical axis from 0. */
    static String curve(List<double[]> points, String xLabel, String yLabel, String style) {
        double low = points.stream().mapToDouble(p -> p[1]).min().orElse(0);
        double high = points.stream().mapToDouble(p -> p[1]).max().orElse(1);
        Axis x = new Axis(0, Math.max(1, points.getLast()[0]), false, LEFT, RIGHT);
        Axis y = Axis.linear(Math.min(0, low), high > 0 ? high : 1, BOTTOM, TOP);
        Svg svg = frame(yLabel + " over " + xLabel, x, y, xLabel, yLabel);
        List<double[]> places = new ArrayList<>();
        points.forEach(p -> places.add(new double[] {x.at(p[0]), y.at(p[1])}));
        return svg.path(places, "curve " + style).end();
    }

    /** Dots over a logarithmic axis of whole decades, the vertical one from 0 to 1 at least. */
    static String scatter(List<double[]> points, String xLabel, String yLabel, String style) {
        double least = points.stream().mapToDouble(p -> p[0]).min().orElse(1);
        double most = points.stream().mapToDouble(p -> p[0]).max().orElse(1);
        double from = Math.floor(Math.log10(least));
        Axis x = Axis.decades(from, Math.max(from + 1, Math.ceil(Math.log10(most))), LEFT, RIGHT);
        double low = points.stream().mapToDouble(p -> p[1]).min().orElse(0);
        Axis y = Axis.linear(Math.min(0, low), 1, BOTTOM, TOP);
        Svg svg = frame(yLabel + " over " + xLabel, x, y, xLabel, yLabel);
        points.forEach(p -> svg.circle(x.at(p[0]), y.at(p[1]), 2.5, "dot " + style));
        return svg.end();
    }

    /** Counts over a logarithmic axis. */
    static String histogram(Histogram histogram, String xLabel, String yLabel, List<Mark> marks, String style) {
        int bins = histogram.counts().length;
        Axis x = Axis.decades(histogram.from(), histogram.from() + bins * histogram.step(), LEFT, RIGHT);
        long most = 1;
        for (long count : histogram.counts()) {
            most = Math.max(most, count);
        }
        Axis y = Axis.linear(0, (double) most, BOTTOM, TOP + 16);
        Svg svg = frame(yLabel + " by " + xLabel, x, y, xLabel, yLabel);
        double width = (RIGHT - LEFT) / bins;
        for (int i = 0; i < bins; i++) {
            double top = y.at((double) histogram.counts()[i]);
            svg.rect(LEFT + i * width + 0.5, top, width - 1, BOTTOM - top, style);
        }
        for (Mark mark : marks) {
            double at = x.at(mark.value());
            boolean left = at < (LEFT + RIGHT) / 2;
            svg.line(at, TOP, at, BOTTOM, "mark");
            svg.text(at + (left ? 6 : -6), TOP + 9, left ? "start" : "end", "note", mark.label());
        }
        return svg.end();
    }

    private static Svg frame(String label, Axis x, Axis y, String xLabel, String yLabel) {
        Svg svg = new Svg(WIDTH, HEIGHT, label);
        for (double tick : y.ticks()) {
            svg.line(LEFT, y.at(tick), RIGHT, y.at(tick), "grid");
            svg.text(LEFT - 8, y.at(tick) + 4, "end", "tick", y.label(tick));
        }
        for (double tick : x.ticks()) {
            svg.line(x.at(tick), BOTTOM, x.at(tick), BOTTOM + 4, "axis");
            svg.text(x.at(tick), BOTTOM + 18, "middle", "tick", x.label(tick));
        }
        svg.line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis");
        svg.text((LEFT + RIGHT) / 2, HEIGHT - 8, "middle", "title", xLabel);
        return svg.upright(15, (TOP + BOTTOM) / 2, "title", yLabel);
    }

    /** Horizontal bars from 0, their values at their ends. */
    static String bars(List<Bar> bars, String xLabel) {
        double left = 118;
        double right = 440;
        double bottom = TOP + bars.size() * 40 + 6;
        double most = bars.stream().mapToDouble(Bar::value).max().orElse(1);
        Axis x = Axis.linear(0, most, left, right);
        Svg svg = rows(bars, xLabel, x, bottom);
        for (int i = 0; i < bars.size(); i++) {
            Bar bar = bars.get(i);
            double middle = TOP + 40 * i + 23;
            svg.rect(left, middle - 11, x.at(bar.value()) - left, 22, bar.style());
            svg.text(x.at(bar.value()) + 7, middle + 4, "start", "value", bar.text());
        }
        return svg.line(left, TOP, left, bottom, "axis").end();
    }

    /** Dots on one scale, each joined to the first one's value. */
    static String ladder(List<Bar> steps, String xLabel) {
        double left = 118;
        double right = 440;
        double bottom = TOP + steps.size() * 40 + 6;
        double low = steps.stream().mapToDouble(Bar::value).min().orElse(0);
        double high = steps.stream().mapToDouble(Bar::value).max().orElse(1);
        Axis x = Axis.linear(low, high, left, right);
        Svg svg = rows(steps, xLabel, x, bottom);
        double origin = x.at(steps.getFirst().value());
        svg.line(origin, TOP, origin, bottom, "mark");
        for (int i = 0; i < steps.size(); i++) {
            Bar step = steps.get(i);
            double middle = TOP + 40 * i + 23;
            svg.line(origin, middle, x.at(step.value()), middle, "stem " + step.style());
            svg.circle(x.at(step.value()), middle, 6, step.style());
            svg.text(x.at(step.value()) + 12, middle + 4, "start", "value", step.text());
        }
        return svg.end();
    }

    private static Svg rows(List<Bar> bars, String xLabel, Axis x, double bottom) {
        Svg svg = new Svg(WIDTH, bottom + 48, xLabel);
        for (double tick : x.ticks()) {
            svg.line(x.at(tick), TOP, x.at(tick), bottom, "grid");
            svg.text(x.at(tick), bottom + 18, "middle", "tick", x.label(tick));
        }
        for (int i = 0; i < bars.size(); i++) {
            svg.text(
                    x.from() - 10, TOP + 40 * i + 27, "end", "name", bars.get(i).label());
        }
        return svg.text((x.from() + x.to()) / 2, bottom + 40, "middle", "title", xLabel);
    }
}
