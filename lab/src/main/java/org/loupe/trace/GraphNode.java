package org.loupe.trace;

/** A node of an attribution graph. */
public sealed interface GraphNode {
    /** Index of its token, from 0; what the model expects before a text is counted. */
    int position();

    /**
     * An active latent on a token.
     *
     * @param sae number of its SAE in the graph
     * @param activation f
     */
    record Latent(int sae, int position, int latent, float activation) implements GraphNode {}

    /**
     * What an SAE leaves out of a row, x − x̂; of a row above the norm limit all of it.
     *
     * @param sae number of the SAE in the graph
     */
    record ErrorTerm(int sae, int position) implements GraphNode {}

    /**
     * A token's embedding.
     *
     * @param id token id
     */
    record Token(int position, int id) implements GraphNode {}

    /**
     * A next token.
     *
     * @param position of the last token of the prompt
     * @param id token id
     * @param probability that the model gives it
     */
    record Logit(int position, int id, double probability) implements GraphNode {}
}
