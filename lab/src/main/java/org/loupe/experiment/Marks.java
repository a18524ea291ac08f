package org.loupe.experiment;

import java.util.ArrayList;
import java.util.List;
import org.loupe.eval.Svg;

/** A mark for each series: another shape beside another colour. */
final class Marks {
    private static final double SIZE = 5;

    private Marks() {}

    static void draw(Svg svg, int series, double x, double y) {
        String style = "mark c" + series;
        switch (series % Chart.MOST_SERIES) {
            case 0 -> svg.circle(x, y, SIZE, style);
            case 1 -> svg.path(shape(x, y, -1, -1, 1, -1, 1, 1, -1, 1), style);
            case 2 -> svg.path(shape(x, y, 0, -1.3, 1.25, 1, -1.25, 1), style);
            case 3 -> svg.path(shape(x, y, 0, -1.4, 1.4, 0, 0, 1.4, -1.4, 0), style);
            case 4 -> svg.path(shape(x, y, 0, 1.3, 1.25, -1, -1.25, -1), style);
            case 5 ->
                svg.path(
                        shape(
                                x, y, -.4, -1.2, .4, -1.2, .4, -.4, 1.2, -.4, 1.2, .4, .4, .4, .4, 1.2, -.4, 1.2, -.4,
                                .4, -1.2, .4, -1.2, -.4, -.4, -.4),
                        style);
            case 6 -> svg.path(shape(x, y, -1.2, -1.2, 1.2, 1.2, 1.2, -1.2, -1.2, 1.2), style);
            default -> svg.path(shape(x, y, -1.3, -.6, 1.3, -.6, 1.3, .6, -1.3, .6), style);
        }
    }

    /** A closed outline, its corners in units of the mark's size. */
    private static List<double[]> shape(double x, double y, double... corners) {
        List<double[]> points = new ArrayList<>();
        for (int i = 0; i < corners.length; i += 2) {
            points.add(new double[] {x + SIZE * corners[i], y + SIZE * corners[i + 1]});
        }
        points.add(points.getFirst());
        return points;
    }
}
