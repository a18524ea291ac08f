package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.experiment.Trial;

/** What shares of a population lie below. */
final class Quantiles {
    private static final double[] PLACES = {0.05, 0.15, 0.25, 0.35, 0.45, 0.5, 0.55, 0.65, 0.75, 0.85, 0.95};

    private Quantiles() {}

    /** Quantiles over their shares, in per cent of the population. */
    static Trial.Curve curve(double[] values) {
        return new Trial.Curve(
                Arrays.stream(PLACES).map(p -> 100 * p).toArray(),
                Arrays.stream(PLACES).map(p -> of(values, p)).toArray());
    }

    /** The value below which a share of the finite values lies, between neighbours linearly; NaN where there are none. */
    static double of(double[] values, double share) {
        double[] sorted =
                Arrays.stream(values).filter(Double::isFinite).sorted().toArray();
        if (sorted.length == 0) {
            return Double.NaN;
        }
        double at = share * (sorted.length - 1);
        int below = (int) at;
        double rest = at - below;
        return rest == 0 ? sorted[below] : (1 - rest) * sorted[below] + rest * sorted[below + 1];
    }

    static double median(double[] values) {
        return of(values, 0.5);
    }
}
