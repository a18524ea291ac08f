package org.loupe.trace;

import java.util.List;

/**
 * Direct effects among the nodes of a prompt (Ameisen et al. 2025, "Circuit Tracing", transformer-circuits.pub/2025/attribution-graphs).
 * Nodes stand in circuit-tracer's order: latents, an error for each SAE and token, tokens, logits.
 *
 * @param saes in the order of a forward pass
 * @param nodes all nodes
 * @param latents how many of them are latents
 * @param logits how many are logits, the most probable one first
 * @param activeLatents latents active on the prompt, of which the nodes are the most influential ones
 * @param weights [nodes × nodes], row: target, column: source; rows of errors and tokens are 0
 * @param accounts of each node that is a target: latents, then logits
 */
public record AttributionGraph(
        Prompt prompt,
        List<TracedSae> saes,
        List<GraphNode> nodes,
        int latents,
        int logits,
        int activeLatents,
        float[][] weights,
        List<Account> accounts) {
    public AttributionGraph {
        saes = List.copyOf(saes);
        nodes = List.copyOf(nodes);
        accounts = List.copyOf(accounts);
    }

    /** The first token's place among the nodes; errors stand from {@link #latents} to there. */
    public int firstToken() {
        return firstLogit() - prompt.ids().length;
    }

    /** The first logit's place among the nodes. */
    public int firstLogit() {
        return nodes.size() - logits;
    }

    /** The account of the most probable next token. */
    public Account account() {
        return accounts.get(latents);
    }

    /** [nodes], the probabilities of the logits and 0 elsewhere. */
    double[] logitWeights() {
        double[] out = new double[nodes.size()];
        for (int n = firstLogit(); n < out.length; n++) {
            out[n] = nodes.get(n) instanceof GraphNode.Logit logit ? logit.probability() : 0;
        }
        return out;
    }
}
