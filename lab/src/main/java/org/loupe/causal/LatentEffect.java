package org.loupe.causal;

import java.util.List;
import org.apache.commons.statistics.distribution.TDistribution;

/**
 * What one latent does to the model's output, a firing being one token on which it is active and after which its document goes on. All
 * figures are NaN where nothing was measured.
 *
 * @param latent its number
 * @param firings attributed
 * @param attribution mean first-order effect of ablating one on the cross-entropy of the rest of its document, nats
 * @param attributionSize mean absolute value of that
 * @param signConsistency share of the firings that have the commoner sign of it
 * @param perEnergy Σ|attribution| / Σ f²‖d‖², nats a unit of energy
 * @param perEnergyError its standard error, sequences being the unit
 * @param ablated firings ablated exactly
 * @param increase mean ΔCE of the rest of the document, nats a firing: above 0 where the firing helps
 * @param increaseError its standard error
 * @param kl mean KL(as it is ‖ ablated), nats a firing
 * @param klError its standard error
 * @param total kl times its firings in the store, nats
 * @param bandSize mean |attribution| in each quarter of its firings, weakest activations first
 * @param raised tokens whose probability as the next one its firing raises most, mean over the ablated firings
 * @param lowered those it lowers most
 * @param confidence mean Δ of token confidence where it is amplified by its largest activation ({@link Ablated#CONFIDENT})
 * @param amplifiedKl mean KL(as it is ‖ amplified) of the next token's distribution, nats
 */
public record LatentEffect(
        int latent,
        long firings,
        double attribution,
        double attributionSize,
        double signConsistency,
        double perEnergy,
        double perEnergyError,
        int ablated,
        double increase,
        double increaseError,
        double kl,
        double klError,
        double total,
        List<Double> bandSize,
        List<Comparison.Moved> raised,
        List<Comparison.Moved> lowered,
        double confidence,
        double amplifiedKl) {
    private static final double LEVEL = 0.975;

    /** Half the width of the 95 % confidence interval of {@link #kl}, by Student's t over the ablated firings; NaN for fewer than two. */
    public double klWithin() {
        return within(klError);
    }

    /** Half the width of the 95 % confidence interval of {@link #increase}. */
    public double increaseWithin() {
        return within(increaseError);
    }

    private double within(double error) {
        return ablated < 2 ? Double.NaN : TDistribution.of(ablated - 1).inverseCumulativeProbability(LEVEL) * error;
    }
}
