package org.loupe.train;

import org.loupe.tensor.Matrix;

/**
 * What a reconstruction is judged by: the loss of a batch and its gradient on x̂, from which the SAE's own backward goes on.
 */
@FunctionalInterface
public interface Objective {
    /**
     * The loss of a batch.
     *
     * @param x [rows × d], the rows to reconstruct; not modified
     * @param reconstruction x̂ [rows × d]; not modified
     * @param gradient dL/dx̂ [rows × d]; overwritten
     */
    double loss(Matrix x, Matrix reconstruction, Matrix gradient);
}
