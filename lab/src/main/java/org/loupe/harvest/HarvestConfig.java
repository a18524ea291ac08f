package org.loupe.harvest;

import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;

/**
 * What to harvest.
 *
 * @param hooks where in the model
 * @param tokens document tokens to run; the last document is run whole, and a smaller corpus ends the run earlier
 * @param context tokens in a row, prefix included
 * @param batch rows in one forward pass
 * @param dtype BF16 or F32 on disk
 * @param shardRows document tokens in a shard, about: a shard is a whole number of rows
 * @param keepSinks whether rows whose norm is far above the median are stored too
 * @param seed order of the corpus
 */
public record HarvestConfig(
        HarvestHooks hooks,
        long tokens,
        int context,
        int batch,
        Dtype dtype,
        int shardRows,
        boolean keepSinks,
        long seed) {
    public HarvestConfig {
        require(tokens >= 1, "tokens", tokens, "at least 1");
        require(context >= 2, "context", context, "at least 2");
        require(batch >= 1, "batch", batch, "at least 1");
        require(shardRows >= 1, "shardRows", shardRows, "at least 1");
        if (dtype != Dtype.BF16 && dtype != Dtype.F32) {
            throw new BadInput("dtype is " + dtype + ", expected BF16 or F32");
        }
    }

    private static void require(boolean holds, String key, long value, String expected) {
        if (!holds) {
            throw new BadInput(key + " is " + value + ", expected " + expected);
        }
    }

    /** What to harvest at one hook point. */
    public HarvestConfig(
            HookPoint hook,
            long tokens,
            int context,
            int batch,
            Dtype dtype,
            int shardRows,
            boolean keepSinks,
            long seed) {
        this(HarvestHooks.of(hook), tokens, context, batch, dtype, shardRows, keepSinks, seed);
    }

    /** Rows of 128 tokens, 32 at a time, stored as bf16 in shards of about 32,768. */
    public static HarvestConfig of(HarvestHooks hooks, long tokens) {
        return new HarvestConfig(hooks, tokens, 128, 32, Dtype.BF16, 32_768, false, 0);
    }
}
