package org.loupe.sae;

/**
 * Which latents stay on: the closed set of activation functions σ in f = σ(z), z the pre-activations of one row. A switch
 * over it names every case, so a function that somebody forgot to handle does not compile.
 */
public sealed interface Activation {
    /**
     * f = relu(z) on the k largest pre-activations of the row, 0 elsewhere; of equal ones the lower latents win (Gao et al.
     * 2024, arXiv 2406.04093, eq. 3). Rows with fewer than k positive pre-activations have fewer active latents.
     *
     * @param k latents kept in each row
     */
    record TopK(int k) implements Activation {
        public TopK {
            if (k < 1) {
                throw new IllegalArgumentException("k: " + k + ", expected at least 1");
            }
        }
    }

    /** f = relu(z). */
    record Relu() implements Activation {}

    /**
     * f = z where z &gt; θ and z &gt; 0, else 0 (Rajamanoharan et al. 2024, arXiv 2407.14435, eq. 4). BatchTopK SAEs become this when
     * they are saved, with one θ for all latents.
     *
     * @param threshold θ, one for each latent; not modified
     */
    record JumpRelu(float[] threshold) implements Activation {}
}
