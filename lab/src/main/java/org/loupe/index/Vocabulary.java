package org.loupe.index;

import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.loupe.lm.LanguageModel;

/**
 * What the tokens of a store are.
 *
 * @param pieces the text of a token id, leading space kept; called from several threads
 * @param model the model whose unembedding gives the logit lens; null for none
 */
public record Vocabulary(
        IntFunction<String> pieces, @Nullable LanguageModel model) {
    /** No model at hand: tokens are shown as {@code #id}, and there is no logit lens. */
    public static Vocabulary unknown() {
        return new Vocabulary(id -> "#" + id, null);
    }

    /** A model's tokens, each decoded once. */
    public static Vocabulary of(LanguageModel model) {
        @Nullable String[] known = new @Nullable String[model.info().vocabulary()];
        return new Vocabulary(
                id -> {
                    String piece = known[id];
                    if (piece == null) {
                        piece = model.tokenizer().token(id);
                        known[id] = piece;
                    }
                    return piece;
                },
                model);
    }
}
