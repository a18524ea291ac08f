package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.loupe.sae.Latents;

class LatentMetricsTest {
    /** Row 0: latent 0 at 2, latent 3 at −0.5. Row 1: latent 0 at 4, latent 2 at 0, which is not firing. */
    private static LatentMetrics twoRows() {
        LatentMetrics metrics = new LatentMetrics(5);
        metrics.add(new Latents(new int[] {0, 2}, new int[] {0, 3}, new float[] {2, -0.5f}, 5));
        metrics.add(new Latents(new int[] {0, 2}, new int[] {0, 2}, new float[] {4, 0}, 5));
        return metrics;
    }

    @Test
    void twoRowsByHand() {
        Scores scores = twoRows().scores();
        assertEquals(3.0 / 2, scores.value(Metric.L0));
        assertEquals(6.5 / 2, scores.value(Metric.L1));
        assertEquals(3.0 / 5, scores.value(Metric.DEAD_FRACTION));
        assertArrayEquals(new long[] {2, 0, 0, 1, 0}, twoRows().fired());
    }

    @Test
    void densityCountsLivingLatentsByFrequency() {
        Histogram density = twoRows().density();
        // Frequencies 1/2 (log10 −0.301) and 1 (on the upper edge, so in the last bin); bins of 0.1 decades.
        assertEquals(2, density.total());
        assertEquals(-0.4, density.from(), 1e-9);
        assertArrayEquals(new long[] {1, 0, 0, 1}, density.counts());
    }

    @Test
    void activationsCountBySize() {
        Histogram sizes = twoRows().activations();
        // log10 of 0.5, 2, 4: −0.301, 0.301, 0.602.
        assertEquals(-0.4, sizes.from(), 1e-9);
        assertArrayEquals(new long[] {1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1}, sizes.counts());
    }

    @Test
    void quantilesInterpolateWithinABin() {
        Histogram histogram = new Histogram("x", 0, 1, new long[] {1, 0, 3});
        assertEquals(1, histogram.quantile(0), 1e-12);
        assertEquals(10, histogram.quantile(0.25), 1e-12);
        assertEquals(Math.pow(10, 2 + 1.0 / 3), histogram.quantile(0.5), 1e-9);
        assertEquals(1000, histogram.quantile(1), 1e-9);
    }

    @Test
    void anotherDictionaryIsRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new LatentMetrics(4).add(new Latents(new int[] {0}, new int[0], new float[0], 5)));
    }
}
