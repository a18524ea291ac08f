package org.loupe.activations;

import java.util.Locale;

/** The loss whose gradients a store holds: the sum over a document's predicted tokens of −log p(label). */
public enum GradientLoss {
    /**
     * Labels drawn from the model's own p, one a token. Over draws E[g gᵀ] is the Fisher matrix, the Hessian of the KL divergence
     * between the model and itself with an edit δ: ½ ⟨g, δ⟩² estimates that divergence without bias, to second order.
     */
    KL,
    /** Labels are the text's own next tokens: the loss is the cross-entropy. */
    CE;

    /** The name on the command line. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
