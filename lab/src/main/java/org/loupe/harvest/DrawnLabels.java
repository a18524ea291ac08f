package org.loupe.harvest;

import org.loupe.tensor.SplitMix;

/**
 * Labels drawn from a model's own p, one a token. A draw depends on p, the seed and the token's place in the text, not on the cut into
 * batches, on threads, or on what ran before.
 */
public final class DrawnLabels {
    /** Sets the draws apart from what else the seed decides. */
    private static final long LABELS = 0x6C6162656CL;

    private final long seed;

    public DrawnLabels(long seed) {
        this.seed = SplitMix.mix(seed, LABELS);
    }

    /**
     * A label.
     *
     * @param p probabilities of all labels; not modified
     * @param place index of the token in the text, counted over rows of one length
     */
    public int of(float[] p, long place) {
        return draw(p, (SplitMix.mix(seed, place) >>> 11) * 0x1p-53);
    }

    /** The first v with Σ_{w ≤ v} p_w > u Σ p, in double. */
    static int draw(float[] p, double u) {
        double sum = 0;
        for (float each : p) {
            sum += each;
        }
        double left = u * sum;
        int label = 0;
        for (int v = 0; v < p.length && left >= 0; v++) {
            left -= p[v];
            label = p[v] > 0 ? v : label;
        }
        return label;
    }
}
