package org.loupe.trace;

/**
 * What a target's value is the sum of.
 *
 * @param value what the rows bring to a latent's pre-activation, ⟨w s(x), x⟩ with w its encoder row and s the {@link
 *     org.loupe.sae.RowScore}'s factor; b_enc − ⟨w s(x), b_in⟩ is the rest of it. Of a token logit − mean logit
 * @param latents by latents
 * @param errors by errors
 * @param tokens by token embeddings, those before the text among them
 * @param constants by decoder biases, and at the SAEs' hook points by the rows of what the model expects before a text
 */
public record Account(double value, double latents, double errors, double tokens, double constants) {
    /** All sources together. */
    public double sum() {
        return latents + errors + tokens + constants;
    }

    /** What sources do not add up to: with {@link org.loupe.lm.MlpRule#GRADIENT} the curvature of MLPs, else rounding. */
    public double remainder() {
        return value - sum();
    }
}
