package org.loupe.trace;

import java.util.function.Function;
import java.util.function.IntFunction;

/**
 * What people read of a graph.
 *
 * @param token the text of a token id
 * @param label what a latent is about, empty where nothing is known
 */
public record GraphNames(IntFunction<String> token, Function<GraphNode.Latent, String> label) {
    /** A token on one line, with circuit-tracer's signs for line breaks and tabs. */
    String line(int id) {
        return token.apply(id).replace('\n', '⏎').replace('\t', '→').replace('\r', '↵');
    }
}
