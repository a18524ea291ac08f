package org.loupe.train;

/** How far x̂ is from x. */
public enum Loss {
    /** Σ‖x − x̂‖². */
    SQUARED,
    /** Σ‖x − x̂‖, not squared. */
    NORM
}
