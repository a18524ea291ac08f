package org.loupe.eval;

import java.util.Arrays;

/**
 * Counts in bins of equal width on a log10 axis: bin i covers [from + i · step, from + (i + 1) · step) of log10(value).
 *
 * @param quantity what is counted, with its unit
 * @param from log10 of the lower edge of the first bin
 * @param step width of a bin in decades
 * @param counts entries of each bin
 */
public record Histogram(String quantity, double from, double step, long[] counts) {
    public Histogram {
        if (!(step > 0)) {
            throw new IllegalArgumentException("histogram of " + quantity + ": step " + step + ", expected above 0");
        }
    }

    /** An empty histogram over [from, to) decades. */
    static Histogram empty(String quantity, double from, double to, int binsPerDecade) {
        return new Histogram(
                quantity, from, 1.0 / binsPerDecade, new long[(int) Math.round((to - from) * binsPerDecade)]);
    }

    /** Counts a value above 0; beyond the edges it goes to the outermost bin. */
    void add(double value) {
        int bin = (int) Math.floor((Math.log10(value) - from) / step);
        counts[Math.clamp(bin, 0, counts.length - 1)]++;
    }

    /** The same without the empty bins at either end. */
    public Histogram trimmed() {
        int first = 0;
        int last = counts.length;
        while (first < last && counts[first] == 0) {
            first++;
        }
        while (last > first && counts[last - 1] == 0) {
            last--;
        }
        return new Histogram(quantity, from + first * step, step, Arrays.copyOfRange(counts, first, last));
    }

    /** Number of values counted. */
    public long total() {
        return Arrays.stream(counts).sum();
    }

    /** The value below which a share q of the counts lies, interpolated within its bin; NaN when empty. */
    public double quantile(double q) {
        double target = q * total();
        double below = 0;
        for (int i = 0; i < counts.length; i++) {
            if (counts[i] > 0 && below + counts[i] >= target) {
                return Math.pow(10, from + (i + (target - below) / counts[i]) * step);
            }
            below += counts[i];
        }
        return Double.NaN;
    }
}
