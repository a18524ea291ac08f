package org.loupe.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * One axis of a plot: values to places.
 *
 * @param low value at {@code from}
 * @param high value at {@code to}
 * @param log whether places go by log10 of the value
 * @param from place of the low end
 * @param to place of the high end
 */
public record Axis(double low, double high, boolean log, double from, double to) {
    private static final String SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

    /** A linear axis over [low, high], widened to whole ticks. */
    public static Axis linear(double low, double high, double from, double to) {
        double step = step(low, high > low ? high : low + 1);
        return new Axis(
                Math.floor(low / step + 1e-9) * step,
                Math.ceil((high > low ? high : low + 1) / step - 1e-9) * step,
                false,
                from,
                to);
    }

    /** A logarithmic axis over exactly [10^low, 10^high]. */
    public static Axis decades(double low, double high, double from, double to) {
        return new Axis(Math.pow(10, low), Math.pow(10, high), true, from, to);
    }

    /** The place of a value; values beyond an end go to that end. */
    public double at(double value) {
        double share = log
                ? (Math.log10(value) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))
                : (value - low) / (high - low);
        return from + Math.clamp(share, 0.0, 1.0) * (to - from);
    }

    /** Values to mark: about five on a linear axis; whole powers of ten, or 1, 2 and 5 times them, on a logarithmic one. */
    public List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        if (!log) {
            double step = step(low, high);
            for (long i = Math.round(low / step); i * step <= high + step * 1e-6; i++) {
                ticks.add(i * step);
            }
            return ticks;
        }
        int first = firstPower();
        int last = lastPower();
        if (powersOfTen()) {
            for (int power = first; power <= last; power++) {
                ticks.add(Math.pow(10, power));
            }
            return ticks;
        }
        for (int power = first - 1; power <= last; power++) {
            for (int factor : new int[] {1, 2, 5}) {
                double value = factor * Math.pow(10, power);
                if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) {
                    ticks.add(value);
                }
            }
        }
        return ticks;
    }

    /** Whether a logarithmic axis is long enough to mark whole powers of ten only. */
    private boolean powersOfTen() {
        return log && lastPower() - firstPower() >= 2;
    }

    private int firstPower() {
        return (int) Math.ceil(Math.log10(low) - 1e-9);
    }

    private int lastPower() {
        return (int) Math.floor(Math.log10(high) + 1e-9);
    }

    private static double step(double low, double high) {
        double rough = (high - low) / 5;
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        double factor = rough / power;
        return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
    }

    /** A tick's text: 0.05, 250, 20k, 1.5M, 10⁻⁴. */
    public String label(double value) {
        double size = Math.abs(value);
        if (powersOfTen() && (size < 0.0999 || size >= 99_999)) {
            int power = (int) Math.round(Math.log10(size));
            StringBuilder text = new StringBuilder("10").append(power < 0 ? "⁻" : "");
            String.valueOf(Math.abs(power)).chars().forEach(c -> text.append(SUPERSCRIPTS.charAt(c - '0')));
            return text.toString();
        }
        if (size >= 1e6) {
            return plain(value / 1e6) + "M";
        }
        return size >= 1e4 ? plain(value / 1e3) + "k" : plain(value);
    }

    private static String plain(double value) {
        String text = String.format(Locale.ROOT, "%.4f", value);
        text = text.replaceAll("0+$", "").replaceAll("\\.$", "");
        return text.equals("-0") ? "0" : text;
    }
}
