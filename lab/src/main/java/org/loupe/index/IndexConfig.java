package org.loupe.index;

/**
 * What decides the content of a feature index, beside the SAE and the store.
 *
 * @param top strongest documents shown for each latent, at most one example a document
 * @param intervals equal-width intervals of (0, max activation] from which further examples are sampled
 * @param perInterval examples sampled from each interval
 * @param labelDocuments strongest documents whose categories and tokens decide the label and the flags
 * @param seed decides which documents of an interval are sampled, and the permuted labels of the null
 */
public record IndexConfig(int top, int intervals, int perInterval, int labelDocuments, long seed) {
    /** 20 top examples, 4 from each of 5 intervals (the counts of SAEDashboard are 20 and 5 of 5), labels from 50. */
    public static final IndexConfig DEFAULT = new IndexConfig(20, 5, 4, 50, 0);

    /** Tokens shown before the strongest one of an example. */
    static final int BEFORE = 24;

    /** Tokens shown after it. */
    static final int AFTER = 16;

    /** Equal-width bins of (0, max activation] in a latent's histogram. */
    static final int HISTOGRAM_BINS = 40;

    public IndexConfig {
        if (top < 1 || intervals < 1 || perInterval < 0 || labelDocuments < 1) {
            throw new IllegalArgumentException("index: top " + top + ", intervals " + intervals + ", perInterval "
                    + perInterval + ", labelDocuments " + labelDocuments + "; all but perInterval must be positive");
        }
    }
}
