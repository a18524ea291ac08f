package org.loupe.index;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;

/**
 * What the index knows of one latent, its examples aside.
 *
 * @param latent its number
 * @param count rows on which it fires (activation above 0)
 * @param density count / rows of the store
 * @param documents documents in which it fires
 * @param mean mean |f| over the rows on which it fires; 0 if it never does
 * @param max largest |f|
 * @param histogram counts in {@link IndexConfig#HISTOGRAM_BINS} equal-width bins of (0, max]
 * @param best the most enriched category, clear or not; null where the documents have none
 * @param category name of that category, or empty
 * @param label category and commonest tokens where the enrichment is clear, else empty
 * @param topTokens commonest strongest tokens of the strongest documents, most frequent first; lower case, with a
 *     hyphen before one that continues a word
 * @param topTokenCounts how many of those documents each has
 * @param flags what to keep in mind about it
 * @param lens promoted and suppressed tokens; empty lists without a language model
 * @param neighbours nearest dictionary rows by cosine of their decoder rows
 * @param cosines their cosines
 */
public record LatentProfile(
        int latent,
        long count,
        double density,
        int documents,
        float mean,
        float max,
        int[] histogram,
        @Nullable Enrichment best,
        String category,
        String label,
        List<String> topTokens,
        List<Integer> topTokenCounts,
        List<Flag> flags,
        Lens lens,
        int[] neighbours,
        float[] cosines) {
    /** A caution about a latent. The rules are over its strongest documents (50 by default), at least 10 of them. */
    public enum Flag {
        /** Fires on no row of the store. */
        DEAD("dead"),
        /** At least 80 % of its strongest tokens are one string, case and leading space aside. */
        SINGLE_TOKEN("single token"),
        /** At least 80 % of its strongest tokens stand at one position of their document, or at two neighbouring ones. */
        POSITION("position");

        private final String text;

        Flag(String text) {
            this.text = text;
        }

        /** The flag of that text, as {@link #text} gives it. */
        static Flag of(String text) {
            for (Flag flag : values()) {
                if (flag.text.equals(text)) {
                    return flag;
                }
            }
            throw new BadInput("the index has a flag '" + text + "' that this version does not know");
        }

        /** The flag in words, as the files have it. */
        public String text() {
            return text;
        }
    }

    /**
     * Direct effect of a latent's decoder row on the next-token logits: W_U (w_norm ∘ d), the final norm's division left out
     * (nostalgebraist 2020, "interpreting GPT: the logit lens").
     */
    public record Lens(
            List<String> promoted, float[] promotedLogits, List<String> suppressed, float[] suppressedLogits) {
        /** No language model, or a decoder that does not write to the residual stream. */
        public static final Lens NONE = new Lens(List.of(), new float[0], List.of(), new float[0]);
    }

    /** The same latent with its lens and neighbours. */
    LatentProfile with(Lens newLens, int[] newNeighbours, float[] newCosines) {
        return new LatentProfile(
                latent,
                count,
                density,
                documents,
                mean,
                max,
                histogram,
                best,
                category,
                label,
                topTokens,
                topTokenCounts,
                flags,
                newLens,
                newNeighbours,
                newCosines);
    }
}
