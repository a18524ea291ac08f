package org.loupe.experiment;

import java.util.Map;

/**
 * One thing measured once.
 *
 * @param part of the experiment: a synthetic world, or the language model
 * @param variant what is compared
 * @param seconds that it took, training included
 * @param values by quantity; one that does not apply is missing
 * @param curves by name
 */
public record Trial(
        String part, String variant, int seed, double seconds, Map<String, Double> values, Map<String, Curve> curves) {
    /**
     * Values over an axis.
     *
     * @param x places
     * @param y values there
     */
    public record Curve(double[] x, double[] y) {
        public Curve {
            if (x.length != y.length) {
                throw new IllegalArgumentException("a curve of " + x.length + " places and " + y.length + " values");
            }
        }
    }

    /** What was measured, before it is known how long it took. */
    public record Outcome(Map<String, Double> values, Map<String, Curve> curves) {
        public static Outcome of(Map<String, Double> values) {
            return new Outcome(values, Map.of());
        }
    }
}
