package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class RanksTest {
    /** scipy 1.17.1: spearmanr([1, 2, 2, 5, 7, 3], [3, 1, 4, 4, 9, 4]) = 0.8008534347238067 */
    @Test
    void tiesShareTheirRanks() {
        double[] x = {1, 2, 2, 5, 7, 3};
        double[] y = {3, 1, 4, 4, 9, 4};
        assertEquals(SCIPY, Ranks.spearman(x, y), 1e-12);
    }

    private static final double SCIPY = 0.8008534347238067;

    @Test
    void ranksDoNotSeeTheScale() {
        double[] x = {0.1, 5, 2, 9};
        double[] y = {Math.exp(0.1), Math.exp(5), Math.exp(2), Math.exp(9)};
        assertEquals(1, Ranks.spearman(x, y), 1e-15);
        assertTrue(Ranks.pearson(x, y) < 0.95);
    }

    @Test
    void withoutSpreadThereIsNoCorrelation() {
        assertTrue(Double.isNaN(Ranks.spearman(new double[] {1, 1}, new double[] {1, 2})));
        assertTrue(Double.isNaN(Ranks.spearman(new double[] {1}, new double[] {2})));
    }
}
