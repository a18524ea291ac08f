package org.loupe.index;

import java.util.List;
import org.loupe.causal.LatentEffect;

/**
 * A latent's effect with the text of the tokens it moves.
 *
 * @param raised the texts of {@link LatentEffect#raised}
 * @param lowered those of {@link LatentEffect#lowered}
 * @param causallyDead whether it fires and does nothing, see {@link org.loupe.causal.EffectSummary#causallyDead}
 */
public record LatentCard(LatentEffect effect, List<String> raised, List<String> lowered, boolean causallyDead) {}
