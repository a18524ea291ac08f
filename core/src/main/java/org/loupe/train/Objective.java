package org.loupe.train;

/** What training minimises beside its penalties. */
public enum Objective {
    /** The error of the rows, every direction alike. */
    LOCAL,
    /** The error weighed by what a store's gradients say that it does to the language model's output; {@link GradientConfig} says how. */
    GRADIENT_WEIGHTED,
    /** KL(model as it is ‖ with the reconstruction) of the next token (Braun et al. 2024, arXiv 2405.12241, end-to-end). */
    KL,
    /** Cross-entropy of the next token with the reconstruction. */
    CE,
    /** The error of the rows at later hook points of the model run on with the reconstruction (ibid., downstream). */
    DOWNSTREAM_MSE,
    /** All of these together, the local error included, by the weights of {@link DownstreamConfig}. */
    HYBRID;

    /** Whether the rest of a language model judges the reconstruction, in every step. */
    public boolean runsModel() {
        return switch (this) {
            case LOCAL, GRADIENT_WEIGHTED -> false;
            case KL, CE, DOWNSTREAM_MSE, HYBRID -> true;
        };
    }
}
