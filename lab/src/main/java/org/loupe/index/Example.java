package org.loupe.index;

import java.util.List;

/**
 * A piece of a document on which a latent fires.
 *
 * @param latent the latent
 * @param interval −1 for a top example, else the interval it was sampled from: i covers (i, i + 1] / intervals of the
 *     latent's largest activation
 * @param rank 0 for the first of its group
 * @param document number of the document in the store
 * @param category the document's category, or empty
 * @param activation the latent's activation of largest size in the document
 * @param at index in {@code tokens} where that is
 * @param position its position in the document, the prefix counted
 * @param cutBefore whether the document goes on before the first token
 * @param cutAfter whether it goes on after the last one
 * @param tokens the pieces of text, leading spaces kept
 * @param activations the latent's activation on each; 0 where it is silent, NaN where the store has no row (dropped)
 */
public record Example(
        int latent,
        int interval,
        int rank,
        int document,
        String category,
        float activation,
        int at,
        int position,
        boolean cutBefore,
        boolean cutAfter,
        List<String> tokens,
        float[] activations) {
    /** The same example at another place of its group. */
    Example ranked(int newRank) {
        return new Example(
                latent,
                interval,
                newRank,
                document,
                category,
                activation,
                at,
                position,
                cutBefore,
                cutAfter,
                tokens,
                activations);
    }
}
