package org.loupe.lm;

import org.bytedeco.pytorch.Tensor;

/** What happens at a hook point. */
@FunctionalInterface
public interface Hook {
    /**
     * Sees the rows at a hook point and gives the rows to go on with: the same tensor to read only, another one of the same
     * shape to replace them.
     *
     * @param rows {@code [sequences, length, width]} in the model's precision; not to be changed in place, and closed after
     *     the model's call returns: copy out what is to last ({@link Tensors#matrix}, {@link Tensors#keep})
     */
    Tensor at(HookPoint point, Tensor rows);
}
