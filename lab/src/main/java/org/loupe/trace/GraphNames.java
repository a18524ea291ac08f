package org.loupe.trace;

import java.util.function.Function;
import java.util.function.IntFunction;
import org.loupe.lm.Tokenizer;

/**
 * What people read of a graph.
 *
 * @param token the text of a token id
 * @param label what a latent is about, empty where nothing is known
 */
public record GraphNames(IntFunction<String> token, Function<GraphNode.Latent, String> label) {
    /** A tokenizer's texts; {@code #id} for rows of the unembedding that pad it and are no token. */
    public static IntFunction<String> tokens(Tokenizer tokenizer) {
        return id -> id < tokenizer.vocabulary() ? tokenizer.token(id) : "#" + id;
    }

    /** A token on one line, with circuit-tracer's signs for line breaks and tabs. */
    String line(int id) {
        return token.apply(id).replace('\n', '⏎').replace('\t', '→').replace('\r', '↵');
    }
}
