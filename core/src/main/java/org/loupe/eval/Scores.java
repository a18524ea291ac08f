package org.loupe.eval;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * Figures by metric, in the order of {@link Metric}. A metric that was not measured, or is not defined, is absent.
 *
 * @param values not modified afterwards
 */
public record Scores(Map<Metric, Double> values) {
    public static final Scores NONE = new Scores(Map.of());

    public Scores {
        Map<Metric, Double> copy = new EnumMap<>(Metric.class);
        copy.putAll(values);
        values = Collections.unmodifiableMap(copy);
    }

    /** A figure; NaN where it is absent. */
    public double value(Metric metric) {
        return values.getOrDefault(metric, Double.NaN);
    }

    /** Whether a figure is there. */
    public boolean has(Metric metric) {
        return values.containsKey(metric);
    }

    /** These figures and one more; a NaN adds nothing. */
    public Scores with(Metric metric, double value) {
        if (Double.isNaN(value)) {
            return this;
        }
        return with(new Scores(Map.of(metric, value)));
    }

    /** These figures and others, which win where both have one. */
    public Scores with(Scores others) {
        Map<Metric, Double> all = new EnumMap<>(Metric.class);
        all.putAll(values);
        all.putAll(others.values);
        return new Scores(all);
    }
}
