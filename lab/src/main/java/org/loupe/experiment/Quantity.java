package org.loupe.experiment;

import java.util.Locale;
import org.loupe.eval.Metric;

/**
 * What a trial measures.
 *
 * @param key in files
 * @param label in tables and on axes
 * @param unit empty for a pure number
 * @param definition one sentence or formula
 */
public record Quantity(String key, String label, String unit, String definition) {
    /** A figure of evaluations. */
    public static Quantity of(Metric metric) {
        return new Quantity(
                metric.name().toLowerCase(Locale.ROOT),
                metric.label(),
                metric.unit().equals("%") ? "" : metric.unit(),
                metric.definition());
    }

    /** Label with unit. */
    public String axis() {
        return unit.isEmpty() ? label : label + " (" + unit + ")";
    }
}
