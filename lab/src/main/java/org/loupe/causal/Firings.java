package org.loupe.causal;

/**
 * The firings of a batch and the effect of each to first order. Ablating one moves the row by −f d, so that
 *
 * <pre>
 * ΔL ≈ a = −f ⟨d, ∂L/∂h⟩        (attribution patching; for latents Marks et al. 2024, arXiv 2403.19647, eq. 3)
 * </pre>
 *
 * With S steps the gradient is the mean of those at h − (1 − α) Σ f d, α = (s − ½) / S, s = 1 … S: integrated gradients (ibid., eq. 4)
 * on the straight way from no latents to all of them. There Σ a ≈ L(none of them) − L(all of them).
 *
 * @param latent of each firing
 * @param row of each, as an index of the batch's tokens; ascending
 * @param activation f of each
 * @param effect a of each, in the loss' unit (nats), all later tokens of its document together
 */
public record Firings(int[] latent, int[] row, float[] activation, double[] effect) {
    /** How many. */
    public int count() {
        return latent.length;
    }
}
