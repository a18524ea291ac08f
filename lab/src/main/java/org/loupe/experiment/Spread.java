package org.loupe.experiment;

import java.util.Arrays;
import org.apache.commons.statistics.distribution.TDistribution;

/**
 * A value over seeds.
 *
 * @param count seeds
 * @param mean of them; NaN where there are none
 * @param low smallest
 * @param high largest
 * @param error half the width of the mean's 95 % interval, by Student's t; NaN for fewer than two
 */
public record Spread(int count, double mean, double low, double high, double error) {
    private static final double LEVEL = 0.975;

    /** The spread of what the values have more than a number. */
    public Spread above(double value) {
        return new Spread(count, mean - value, low - value, high - value, error);
    }

    public static Spread of(double... values) {
        int n = values.length;
        double mean = Arrays.stream(values).average().orElse(Double.NaN);
        double squares = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
        double error = n < 2
                ? Double.NaN
                : TDistribution.of(n - 1).inverseCumulativeProbability(LEVEL) * Math.sqrt(squares / (n - 1) / n);
        return new Spread(
                n,
                mean,
                Arrays.stream(values).min().orElse(Double.NaN),
                Arrays.stream(values).max().orElse(Double.NaN),
                error);
    }
}
