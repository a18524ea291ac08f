package org.loupe.trace;

import java.util.Arrays;
import org.loupe.io.BadInput;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.Tokenizer;

/**
 * A text to trace.
 *
 * @param ids its tokens, after those that the model expects before a text
 * @param prefix how many those are
 */
public record Prompt(String text, int[] ids, int prefix) {
    /** @throws BadInput for a text without tokens */
    public static Prompt of(Tokenizer tokenizer, String text) {
        int[] own = tokenizer.encode(text);
        if (own.length == 0) {
            throw new BadInput("the prompt is empty: there is no token after which to predict the next one");
        }
        int[] before = tokenizer.prefix();
        int[] ids = new int[before.length + own.length];
        System.arraycopy(before, 0, ids, 0, before.length);
        System.arraycopy(own, 0, ids, before.length, own.length);
        return new Prompt(text, ids, before.length);
    }

    /** One document behind its prefix. */
    public TokenBatch batch() {
        int[] segments = new int[ids.length];
        Arrays.fill(segments, prefix, ids.length, 1);
        return new TokenBatch(ids, 1, ids.length, segments);
    }
}
