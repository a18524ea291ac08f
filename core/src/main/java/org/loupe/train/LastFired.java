package org.loupe.train;

import java.util.Arrays;
import java.util.function.IntPredicate;

/** When each latent last fired, counted in rows seen. */
final class LastFired {
    private final long[] rows;
    private final long deadAfter;

    /** @param deadAfter rows without firing after which a latent is dead */
    LastFired(int latents, long deadAfter) {
        this.rows = new long[latents];
        this.deadAfter = deadAfter;
    }

    /** Rows seen when each latent last fired, shared. */
    long[] rows() {
        return rows;
    }

    /** Latents that are dead after so many rows, ascending. */
    int[] dead(long seen) {
        int[] dead = new int[rows.length];
        int n = 0;
        for (int i = 0; i < rows.length; i++) {
            if (seen - rows[i] >= deadAfter) {
                dead[n++] = i;
            }
        }
        return Arrays.copyOf(dead, n);
    }

    /** Notes which latents a batch has made fire. */
    void note(IntPredicate fired, long seen) {
        for (int i = 0; i < rows.length; i++) {
            if (fired.test(i)) {
                rows[i] = seen;
            }
        }
    }

    /** A latent that begins anew counts as firing. */
    void begin(int latent, long seen) {
        rows[latent] = seen;
    }
}
