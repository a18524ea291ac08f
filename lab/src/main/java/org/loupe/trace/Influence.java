package org.loupe.trace;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How much of what reaches the logits comes by way of a node, as circuit-tracer has it. With B the weights' sizes, each target's row
 * divided by its sum,
 *
 * <pre>
 * influence = p (B + B² + …) = p ((I − B)⁻¹ − I)
 * </pre>
 *
 * p the probabilities of the logits. The sum ends, as edges lead from earlier SAEs to later ones.
 */
final class Influence {
    private Influence() {}

    /**
     * Over the edges known so far, of the sources.
     *
     * @param latents targets, and {@code chosen} their places among the sources
     */
    static double[] partial(
            List<Tracer.Target> logits, List<Tracer.Target> latents, List<Integer> chosen, int sources) {
        double[] influence = new double[sources];
        for (Tracer.Target logit : logits) {
            if (logit.node() instanceof GraphNode.Logit node) {
                spread(node.probability(), logit.weights(), influence);
            }
        }
        IntStream.range(0, chosen.size())
                .boxed()
                .sorted(Comparator.comparingInt((Integer i) -> -chosen.get(i)))
                .forEach(i -> spread(influence[chosen.get(i)], latents.get(i).weights(), influence));
        return influence;
    }

    /**
     * Of the nodes of a graph.
     *
     * @param weights [nodes × nodes], targets' rows: every edge leads from a node to one that stands later among the latents, or to a
     *     logit
     * @param p [nodes], 0 but for the logits
     */
    static double[] of(float[][] weights, double[] p) {
        double[] influence = new double[p.length];
        for (int n = p.length - 1; n >= 0; n--) {
            spread(influence[n] + p[n], weights[n], influence);
        }
        return influence;
    }

    /** Gives a target's influence to its sources by the sizes of their edges. */
    private static void spread(double influence, float[] weights, double[] to) {
        double sum = sum(weights);
        if (influence == 0 || sum == 0) {
            return;
        }
        for (int s = 0; s < weights.length; s++) {
            to[s] += influence * Math.abs(weights[s]) / sum;
        }
    }

    /** Σ |w|. */
    static double sum(float[] weights) {
        double sum = 0;
        for (float weight : weights) {
            sum += Math.abs(weight);
        }
        return sum;
    }

    /** The score of the last one that is needed for a share of all scores, the largest first. */
    static double threshold(double[] scores, double share) {
        double[] sorted = Arrays.stream(scores).sorted().toArray();
        double total = Arrays.stream(sorted).sum();
        double sum = 0;
        int at = sorted.length;
        while (at > 0 && sum < share * total) {
            sum += sorted[--at];
        }
        return at == sorted.length ? 0 : sorted[at];
    }
}
