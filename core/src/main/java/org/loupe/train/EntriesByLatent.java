package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.ActiveRows;

/**
 * The active entries of a batch, grouped by latent and in the order of rows within each: latent i owns places {@code
 * starts[i]} to {@code starts[i + 1]}. One thread takes a latent, so its sums have one order and need no atomics.
 */
final class EntriesByLatent {
    int[] starts = new int[0];
    int[] row = new int[0];

    /** Activation f of each place. */
    float[] value = new float[0];

    /** dL/df of each place. */
    float[] slope = new float[0];

    private int[] next = new int[0];

    /**
     * Regroups a batch.
     *
     * @param slopes dL/df of each place of {@code active}
     * @param latentOf what an index of {@code active} stands for, or an empty array where it is the latent itself
     */
    void regroup(ActiveRows active, float[] slopes, int[] latentOf, int latents) {
        if (starts.length != latents + 1) {
            starts = new int[latents + 1];
            next = new int[latents];
        }
        if (row.length < active.entries()) {
            row = new int[active.entries()];
            value = new float[row.length];
            slope = new float[row.length];
        }
        Arrays.fill(next, 0);
        for (int r = 0; r < active.rows(); r++) {
            for (int e = active.starts()[r]; e < active.starts()[r + 1]; e++) {
                next[latent(active.index()[e], latentOf)]++;
            }
        }
        int sum = 0;
        for (int i = 0; i < latents; i++) {
            starts[i] = sum;
            sum += next[i];
            next[i] = starts[i];
        }
        starts[latents] = sum;
        for (int r = 0; r < active.rows(); r++) {
            for (int e = active.starts()[r]; e < active.starts()[r + 1]; e++) {
                int place = next[latent(active.index()[e], latentOf)]++;
                row[place] = r;
                value[place] = active.value()[e];
                slope[place] = slopes[e];
            }
        }
    }

    private static int latent(int index, int[] latentOf) {
        return latentOf.length == 0 ? index : latentOf[index];
    }
}
