package org.loupe.synth;

import org.loupe.io.BadInput;

/**
 * A world with a known dictionary: how its rows are made. {@link Law} has the formulas.
 *
 * @param features number of true features, F
 * @param width of a row, d
 * @param rows to train on
 * @param evalRows to evaluate on; their codes are kept
 * @param firing how firing probabilities fall with rank
 * @param active mean number of active features of a row: the sum of the probabilities
 * @param zipfExponent of {@link Firing#ZIPF}
 * @param magnitude strength of a feature where it fires
 * @param correlation ρ, Pearson's correlation of the firing of two features of a group, in [0, 1]; 0: all independent
 * @param group features that fire together where ρ &gt; 0; of a hierarchy, parents
 * @param children of each parent; 0: no hierarchy
 * @param noise deviation of the Gaussian noise in each column
 * @param signed whether each strength has a random sign
 * @param mean norm of the offset that all rows have
 */
public record SynthConfig(
        int features,
        int width,
        long rows,
        int evalRows,
        Firing firing,
        double active,
        double zipfExponent,
        Magnitude magnitude,
        double correlation,
        int group,
        int children,
        double noise,
        boolean signed,
        double mean,
        long seed) {
    /** No feature fires on more rows than this share of them. */
    static final double MOST_PROBABLE = 0.5;

    public SynthConfig {
        require(features >= 1, "features", features, "at least 1");
        require(width >= 1, "width", width, "at least 1");
        require((long) features * width <= Integer.MAX_VALUE - 8, "features × width", (long) features * width, "< 2³¹");
        require(rows >= 1, "rows", rows, "at least 1");
        require(evalRows >= 1, "eval rows", evalRows, "at least 1");
        require(
                (long) evalRows * width <= Integer.MAX_VALUE - 8,
                "eval rows × width",
                (long) evalRows * width,
                "< 2³¹");
        require(finite(zipfExponent) && zipfExponent >= 0, "zipf exponent", zipfExponent, "at least 0");
        require(correlation >= 0 && correlation <= 1, "correlation", correlation, "from 0 to 1");
        require(group >= 1, "group", group, "at least 1");
        require(children >= 0 && children < features, "children", children, "from 0 to below features = " + features);
        if (features % (1 + children) != 0) {
            throw new BadInput("features is " + features + ", expected a multiple of a parent with its children: "
                    + (1 + children));
        }
        require(finite(noise) && noise >= 0, "noise", noise, "at least 0");
        require(finite(mean) && mean >= 0, "mean", mean, "at least 0");
        int parents = features / (1 + children);
        double most = parents * MOST_PROBABLE * Law.familySize(children);
        require(
                active > 0 && active <= most,
                "active",
                active,
                "above 0 and at most " + most + ", where each " + (children == 0 ? "feature" : "parent")
                        + " fires on half of the rows");
    }

    private static boolean finite(double value) {
        return value < Double.POSITIVE_INFINITY;
    }

    private static void require(boolean holds, String name, Object value, String rule) {
        if (!holds) {
            throw new BadInput(name + " is " + value + ", expected " + rule);
        }
    }

    /** Features that nothing but their group decides: the parents, or all where there is no hierarchy. */
    int heads() {
        return features / (1 + children);
    }

    /** Heads that fire together. */
    int groupSize() {
        return correlation > 0 ? group : 1;
    }
}
