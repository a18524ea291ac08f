package org.loupe.causal;

import java.util.List;

/**
 * What all latents of an SAE do to a model's output.
 *
 * @param tokens document tokens that they were measured on
 * @param latents in order of their numbers
 */
public record Effects(long tokens, List<LatentEffect> latents, EffectSummary summary) {}
