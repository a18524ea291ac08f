package org.loupe.lm;

import java.util.Arrays;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * What attention needs to know about a batch, made once for all blocks.
 *
 * @param rotary complex numbers e^{i · angle} by which query and key pairs are turned, {@code [1 | sequences, length, 1, head
 *     width / 2]}
 * @param mask what is added to the scores, 0 or −∞, {@code [sequences, 1, length, keys]}; null where {@code causal} says all
 * @param causal whether token i sees every token j ≤ i, without a mask
 */
record AttentionPlan(Tensor rotary, @Nullable Tensor mask, boolean causal) {
    /** The plan of a batch. */
    static AttentionPlan of(TokenBatch batch, Architecture architecture) {
        if (batch.isCausal()) {
            int[] positions = new int[batch.length()];
            Arrays.setAll(positions, i -> i);
            return new AttentionPlan(rotary(positions, 1, architecture), null, true);
        }
        Tensor rotary = rotary(batch.positions(), batch.sequences(), architecture);
        return new AttentionPlan(rotary, mask(batch), false);
    }

    /**
     * The plan of the ends of sequences of a batch, which see their sequences' tokens before them as the batch's own run has
     * left them.
     *
     * @param positions rotary positions {@code [ends × longest]}
     * @param mask {@code [ends × longest × (batch length + longest)]}
     */
    static AttentionPlan ends(int[] positions, float[] mask, int ends, int longest, Architecture architecture) {
        int keys = mask.length / (ends * longest);
        return new AttentionPlan(
                rotary(positions, ends, architecture), Tensors.tensor(mask, ends, 1, longest, keys), false);
    }

    /** The plan of one token that sees all tokens in the key-value cache. */
    static AttentionPlan next(int position, Architecture architecture) {
        return new AttentionPlan(rotary(new int[] {position}, 1, architecture), null, false);
    }

    /** The plan of some of the sequences. */
    AttentionPlan narrow(long first, long count) {
        Tensor turns = rotary.size(0) == 1 ? rotary : rotary.narrow(0, first, count);
        return new AttentionPlan(turns, mask == null ? null : mask.narrow(0, first, count), causal);
    }

    /** Angles and frequencies are f32, computed in the order in which transformers computes them. */
    private static Tensor rotary(int[] positions, int sequences, Architecture architecture) {
        int pairs = architecture.headWidth() / 2;
        float[] exponents = new float[pairs];
        for (int j = 0; j < pairs; j++) {
            exponents[j] = (float) (2 * j) / architecture.headWidth();
        }
        float[] turns = new float[positions.length];
        for (int i = 0; i < turns.length; i++) {
            turns[i] = positions[i];
        }
        Tensor frequencies = torch.pow(new Scalar(architecture.ropeBase()), Tensors.tensor(exponents, pairs))
                .reciprocal();
        Tensor angles = torch.outer(Tensors.tensor(turns, turns.length), frequencies)
                .view(sequences, positions.length / sequences, 1, pairs);
        return torch.polar(torch.ones_like(angles), angles);
    }

    /** A padding token sees itself only, so that its rows stay finite. */
    private static Tensor mask(TokenBatch batch) {
        int length = batch.length();
        float[] mask = new float[batch.sequences() * length * length];
        Arrays.fill(mask, Float.NEGATIVE_INFINITY);
        for (int row = 0; row < batch.sequences(); row++) {
            int first = row * length;
            for (int i = 0; i < length; i++) {
                for (int j = 0; j <= i; j++) {
                    if (i == j || batch.sees(first + i, first + j)) {
                        mask[(first + i) * length + j] = 0;
                    }
                }
            }
        }
        return Tensors.tensor(mask, batch.sequences(), 1, length, length);
    }
}
