package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.List;

/**
 * Quarters of each latent's own activations, by size.
 *
 * @param edges values at which the second to the last quarter begin, [m][3]
 * @param means mean activation of each quarter, [m][4]
 */
record Bands(float[][] edges, float[][] means) {
    static final int COUNT = 4;

    /** From the weakest to the strongest. */
    static final List<String> NAMES =
            List.of("weakest quarter", "second quarter", "third quarter", "strongest quarter");

    static Bands of(FiringLists firings) {
        int m = firings.latents();
        Bands bands = new Bands(new float[m][COUNT - 1], new float[m][COUNT]);
        for (int i = 0; i < m; i++) {
            float[] sorted = firings.value()[i].clone();
            Arrays.sort(sorted);
            int n = sorted.length;
            for (int b = 1; b < COUNT && n > 0; b++) {
                bands.edges[i][b - 1] = sorted[b * n / COUNT];
            }
            double[] sum = new double[COUNT];
            int[] count = new int[COUNT];
            for (float value : sorted) {
                int band = bands.of(i, value);
                sum[band] += value;
                count[band]++;
            }
            for (int b = 0; b < COUNT; b++) {
                bands.means[i][b] = (float) (sum[b] / Math.max(1, count[b]));
            }
        }
        return bands;
    }

    /** The quarter of an activation: the number of edges that are not above it. */
    int of(int latent, float value) {
        int band = 0;
        while (band < COUNT - 1 && edges[latent][band] <= value) {
            band++;
        }
        return band;
    }
}
