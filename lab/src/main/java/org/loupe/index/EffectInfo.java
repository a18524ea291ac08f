package org.loupe.index;

import org.loupe.causal.EffectConfig;
import org.loupe.causal.EffectSummary;

/**
 * What {@code index.json} says about the latents' effects.
 *
 * @param config what was asked for
 * @param tokens document tokens that they were measured on
 * @param summary what they say together
 */
public record EffectInfo(EffectConfig config, long tokens, EffectSummary summary) {}
