package org.loupe.lm;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** Keys and values, f32, of the tokens that one sequence has seen so far, block by block. */
final class KeyValueCache {
    private final List<Tensor> keys = new ArrayList<>();
    private final List<Tensor> values = new ArrayList<>();
    private final int[] filled;

    /** Room for a number of tokens. The tensors belong to the caller's scope. */
    KeyValueCache(Architecture architecture, int capacity) {
        filled = new int[architecture.layers()];
        long[] shape = {1, architecture.kvHeads(), capacity, architecture.headWidth()};
        for (int block = 0; block < architecture.layers(); block++) {
            keys.add(torch.empty(shape, new TensorOptions(torch.ScalarType.Float), new MemoryFormatOptional()));
            values.add(torch.empty(shape, new TensorOptions(torch.ScalarType.Float), new MemoryFormatOptional()));
        }
    }

    /** Adds keys and values {@code [1, key/value heads, tokens, head width]} of a block. */
    void append(int block, Tensor key, Tensor value) {
        long tokens = key.size(2);
        keys.get(block).narrow(2, filled[block], tokens).copy_(key);
        values.get(block).narrow(2, filled[block], tokens).copy_(value);
        filled[block] += Math.toIntExact(tokens);
    }

    Tensor keys(int block) {
        return keys.get(block).narrow(2, 0, filled[block]);
    }

    Tensor values(int block) {
        return values.get(block).narrow(2, 0, filled[block]);
    }
}
