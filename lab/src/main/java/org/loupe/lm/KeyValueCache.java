package org.loupe.lm;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** Keys and values, f32, of the tokens that sequences have seen so far, block by block; every run adds its own. */
final class KeyValueCache implements KeyValues {
    private final List<Tensor> keys = new ArrayList<>();
    private final List<Tensor> values = new ArrayList<>();
    private final int[] filled;

    /** Room for a number of tokens of each sequence. The tensors belong to the caller's scope. */
    KeyValueCache(Architecture architecture, int sequences, int capacity) {
        filled = new int[architecture.layers()];
        long[] shape = {sequences, architecture.kvHeads(), capacity, architecture.headWidth()};
        for (int block = 0; block < architecture.layers(); block++) {
            keys.add(torch.empty(shape, new TensorOptions(torch.ScalarType.Float), new MemoryFormatOptional()));
            values.add(torch.empty(shape, new TensorOptions(torch.ScalarType.Float), new MemoryFormatOptional()));
        }
    }

    @Override
    public Pair with(int block, Tensor key, Tensor value) {
        long tokens = key.size(2);
        keys.get(block).narrow(2, filled[block], tokens).copy_(key);
        values.get(block).narrow(2, filled[block], tokens).copy_(value);
        filled[block] += Math.toIntExact(tokens);
        return seen(block);
    }

    /** All that a block has seen. */
    Pair seen(int block) {
        return new Pair(
                keys.get(block).narrow(2, 0, filled[block]), values.get(block).narrow(2, 0, filled[block]));
    }
}
