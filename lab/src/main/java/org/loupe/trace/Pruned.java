package org.loupe.trace;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * What of a graph is shown, by circuit-tracer's rules: the nodes of largest influence that together have a share of all, every token and
 * logit; of the edges among them those of largest influence that together have a share of all; no latent without an edge in and
 * one out, and no error without one out.
 *
 * @param nodes [nodes], which are kept
 * @param edges [nodes × nodes], which are kept, rows: targets
 * @param cumulative [nodes], the share of all influence that a node and all of larger influence have together
 */
public record Pruned(boolean[] nodes, boolean[][] edges, double[] cumulative) {
    /** Prunes a graph. */
    public static Pruned of(AttributionGraph graph, TraceConfig config) {
        double[] p = graph.logitWeights();
        double[] influence = Influence.of(graph.weights(), p);
        double bar = Influence.threshold(influence, config.nodeThreshold());
        boolean[] nodes = new boolean[p.length];
        for (int n = 0; n < nodes.length; n++) {
            nodes[n] = n >= graph.firstToken() || influence[n] >= bar;
        }
        boolean[][] edges = edges(graph, nodes, p, config.edgeThreshold());
        while (dropLoose(graph, nodes, edges)) {
            for (int n = 0; n < nodes.length; n++) {
                for (int s = 0; s < nodes.length; s++) {
                    edges[n][s] &= nodes[n] && nodes[s];
                }
            }
        }
        return new Pruned(nodes, edges, cumulative(influence));
    }

    /** An edge's influence is that of its target, its own logit's probability included, times its share of the target's row. */
    private static boolean[][] edges(AttributionGraph graph, boolean[] nodes, double[] p, double share) {
        int size = nodes.length;
        float[][] among = new float[size][size];
        for (int n = 0; n < size; n++) {
            for (int s = 0; s < size; s++) {
                among[n][s] = nodes[n] && nodes[s] ? graph.weights()[n][s] : 0;
            }
        }
        double[] influence = Influence.of(among, p);
        double[][] scores = new double[size][size];
        for (int n = 0; n < size; n++) {
            double sum = Influence.sum(among[n]);
            for (int s = 0; s < size && sum > 0; s++) {
                scores[n][s] = (influence[n] + p[n]) * Math.abs(among[n][s]) / sum;
            }
        }
        double bar = Influence.threshold(
                Arrays.stream(scores).flatMapToDouble(Arrays::stream).toArray(), share);
        boolean[][] edges = new boolean[size][size];
        for (int n = 0; n < size; n++) {
            for (int s = 0; s < size; s++) {
                edges[n][s] = scores[n][s] > 0 && scores[n][s] >= bar;
            }
        }
        return edges;
    }

    private static boolean dropLoose(AttributionGraph graph, boolean[] nodes, boolean[][] edges) {
        boolean dropped = false;
        for (int n = 0; n < graph.firstToken(); n++) {
            int node = n;
            boolean out = Arrays.stream(edges).anyMatch(row -> row[node]);
            boolean in = n >= graph.latents() || has(edges[n]);
            if (nodes[n] && !(out && in)) {
                nodes[n] = false;
                dropped = true;
            }
        }
        return dropped;
    }

    private static boolean has(boolean[] row) {
        for (boolean one : row) {
            if (one) {
                return true;
            }
        }
        return false;
    }

    private static double[] cumulative(double[] influence) {
        double total = Arrays.stream(influence).sum();
        double[] out = new double[influence.length];
        double[] sum = new double[1];
        IntStream.range(0, out.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer n) -> -influence[n]))
                .forEach(n -> {
                    sum[0] += influence[n];
                    out[n] = total > 0 ? sum[0] / total : 0;
                });
        return out;
    }

    /** How many nodes are kept. */
    public int nodeCount() {
        return Math.toIntExact(
                IntStream.range(0, nodes.length).filter(n -> nodes[n]).count());
    }

    /** How many edges are kept. */
    public int edgeCount() {
        int count = 0;
        for (boolean[] row : edges) {
            for (boolean edge : row) {
                count += edge ? 1 : 0;
            }
        }
        return count;
    }
}
