package org.loupe.lm;

import org.bytedeco.pytorch.Tensor;

/** Keys and values that a run's tokens see beside, or before, their own. */
interface KeyValues {
    /**
     * What attention of a block reads.
     *
     * @param key the tokens' own, f32 {@code [sequences, key/value heads, tokens, head width]}; {@code value} alike
     */
    Pair with(int block, Tensor key, Tensor value);

    /** Keys and values of one block, as {@link #with} takes them. */
    record Pair(Tensor keys, Tensor values) {}
}
