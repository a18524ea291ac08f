package org.loupe.causal;

import org.loupe.io.BadInput;

/**
 * How much of latents' effects is measured.
 *
 * @param tokens document tokens that the model is run on; every firing there is attributed
 * @param exact firings of each latent, drawn among those, that are ablated one by one; fewer where it fires less often
 * @param steps points on the way from no latents to all of them at which the gradient is taken; 1 takes it at the model as it is
 * @param seed of the documents and the firings
 */
public record EffectConfig(long tokens, int exact, int steps, long seed) {
    public EffectConfig {
        if (tokens < 1 || exact < 0 || steps < 1) {
            throw new BadInput("effects: tokens = " + tokens + ", exact = " + exact + ", steps = " + steps
                    + "; expected at least 1, 0 and 1");
        }
    }
}
