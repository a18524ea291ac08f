package org.loupe.train;

import java.util.Arrays;

/**
 * The entries of a batch, grouped by latent and in the order of rows within each: latent i owns places {@code starts[i]} to
 * {@code starts[i + 1]}. One thread takes a latent, so its sums have one order and need no atomics.
 */
final class EntriesByLatent {
    int[] starts = new int[0];

    /** Row of the inputs of each place. */
    int[] row = new int[0];

    /** Row of the gradient of each place: the same array where there is one level. */
    int[] gradientRow = new int[0];

    /** Activation f of each place. */
    float[] value = new float[0];

    /** dL/dz of each place. */
    float[] slope = new float[0];

    private int[] next = new int[0];

    /**
     * Regroups entries.
     *
     * @param cuts run l of row r holds entries cuts[r · levels + l] to cuts[r · levels + l + 1] − 1
     * @param inputLevels whether level l has inputs of its own, at row l · rows + r
     * @param latentOf what an index stands for, or an empty array where it is the latent itself
     */
    void regroup(
            int rows,
            int levels,
            int[] cuts,
            boolean inputLevels,
            int[] index,
            float[] f,
            float[] slopes,
            int[] latentOf,
            int latents) {
        int entries = cuts[rows * levels];
        allocate(entries, levels > 1 && !inputLevels, latents);
        Arrays.fill(next, 0);
        for (int e = 0; e < entries; e++) {
            next[latent(index[e], latentOf)]++;
        }
        int sum = 0;
        for (int i = 0; i < latents; i++) {
            starts[i] = sum;
            sum += next[i];
            next[i] = starts[i];
        }
        starts[latents] = sum;
        for (int r = 0; r < rows; r++) {
            for (int l = 0; l < levels; l++) {
                int stacked = l * rows + r;
                for (int e = cuts[r * levels + l]; e < cuts[r * levels + l + 1]; e++) {
                    int place = next[latent(index[e], latentOf)]++;
                    row[place] = inputLevels ? stacked : r;
                    gradientRow[place] = stacked;
                    value[place] = f[e];
                    slope[place] = slopes[e];
                }
            }
        }
    }

    /** Whether a latent has an activation that is not 0. */
    boolean fired(int latent) {
        for (int place = starts[latent]; place < starts[latent + 1]; place++) {
            if (value[place] != 0) {
                return true;
            }
        }
        return false;
    }

    private void allocate(int entries, boolean apart, int latents) {
        if (starts.length != latents + 1) {
            starts = new int[latents + 1];
            next = new int[latents];
        }
        if (row.length < entries) {
            row = new int[entries];
            gradientRow = apart ? new int[entries] : row;
            value = new float[entries];
            slope = new float[entries];
        }
    }

    private static int latent(int index, int[] latentOf) {
        return latentOf.length == 0 ? index : latentOf[index];
    }
}
