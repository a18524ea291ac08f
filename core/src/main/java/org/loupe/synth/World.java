package org.loupe.synth;

/** Worlds with a name: one difficulty each, the rest as in {@link #EASY}. */
public enum World {
    /** 256 features in 64 dimensions that fire alike and independently, at strengths uniform on (0, 1]. */
    EASY,
    /** Probabilities fall as 1/rank. */
    ZIPF,
    /** Features in groups of four whose firing is correlated with ρ = 0.5. */
    CORRELATED,
    /** 64 parents with three children each. */
    HIERARCHICAL,
    /** Each strength has a random sign. */
    SIGNED;

    /** The configuration, with seed 0. */
    public SynthConfig config() {
        return new SynthConfig(
                256,
                64,
                196_608,
                16_384,
                this == ZIPF ? Firing.ZIPF : Firing.FLAT,
                5.12,
                1,
                Magnitude.UNIFORM,
                this == CORRELATED ? 0.5 : 0,
                4,
                this == HIERARCHICAL ? 3 : 0,
                0.01,
                this == SIGNED,
                0,
                0);
    }
}
