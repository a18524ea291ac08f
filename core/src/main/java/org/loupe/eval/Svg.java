package org.loupe.eval;

import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/** An SVG drawing. Colours come by class from the page around it, or from its own style, so that they follow light and dark mode. */
public final class Svg {
    private static final Pattern NOT_IN_XML =
            Pattern.compile("[^\\t\\n\\r\\x{20}-\\x{D7FF}\\x{E000}-\\x{FFFD}\\x{10000}-\\x{10FFFF}]");

    private final StringBuilder out = new StringBuilder();

    /** Starts a drawing of this many units; the label is for people who cannot see it. */
    Svg(double width, double height, String label) {
        out.append(String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 %s %s\" role=\"img\" aria-label=\"%s\">",
                number(width),
                number(height),
                escape(label)));
    }

    /**
     * Starts a file of its own.
     *
     * @param style CSS; no {@code <} or {@code &} in it
     */
    public static Svg file(double width, double height, String label, String style) {
        Svg svg = new Svg(width, height, label);
        svg.out.insert(
                "<svg ".length(),
                "xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(width) + "\" height=\"" + number(height)
                        + "\" ");
        svg.out.append("<style>").append(style).append("</style>");
        return svg;
    }

    public Svg line(double x1, double y1, double x2, double y2, String style) {
        out.append("<line class=\"").append(style);
        attribute("x1", x1).attribute("y1", y1).attribute("x2", x2).attribute("y2", y2);
        out.append("\"/>");
        return this;
    }

    public Svg rect(double x, double y, double width, double height, String style) {
        out.append("<rect class=\"").append(style);
        attribute("x", x)
                .attribute("y", y)
                .attribute("width", Math.max(0, width))
                .attribute("height", Math.max(0, height));
        out.append("\"/>");
        return this;
    }

    public Svg circle(double x, double y, double radius, String style) {
        out.append("<circle class=\"").append(style);
        attribute("cx", x).attribute("cy", y).attribute("r", radius);
        out.append("\"/>");
        return this;
    }

    /** A line through points {x, y}. */
    public Svg path(List<double[]> points, String style) {
        out.append("<path class=\"").append(style).append("\" d=\"");
        for (int i = 0; i < points.size(); i++) {
            out.append(i == 0 ? 'M' : 'L')
                    .append(number(points.get(i)[0]))
                    .append(' ')
                    .append(number(points.get(i)[1]));
        }
        out.append("\"/>");
        return this;
    }

    /**
     * A curve between two heights, upright at both ends.
     *
     * @param strokeWidth in units
     * @param tooltip shown under the pointer
     */
    public Svg rise(double x1, double y1, double x2, double y2, double strokeWidth, String style, String tooltip) {
        double middle = (y1 + y2) / 2;
        out.append(String.format(
                Locale.ROOT,
                "<path class=\"%s\" stroke-width=\"%s\" d=\"M%s %sC%s %s %s %s %s %s\"><title>%s</title></path>",
                style,
                number(strokeWidth),
                number(x1),
                number(y1),
                number(x1),
                number(middle),
                number(x2),
                number(middle),
                number(x2),
                number(y2),
                escape(tooltip)));
        return this;
    }

    /** What comes until {@link #leave} has a tooltip. */
    public Svg enter(String tooltip) {
        out.append("<g><title>").append(escape(tooltip)).append("</title>");
        return this;
    }

    public Svg leave() {
        out.append("</g>");
        return this;
    }

    /** Text whose start, middle or end is at x. */
    public Svg text(double x, double y, String anchor, String style, String text) {
        out.append("<text class=\"").append(style);
        attribute("x", x).attribute("y", y);
        out.append("\" text-anchor=\"")
                .append(anchor)
                .append("\">")
                .append(escape(text))
                .append("</text>");
        return this;
    }

    /** Text that runs upwards, its middle at (x, y). */
    public Svg upright(double x, double y, String style, String text) {
        out.append(String.format(
                Locale.ROOT,
                "<text class=\"%s\" text-anchor=\"middle\" transform=\"translate(%s %s) rotate(-90)\">%s</text>",
                style,
                number(x),
                number(y),
                escape(text)));
        return this;
    }

    /** The drawing. */
    public String end() {
        return out.append("</svg>").toString();
    }

    /** Continues inside the quotes of the attribute before. */
    private Svg attribute(String name, double value) {
        out.append("\" ").append(name).append("=\"").append(number(value));
        return this;
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value).replaceAll("\\.0$", "");
    }

    /**
     * Text that is safe in HTML, in XML and in their attributes; a number stays with its percent sign. Characters that XML has no
     * place for become U+FFFD.
     */
    public static String escape(String text) {
        return NOT_IN_XML
                .matcher(text)
                .replaceAll("\uFFFD")
                .replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace(" %", "\u00a0%");
    }
}
