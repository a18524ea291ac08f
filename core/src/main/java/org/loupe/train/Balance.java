package org.loupe.train;

import java.util.Arrays;

/**
 * How hard reconstruction and penalty push each latent towards silence, over the entries of a batch. With r_i the push of reconstruction (Σ dL/df
 * for a bias, Σ δ θ dL/df for a threshold) and q_i that of the penalty for a coefficient of 1, latent i stays as active as it is where
 * r_i + λ q_i = 0. At a minimum of the loss that holds for every latent; on the way there {@link #coefficient} is the λ at which it holds on
 * average, and {@link #spread} how far the latents' own λ_i = −r_i / q_i are from it.
 */
final class Balance {
    private final double[] reconstruction;
    private final double[] penalty;

    Balance(int latents) {
        this.reconstruction = new double[latents];
        this.penalty = new double[latents];
    }

    void clear() {
        Arrays.fill(reconstruction, 0);
        Arrays.fill(penalty, 0);
    }

    /** Adds an entry's pushes. */
    void add(int latent, double ofReconstruction, double ofPenalty) {
        reconstruction[latent] += ofReconstruction;
        penalty[latent] += ofPenalty;
    }

    /** −Σ r / Σ q; 0 where no entry is pushed. */
    double coefficient() {
        double q = Arrays.stream(penalty).sum();
        return q > 0 ? -Arrays.stream(reconstruction).sum() / q : 0;
    }

    /** √(Σ q_i (λ_i − λ)² / Σ q_i), λ being {@link #coefficient}. */
    double spread() {
        double q = Arrays.stream(penalty).sum();
        double mean = coefficient();
        double squares = 0;
        for (int i = 0; i < penalty.length; i++) {
            if (penalty[i] > 0) {
                double off = reconstruction[i] + mean * penalty[i];
                squares += off * off / penalty[i];
            }
        }
        return q > 0 ? Math.sqrt(squares / q) : 0;
    }
}
