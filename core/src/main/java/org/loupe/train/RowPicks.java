package org.loupe.train;

import java.util.SplittableRandom;
import org.loupe.tensor.SplitMix;

/** Which rows of a batch latents are put on: a random order of its rows, given by the run's seed and the step. */
record RowPicks(int[] order) {
    static RowPicks of(long seed, long step, int rows) {
        SplittableRandom random = SplitMix.random(seed, step);
        int[] order = new int[rows];
        for (int r = 0; r < rows; r++) {
            int at = random.nextInt(r + 1);
            order[r] = order[at];
            order[at] = r;
        }
        return new RowPicks(order);
    }

    /** The n-th pick: each row once before any of them twice. */
    int row(int n) {
        return order[n % order.length];
    }
}
