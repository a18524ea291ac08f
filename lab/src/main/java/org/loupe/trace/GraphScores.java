package org.loupe.trace;

/**
 * How much of a graph runs through latents, as circuit-tracer measures it on the graph before pruning; constants are no nodes.
 *
 * @param replacement influence of tokens / influence of tokens and errors
 * @param completeness the share of each node's incoming edges that errors do not have, by size, averaged over nodes with the
 *     weight of their influence
 */
public record GraphScores(double replacement, double completeness) {
    /** Scores a graph. */
    public static GraphScores of(AttributionGraph graph) {
        double[] p = graph.logitWeights();
        double[] influence = Influence.of(graph.weights(), p);
        double tokens = sum(influence, graph.firstToken(), graph.firstLogit());
        double errors = sum(influence, graph.latents(), graph.firstToken());
        double explained = 0;
        double all = 0;
        for (int n = 0; n < p.length; n++) {
            float[] row = graph.weights()[n];
            double total = Influence.sum(row);
            double ofErrors = 0;
            for (int s = graph.latents(); s < graph.firstToken(); s++) {
                ofErrors += Math.abs(row[s]);
            }
            double weight = influence[n] + p[n];
            explained += weight * (total > 0 ? 1 - ofErrors / total : 1);
            all += weight;
        }
        return new GraphScores(tokens / (tokens + errors), explained / all);
    }

    private static double sum(double[] values, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += values[i];
        }
        return sum;
    }
}
