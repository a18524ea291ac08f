package org.loupe.train;

/**
 * What one step did.
 *
 * @param step 1 for the first
 * @param tokens rows trained on so far, with repetition
 * @param loss the loss of the batch, auxiliary part included
 * @param fvu Σ‖x − x̂‖² / Σ‖x − x̄‖² of the batch
 * @param l0 mean number of active latents of a row
 * @param dead latents that have not fired for the dead window
 * @param lr learning rate of the step
 * @param gradNorm norm of all gradients before clipping
 * @param coefficient λ of the sparsity penalty, or of the top-k family the k that it aims at
 */
public record StepStats(
        long step,
        long tokens,
        double loss,
        double fvu,
        double l0,
        int dead,
        double lr,
        double gradNorm,
        double coefficient) {}
