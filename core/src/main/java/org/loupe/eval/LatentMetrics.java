package org.loupe.eval;

import org.loupe.sae.Latents;

/**
 * How the latents are used, streamed over batches. A latent fires on a row when its activation there is not 0.
 *
 * <pre>
 * L0 = (1/N) Σ #{i: fᵢ ≠ 0}       L1 = (1/N) Σ Σᵢ |fᵢ|
 * frequency of latent i = rows on which it fires / N        dead: frequency 0 on all the N rows
 * </pre>
 */
public final class LatentMetrics {
    private static final int BINS_PER_DECADE = 10;

    private final long[] fired;
    private final Histogram activations =
            Histogram.empty("activation |f|, units of the activations", -6, 6, BINS_PER_DECADE);
    private long rows;
    private long active;
    private double sum;

    public LatentMetrics(int latents) {
        this.fired = new long[latents];
    }

    /** Adds the latents of a batch of rows. */
    public void add(Latents latents) {
        if (latents.latents() != fired.length) {
            throw new IllegalArgumentException("metrics: " + latents.latents() + " latents, expected " + fired.length);
        }
        for (int e = 0; e < latents.entries(); e++) {
            float value = latents.value()[e];
            if (value != 0) {
                fired[latents.index()[e]]++;
                active++;
                sum += Math.abs(value);
                activations.add(Math.abs(value));
            }
        }
        rows += latents.rows();
    }

    /** L0, L1 and the dead fraction. */
    public Scores scores() {
        return Scores.NONE
                .with(Metric.L0, (double) active / rows)
                .with(Metric.L1, sum / rows)
                .with(Metric.DEAD_FRACTION, (double) dead() / fired.length);
    }

    /** Number of latents that fired on none of the rows. */
    public int dead() {
        int dead = 0;
        for (long count : fired) {
            dead += count == 0 ? 1 : 0;
        }
        return dead;
    }

    /** Rows on which each latent fired, [latents]. */
    public long[] fired() {
        return fired.clone();
    }

    /** Number of latents by firing frequency, dead ones left out. */
    public Histogram density() {
        Histogram density = Histogram.empty("firing frequency, share of rows", -8, 0, BINS_PER_DECADE);
        for (long count : fired) {
            if (count > 0) {
                density.add((double) count / rows);
            }
        }
        return density.trimmed();
    }

    /** Number of activations other than 0 by size. */
    public Histogram activations() {
        return activations.trimmed();
    }
}
