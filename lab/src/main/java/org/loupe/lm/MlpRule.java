package org.loupe.lm;

/**
 * What backward makes of an MLP's silu(g) · u = σ(g) · g · u, g the gate and u the other factor, in {@link
 * LanguageModel#withFrozenGradients}.
 */
public enum MlpRule {
    /**
     * σ(g) is a constant and each of both factors has half of the product: σ(g) (u dg + g du) / 2. A linear map that gives the value
     * itself for the run's own g and u, so that what is traced through it adds up (the uniform rule for products of AttnLRP, Achtibat et
     * al. 2024, arXiv 2402.05602).
     */
    SPLIT,

    /** The derivative at the run's g and u. A product of two grows with the square, so its derivative times its input is up to twice it. */
    GRADIENT
}
