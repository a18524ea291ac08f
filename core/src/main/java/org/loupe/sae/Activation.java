package org.loupe.sae;

/**
 * Which latents stay on: the closed set of activation functions σ in f = σ(z), z the pre-activations of one row. A switch
 * over it names every case, so a function that somebody forgot to handle does not compile.
 */
public sealed interface Activation {
    /** Active latents of a row at most, where a count and not a threshold decides; else 0. */
    default int most() {
        return switch (this) {
            case TopK topK -> topK.k();
            case AbsTopK topK -> topK.k();
            case MatchingPursuit pursuit -> pursuit.steps();
            case Relu _, JumpRelu _, Gated _ -> 0;
        };
    }

    /**
     * f = relu(z) on the k largest pre-activations of the row, 0 elsewhere; of equal ones the lower latents win (Gao et al.
     * 2024, arXiv 2406.04093, eq. 3). Rows with fewer than k positive pre-activations have fewer active latents.
     *
     * @param k latents kept in each row
     */
    record TopK(int k) implements Activation {
        public TopK {
            requirePositive(k);
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

    /**
     * f = z on the k pre-activations of the row with the largest |z|, 0 elsewhere; of equal ones positive ones first, then the lower
     * latents. The one function whose activations may be negative (AbsTopK: Zhu et al. 2025, arXiv 2510.00404).
     *
     * @param k latents kept in each row
     */
    record AbsTopK(int k) implements Activation {
        public AbsTopK {
            requirePositive(k);
        }
    }

    /**
     * Gated (Rajamanoharan et al. 2024, arXiv 2404.16014, eq. 3–7). With u = W_enc (x − b_in), the gate is z = u + b_enc and
     * f = relu(exp(r) u + b_mag) where z &gt; 0, else 0.
     *
     * @param logScale r, one for each latent; not modified
     * @param magnitudeBias b_mag, one for each latent; not modified
     */
    record Gated(float[] logScale, float[] magnitudeBias) implements Activation {
        /** f of a latent whose gate is open. */
        float magnitude(int latent, float gate, float gateBias) {
            return Math.max(0, (float) Math.exp(logScale[latent]) * (gate - gateBias) + magnitudeBias[latent]);
        }
    }

    /**
     * Matching pursuit (Mallat &amp; Zhang 1993; as an SAE: Costa et al. 2025, arXiv 2506.03093): r = x − b_in, then {@code steps} times the
     * latent with the largest positive ⟨w, r⟩ takes f = ⟨w, r⟩ and leaves r − f w; what a latent takes in several steps adds up. The
     * encoder's rows w are the dictionary's, b_enc is 0.
     *
     * @param steps latents taken in each row, at most
     * @param tolerance a row is finished when |r| is below it; 0: never
     */
    record MatchingPursuit(int steps, float tolerance) implements Activation {
        public MatchingPursuit {
            requirePositive(steps);
            if (!(tolerance >= 0)) {
                throw new IllegalArgumentException("tolerance: " + tolerance + ", expected at least 0");
            }
        }
    }

    private static void requirePositive(int k) {
        if (k < 1) {
            throw new IllegalArgumentException("k: " + k + ", expected at least 1");
        }
    }
}
