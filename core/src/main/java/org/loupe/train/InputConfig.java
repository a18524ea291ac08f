package org.loupe.train;

import static org.loupe.train.TrainConfig.require;

/**
 * Reading and initialisation.
 */
public record InputConfig(
        @About("Whether rows are shuffled; false: file order.")
        boolean shuffle,

        @About("Rows held in memory for shuffling.") int buffer,

        @About("Scales rows so that the mean of |x|² is d while training; folded away on saving.")
        boolean normalize,

        @About("Subtracts the mean from rows while training, for targets too; folded away on saving.")
        boolean centre_rows,

        @About(
                "Map of rows while training: none, parts (a scale for each hook point of a crosscoder), full (covariance); folded"
                        + " away on saving. none where the encoder is the dictionary: matching_pursuit, vq, residual_vq, dictionary_learning.")
        Whitening whiten,

        @About("What full adds to the covariance's eigenvalues, as a multiple of their mean.")
        double whiten_floor,

        @About(
                "Norm of the encoder's rows at the start, the dictionary's being 1; 0: 0.1 for batchtopk, matryoshka, jumprelu, gated and sign_aware_gated, else 1.")
        double encoder_norm,

        @About("Where b_dec starts: mean or geometric_median.")
        Centre centre,

        @About("Rows from which scale, centre and variance are measured.")
        int sample) {
    public InputConfig {
        require(buffer >= 1, "input.buffer", buffer, "≥ 1");
        require(encoder_norm >= 0 && encoder_norm < 1e6, "input.encoder_norm", encoder_norm, "≥ 0 and < 1e6");
        require(whiten_floor > 0 && whiten_floor < 1e6, "input.whiten_floor", whiten_floor, "> 0 and < 1e6");
        require(sample >= 2, "input.sample", sample, "≥ 2");
    }

    /** The same without a map of rows. */
    InputConfig unmapped() {
        return new InputConfig(
                shuffle, buffer, normalize, centre_rows, Whitening.NONE, whiten_floor, encoder_norm, centre, sample);
    }
}
