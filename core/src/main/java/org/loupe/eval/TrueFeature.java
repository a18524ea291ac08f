package org.loupe.eval;

/**
 * What became of one true feature. A figure that is not defined is NaN.
 *
 * @param parent feature without which it does not fire; −1 where there is none
 * @param probability with which it fires
 * @param fired rows on which it fires, of those that were evaluated
 * @param latent matched to it; −1 where there is none
 * @param cosine of the two
 * @param precision share of the latent's rows on which the feature fires; 0 where the latent is silent
 * @param recall share of the feature's rows on which the latent fires
 * @param f1 harmonic mean of the two; NaN, as they are, where the feature never fires
 * @param shrinkage slope of the latent's share of the feature against the true activation; 1: none
 * @param covering latents that cover it together; 0 where none is near
 * @param absorbed of a child: share of its rows on which its parent's latent is silent
 */
public record TrueFeature(
        int feature,
        int parent,
        double probability,
        int fired,
        int latent,
        double cosine,
        double precision,
        double recall,
        double f1,
        double shrinkage,
        int covering,
        double absorbed) {}
