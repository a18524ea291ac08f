package org.loupe.train;

/** What holds of the dictionary rows' lengths. */
public enum Norms {
    /** 1, by projection after each step; the gradient's part along the row is removed before. */
    UNIT,
    /** Free; the penalty is weighted by them (Anthropic, Circuits Updates April 2024). */
    FREE
}
