package org.loupe.train;

import java.util.List;
import org.loupe.tensor.Matrix;

/** Judges reconstructions of a batch of rows by more than their distance: the rest of the model that the rows are of. */
@FunctionalInterface
public interface Judge {
    /** What is judged. */
    enum Kind {
        KL,
        CE,
        MSE
    }

    /**
     * One term of a loss.
     *
     * @param loss its value, a mean
     * @param gradient ∂loss/∂x̂ [rows × d], raw units
     */
    record Term(Kind kind, double loss, Matrix gradient) {}

    /** @param reconstruction x̂ [rows × d] in raw units; not modified */
    List<Term> of(Matrix reconstruction);
}
