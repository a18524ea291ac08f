package org.loupe.train;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

/**
 * What an architecture does of its own in a step of training: which entries a batch has, what their activations are, and how a slope on
 * an activation becomes one on a pre-activation. Products, optimiser and state are the trainer's.
 */
interface Coder {
    /** The penalty's coefficient in the coming step, for codes that depend on it. */
    default void penalty(double coefficient) {}

    /**
     * Fills the batch's entries, activations and cuts.
     *
     * @param progress share of the run that is done, in [0, 1)
     * @param wanted active latents of a row, where a count and not a penalty decides
     */
    void code(Batch batch, Sae sae, double progress, double wanted);

    /** Fills dL/df of each entry from the reconstruction's gradient. */
    default void slopes(Batch batch, Matrix dictionary, SparseRows sparse) {
        sparse.slopes(
                batch.rows, batch.levels, batch.cuts, batch.active.index(), dictionary, batch.gradient, batch.slope);
    }

    /**
     * Turns dL/df of each entry into dL/dz, in place; adds what its penalties contribute; sets the gradients of its own parameters.
     *
     * @param coefficient of the penalty in force
     * @return the penalties' part of the loss
     */
    default double backward(Batch batch, Sae sae, double coefficient) {
        return 0;
    }

    /** What {@link Gradients} has made of the entries is corrected where a parameter does not share in all of them. */
    default void correct(Gradients gradients) {}

    /** dL/d|W_dec,i| of the penalties, for dictionary rows of free norm; empty where there are none. */
    default float[] normGradient() {
        return new float[0];
    }

    /** dL/dz_i that all rows of the batch have in common, beside what entries have; empty where there is none. */
    default float[] commonSlope() {
        return new float[0];
    }

    /** Weights that only this architecture has; each has one value a latent. */
    default List<Parameter> parameters() {
        return List.of();
    }

    /** Brings its own parameters back to where they are allowed to be, after the optimiser's step. */
    default void project() {}

    /**
     * Sets its own parameters of latents that begin anew.
     *
     * @param living whether each latent is none of them
     * @param scale norm of their encoder rows as a multiple of the living ones'
     */
    default void restart(boolean[] living, double scale) {}

    /** Raises what a latent's bias, raised by as much, has to pass through. */
    default void lift(int latent, float by) {}

    /**
     * Moves the dictionary and b_dec itself, where that is not descent along gradients.
     *
     * @param entries the batch's by latent
     * @param step 1 for the first
     * @return whether it has done so, and nothing is left for gradients
     */
    default boolean learn(Batch batch, EntriesByLatent entries, Sae sae, long step) {
        return false;
    }

    /**
     * Moves latents that nothing has used for long to rows of the batch, where {@link #learn} moves the dictionary.
     *
     * @param unused ascending; used neither by this batch
     * @param step 1 for the first
     * @return whether it does so
     */
    default boolean move(int[] unused, Batch batch, Sae sae, long step) {
        return false;
    }

    /** What encodes once training is over. */
    default Activation activation(Sae sae) {
        return sae.activation();
    }

    /** Arrays beside its parameters that the coming steps depend on, by name, shared and not copied. */
    default Map<String, float[]> state() {
        return Map.of();
    }

    /** The last batch's pushes, where a penalty makes latents sparse. */
    default @Nullable Balance balance() {
        return null;
    }

    /** Entries that count as active. */
    default long active(Batch batch) {
        return batch.active();
    }
}
