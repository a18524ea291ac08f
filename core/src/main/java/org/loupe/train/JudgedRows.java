package org.loupe.train;

import org.jspecify.annotations.Nullable;
import org.loupe.tensor.Matrix;

/** Batches of rows that come with a judge, in place of those of a store. */
@FunctionalInterface
public interface JudgedRows {
    /**
     * A batch.
     *
     * @param rows [batch × width], raw units
     * @param judge null where the rows alone are what a reconstruction is judged by
     */
    record Batch(Matrix rows, @Nullable Judge judge) {}

    /** The batch of a step, from 0 on: a function of the step alone. */
    Batch at(long step);
}
