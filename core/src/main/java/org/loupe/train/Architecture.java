package org.loupe.train;

import java.util.Locale;

/** What is trained; a switch over it names every case. */
public enum Architecture {
    RELU("f = relu(z) with an L1 (or Lp, tanh) penalty (Bricken et al. 2023; free norms: Anthropic, April 2024)"),
    P_ANNEAL("relu with an Lp penalty whose p falls from 1 to arch.penalty.p (Karvonen et al. 2024, arXiv 2408.00113)"),
    TOPK("the k largest of each row (Gao et al. 2024, arXiv 2406.04093)"),
    HIERARCHICAL_TOPK(
            "topk that reconstructs with each of k, k/2, k/4, …, so that k is chosen when encoding (Balagansky et al."
                    + " 2025, arXiv 2505.24473)"),
    GUMBEL_TOPK(
            "topk whose winners Gumbel noise perturbs, at a falling temperature (Kool et al. 2019, arXiv 1903.06059)"),
    BATCHTOPK(
            "the k·batch largest of each batch, saved as JumpReLU with one threshold (Bussmann et al. 2024, arXiv 2412.06410)"),
    MATRYOSHKA(
            "batchtopk that reconstructs with each of several prefixes of the dictionary (Bussmann et al. 2025, arXiv"
                    + " 2503.17547)"),
    JUMPRELU(
            "f = z where z > θ, θ learnt for each latent, with an L0 penalty (Rajamanoharan et al. 2024, arXiv 2407.14435)"),
    GATED("a gate decides, a rescaled path measures; L1 on the gate (Rajamanoharan et al. 2024, arXiv 2404.16014)"),
    SIGN_AWARE_GATED(
            "gated with a gate for either sign, so that a latent can stand for both ends of a direction (Wieciech et al."
                    + " 2026, arXiv 2605.28149)"),
    ABSTOPK("the k largest |z| of each row, with their signs (Zhu et al. 2025, arXiv 2510.00404)"),
    MATCHING_PURSUIT(
            "k steps of matching pursuit on the dictionary, trained through all of them (Costa et al. 2025, arXiv"
                    + " 2506.03093)"),
    VQ("each row is its nearest code, of free norm (van den Oord et al. 2017, arXiv 1711.00937)"),
    RESIDUAL_VQ(
            "k stages of m/k codes each, each stage coding what the ones before it leave (Zeghidour et al. 2021, arXiv"
                    + " 2107.03312)"),
    DICTIONARY_LEARNING(
            "online dictionary learning: OMP or LASSO codes, the dictionary by block coordinate descent, no gradients"
                    + " (Mairal et al. 2009; arXiv 0908.0050)");

    private final String about;

    Architecture(String about) {
        this.about = about;
    }

    /** One sentence with its paper. */
    public String about() {
        return about;
    }

    /** Its name in configurations. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether a penalty, and not a count, makes it sparse; of dictionary_learning see {@link TrainConfig#penalised}. */
    boolean penalised() {
        return switch (this) {
            case RELU, P_ANNEAL, JUMPRELU, GATED, SIGN_AWARE_GATED -> true;
            case TOPK,
                    HIERARCHICAL_TOPK,
                    GUMBEL_TOPK,
                    BATCHTOPK,
                    MATRYOSHKA,
                    ABSTOPK,
                    MATCHING_PURSUIT,
                    VQ,
                    RESIDUAL_VQ,
                    DICTIONARY_LEARNING -> false;
        };
    }

    /**
     * Whether its dictionary is fitted to the rows as classic methods do it: by squared distance alone, from rows of the first batch on, unused
     * latents being moved to rows of a later one; AuxK has no part in it.
     */
    boolean classic() {
        return switch (this) {
            case VQ, RESIDUAL_VQ, DICTIONARY_LEARNING -> true;
            case RELU,
                    P_ANNEAL,
                    TOPK,
                    HIERARCHICAL_TOPK,
                    GUMBEL_TOPK,
                    BATCHTOPK,
                    MATRYOSHKA,
                    JUMPRELU,
                    GATED,
                    SIGN_AWARE_GATED,
                    ABSTOPK,
                    MATCHING_PURSUIT -> false;
        };
    }

    /** Whether the encoder's rows are the dictionary's, so that it cannot write other rows than it reads. */
    boolean tied() {
        return this == MATCHING_PURSUIT || classic();
    }

    /** Whether a row is coded in steps, each with a residual of its own. */
    boolean steps() {
        return tied() && this != DICTIONARY_LEARNING;
    }
}
