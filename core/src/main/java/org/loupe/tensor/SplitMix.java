package org.loupe.tensor;

import java.util.SplittableRandom;

/** Random bits as a pure function of numbers: what needs no state to be resumed. */
public final class SplitMix {
    private SplitMix() {}

    /** A generator for one of a seed's streams. */
    public static SplittableRandom random(long seed, long stream) {
        return new SplittableRandom(mix(mix(seed, 1), stream));
    }

    /**
     * One step of SplitMix64 (Steele, Lea, Flood 2014) over the pair. Seeds of a {@code SplittableRandom} that differ by multiples of
     * 0x9E3779B97F4A7C15 give one stream, shifted: they are to be mixed first.
     */
    public static long mix(long state, long salt) {
        long z = state + salt * 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
