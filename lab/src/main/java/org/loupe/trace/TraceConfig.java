package org.loupe.trace;

import org.loupe.io.BadInput;
import org.loupe.lm.MlpRule;

/**
 * How large a graph becomes. The defaults of both thresholds are circuit-tracer's.
 *
 * @param nodeThreshold share of all nodes' influence that the kept ones have
 * @param edgeThreshold share of all edges' influence that the kept ones have
 * @param maxNodes latent nodes whose incoming edges are computed, the most influential ones first
 * @param mlps what edges through an MLP are
 */
public record TraceConfig(double nodeThreshold, double edgeThreshold, int maxNodes, MlpRule mlps) {
    public static final TraceConfig DEFAULT = new TraceConfig(0.8, 0.98, 1000, MlpRule.SPLIT);

    /** Logit nodes at most. */
    public static final int MOST_LOGITS = 10;

    /** Probability that the logit nodes have together, where not more than {@link #MOST_LOGITS} of them are needed for it. */
    public static final double LOGIT_PROBABILITY = 0.95;

    public TraceConfig {
        requireShare("node threshold", nodeThreshold);
        requireShare("edge threshold", edgeThreshold);
        if (maxNodes < 1) {
            throw new BadInput("the number of latent nodes is " + maxNodes + ", expected at least 1");
        }
    }

    private static void requireShare(String what, double value) {
        if (!(value > 0 && value <= 1)) {
            throw new BadInput("the " + what + " is " + value + ", expected above 0 and at most 1");
        }
    }
}
