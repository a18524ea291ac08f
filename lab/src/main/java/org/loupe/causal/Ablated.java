package org.loupe.causal;

import java.util.List;

/**
 * What one firing does, measured: its latent set to 0 at its token alone, all else as it is, and the rest of the document run
 * again.
 *
 * @param latent the latent
 * @param activation f, as it was
 * @param attribution what {@link Firings#effect} says of it
 * @param predictions tokens predicted from its token on, to the end of its document
 * @param increase Δ of their cross-entropy together, nats: above 0 where the firing helps
 * @param kl KL(as it is ‖ ablated) of their distributions together, nats
 * @param raised tokens whose probability as the very next one the firing raises most, by p as it is − p ablated
 * @param lowered those that it lowers most
 * @param confidence Δ of the next token's confidence where the latent is amplified, by {@link #CONFIDENT} tokens
 * @param amplifiedKl KL(as it is ‖ amplified) of the next token's distribution, nats
 */
public record Ablated(
        int latent,
        float activation,
        double attribution,
        int predictions,
        double increase,
        double kl,
        List<Comparison.Moved> raised,
        List<Comparison.Moved> lowered,
        double confidence,
        double amplifiedKl) {
    /**
     * Likeliest tokens in a token confidence, −(1/k) Σ log p over the k likeliest (Fu et al. 2025, arXiv 2508.15260); its change by
     * amplifying a latent chooses latents to steer with (Wang et al. 2025, arXiv 2510.03659).
     */
    public static final int CONFIDENT = 10;
}
