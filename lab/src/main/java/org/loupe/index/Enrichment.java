package org.loupe.index;

import org.jspecify.annotations.Nullable;

/**
 * How much more often a category occurs among the documents on which a latent fires most strongly than in the whole store:
 * of N labelled documents K are of the category; n of them were drawn (the strongest), x of those are of the category.
 *
 * <pre>
 * lift = (x / n) / (K / N)          p = P(X ≥ x),  X ~ Hypergeometric(N, K, n)
 * </pre>
 *
 * @param hits x
 * @param drawn n
 * @param base K / N
 * @param lift see above
 * @param log10P log₁₀ p, of this category alone
 */
public record Enrichment(int hits, int drawn, double base, double lift, double log10P) {
    /** A label needs p below this, divided by the number of categories looked at (Bonferroni). */
    public static final double SIGNIFICANCE = 1e-6;

    /** A label needs a lift above this. */
    public static final double LIFT = 3;

    /** How many documents of a store have each category. */
    public record Base(int[] perCategory, int total) {
        public static Base of(int[] category, int categories) {
            int[] counts = new int[categories];
            int total = 0;
            for (int c : category) {
                if (c >= 0) {
                    counts[c]++;
                    total++;
                }
            }
            return new Base(counts, total);
        }
    }

    /** The category with the smallest p; of equal ones the first. */
    public record Best(int category, Enrichment enrichment) {}

    /**
     * The most enriched category among documents; null where none of them has one.
     *
     * @param drawn document numbers, distinct
     * @param category category of each document of the store, −1 for none
     */
    public static @Nullable Best best(int[] drawn, int[] category, Base base) {
        int[] hits = new int[base.perCategory().length];
        int n = 0;
        for (int document : drawn) {
            if (category[document] >= 0) {
                hits[category[document]]++;
                n++;
            }
        }
        Best best = null;
        for (int c = 0; c < hits.length; c++) {
            if (hits[c] == 0) {
                continue;
            }
            double rate = (double) base.perCategory()[c] / base.total();
            double log10P = logUpperTail(base.total(), base.perCategory()[c], n, hits[c]) / Math.log(10);
            if (best == null || log10P < best.enrichment().log10P()) {
                best = new Best(c, new Enrichment(hits[c], n, rate, (double) hits[c] / n / rate, log10P));
            }
        }
        return best;
    }

    /** Whether it is strong enough to name the latent after it. */
    public boolean clear(int categories) {
        return lift > LIFT && log10P < Math.log10(SIGNIFICANCE / categories);
    }

    /**
     * ln P(X ≥ x) for X ~ Hypergeometric(N, K, n): the first term in logarithms, the others as ratios to it. Exact to
     * rounding however small it is; costs O(n).
     *
     * @param population N
     * @param successes K ≤ N
     * @param draws n ≤ N
     * @param hits x
     */
    static double logUpperTail(int population, int successes, int draws, int hits) {
        int lowest = Math.max(0, draws - (population - successes));
        if (hits <= lowest) {
            return 0;
        }
        int highest = Math.min(draws, successes);
        if (hits > highest) {
            return Double.NEGATIVE_INFINITY;
        }
        double term = 1;
        double sum = 1;
        for (int i = hits; i < highest; i++) {
            term *= (double) (successes - i) * (draws - i) / ((i + 1.0) * (population - successes - draws + i + 1.0));
            sum += term;
        }
        double first = logChoose(successes, hits)
                + logChoose(population - successes, draws - hits)
                - logChoose(population, draws);
        return Math.min(0, first + Math.log(sum));
    }

    private static double logChoose(int n, int k) {
        double log = 0;
        for (int i = 1; i <= k; i++) {
            log += Math.log((n - k + i) / (double) i);
        }
        return log;
    }
}
