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
            case ResidualCodes codes -> codes.stages();
            case Omp omp -> omp.atoms();
            case Relu _, JumpRelu _, Gated _, SignedGated _, Lasso _ -> 0;
        };
    }

    /** Whether the encoder's rows are the dictionary's and b_enc is 0. */
    default boolean tied() {
        return switch (this) {
            case MatchingPursuit _, ResidualCodes _, Omp _, Lasso _ -> true;
            case TopK _, AbsTopK _, Relu _, JumpRelu _, Gated _, SignedGated _ -> false;
        };
    }

    /** Whether activations can be negative. */
    default boolean signed() {
        return switch (this) {
            case AbsTopK _, SignedGated _ -> true;
            case Omp omp -> omp.signed();
            case Lasso lasso -> lasso.signed();
            case TopK _, Relu _, JumpRelu _, Gated _, MatchingPursuit _, ResidualCodes _ -> false;
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
     * latents. Activations may be negative (AbsTopK: Zhu et al. 2025, arXiv 2510.00404).
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
     * Gated with a gate for either sign: a Gated SAE of twice the latents, (W, −W), whose halves share their rows and r. With
     * u = W_enc (x − b_in) the gates are u + b_enc and −u + b⁻; of a latent's gates above 0 the larger, of equal ones the first, is open, and f = relu(exp(r) u +
     * b_mag) behind the first, −relu(−exp(r) u + b⁻_mag) behind the second (Bi-Jump-ReLU with one r for both signs, as the paper
     * advises: Wieciech et al. 2026, arXiv 2605.28149).
     *
     * @param negativeBias b⁻, one for each latent; not modified
     * @param logScale r, one for each latent; not modified
     * @param magnitudeBias b_mag, one for each latent; not modified
     * @param negativeMagnitudeBias b⁻_mag, one for each latent; not modified
     */
    record SignedGated(float[] negativeBias, float[] logScale, float[] magnitudeBias, float[] negativeMagnitudeBias)
            implements Activation {
        /** f of a latent whose open gate has this value, negative where it is the second. */
        float magnitude(int latent, float gate, float gateBias) {
            float u = Math.abs(gate) - (gate < 0 ? negativeBias[latent] : gateBias);
            float bias = (gate < 0 ? negativeMagnitudeBias : magnitudeBias)[latent];
            return Math.copySign(Math.max(0, (float) Math.exp(logScale[latent]) * u + bias), gate);
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

    /**
     * Residual vector quantisation (Zeghidour et al. 2021, arXiv 2107.03312, §III-C): r = x − b_in, then each stage takes its nearest
     * code, argmin ‖r − c_i‖² of equal ones the lowest, with f = 1, and leaves r − c_i. Stage s has the latents s·m/stages to
     * (s+1)·m/stages − 1. One stage is plain vector quantisation (van den Oord et al. 2017, arXiv 1711.00937). Codes, which are
     * the dictionary's rows, have any norm.
     *
     * @param stages codes of each row; divides the number of latents
     */
    record ResidualCodes(int stages) implements Activation {
        public ResidualCodes {
            requirePositive(stages);
        }
    }

    /**
     * Orthogonal matching pursuit (Pati, Rezaiifar &amp; Krishnaprasad 1993): r = x − b_in, S empty, then {@code atoms} times the atom with the
     * largest ⟨w, r⟩ (|⟨w, r⟩| if signed) enters S, f becomes the least-squares solution argmin ‖x − b_in − Σ_S f_i w_i‖² (under f
     * ≥ 0 unless signed) and r what it leaves. A row ends early where no atom outside S has ⟨w, r⟩ &gt; 10⁻⁶ ‖x − b_in‖, or where the
     * next one lies in the span of S (squared distance at most 10⁻⁶). Dictionary rows have unit norm.
     *
     * @param atoms latents of each row, at most
     * @param signed whether f may be negative
     */
    record Omp(int atoms, boolean signed) implements Activation {
        public Omp {
            requirePositive(atoms);
        }
    }

    /**
     * The LASSO's solution (Tibshirani 1996): f = argmin ‖x − b_in − Σ f_i w_i‖² + λ Σ |f_i|, under f ≥ 0 unless signed. Found on a
     * growing set of atoms: each round adds the 32 atoms of largest ⟨w, r⟩ (|⟨w, r⟩| if signed) above λ/2 + 10⁻⁵ ‖x − b_in‖ and
     * solves for all of the set; a row with none to add is finished. Dictionary rows have unit norm.
     *
     * @param penalty λ, in the units of the rows
     * @param signed whether f may be negative
     * @param rounds after which an unfinished row keeps what it has
     */
    record Lasso(float penalty, boolean signed, int rounds) implements Activation {
        public Lasso {
            requirePositive(rounds);
            if (!(penalty > 0)) {
                throw new IllegalArgumentException("penalty: " + penalty + ", expected above 0");
            }
        }
    }

    private static void requirePositive(int k) {
        if (k < 1) {
            throw new IllegalArgumentException("k: " + k + ", expected at least 1");
        }
    }
}
