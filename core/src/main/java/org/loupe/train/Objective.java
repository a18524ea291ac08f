package org.loupe.train;

/** What training minimises beside its penalties. */
public enum Objective {
    /** The error of the rows, every direction alike. */
    LOCAL,
    /** The error weighed by what a store's gradients say that it does to the language model's output; {@link GradientConfig} says how. */
    GRADIENT_WEIGHTED
}
