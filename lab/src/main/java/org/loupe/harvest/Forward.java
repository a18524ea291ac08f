package org.loupe.harvest;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/** A model's run over some rows of a plan. */
@FunctionalInterface
public interface Forward {
    /**
     * Runs a batch.
     *
     * @param firstRow which row of the plan the batch's first one is
     */
    Rows of(TokenBatch batch, int firstRow);

    /**
     * What is stored of a batch.
     *
     * @param parts the rows at each hook point, {@code [sequences · length × width]}: the inputs, then the target where there is one
     * @param gradients of the loss by the rows of the one hook point, of the same shape; null where none are asked for
     */
    record Rows(List<Matrix> parts, @Nullable Matrix gradients) {}
}
