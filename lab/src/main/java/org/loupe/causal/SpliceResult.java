package org.loupe.causal;

import java.util.Map;

/**
 * What replacing the rows at a hook point does to the model's predictions; all means are over the same tokens.
 *
 * @param ceClean cross-entropy of the model as it is, nats a token
 * @param effects what each replacement does, by its name
 * @param tokens predicted tokens
 * @param sequences rows of tokens that they stand in
 * @param replacedRows rows at the hook point that were replaced
 */
public record SpliceResult(
        double ceClean, Map<String, Effect> effects, long tokens, long sequences, long replacedRows) {
    /**
     * The effect of one replacement.
     *
     * @param ce cross-entropy, nats a token
     * @param increase ce − ceClean
     * @param increaseError its standard error, sequences being the unit
     * @param kl KL(clean ‖ replaced), nats a token
     * @param klError its standard error, sequences being the unit
     * @param top1 share of tokens whose most likely successor is the same
     */
    public record Effect(double ce, double increase, double increaseError, double kl, double klError, double top1) {}
}
