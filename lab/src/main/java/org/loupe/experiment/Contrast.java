package org.loupe.experiment;

/**
 * A difference of two variants.
 *
 * @param difference seed by seed
 */
public record Contrast(Spread difference) {
    /** What the seeds allow to say. */
    public enum Direction {
        LESS,
        MORE,
        /** The 95 % interval has both signs, or there are too few seeds for one. */
        UNCLEAR
    }

    public Direction direction() {
        double mean = difference.mean();
        double error = difference.error();
        if (Double.isNaN(error) || Math.abs(mean) <= error) {
            return Direction.UNCLEAR;
        }
        return mean < 0 ? Direction.LESS : Direction.MORE;
    }

    public boolean less() {
        return direction() == Direction.LESS;
    }

    public boolean more() {
        return direction() == Direction.MORE;
    }

    /** The difference with its interval: "−0.021 ± 0.006". */
    public String text() {
        return (difference.mean() > 0 ? "+" : "")
                + Say.number(difference.mean())
                + (Double.isNaN(difference.error()) ? " (one seed)" : " ± " + Say.number(difference.error()));
    }
}
