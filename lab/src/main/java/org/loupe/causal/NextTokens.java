package org.loupe.causal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.loupe.lm.Tensors;

/**
 * Two next-token distributions compared, token by token: log-probabilities in f32, as are the logits, sums over the vocabulary in
 * double.
 *
 * @param cleanCe −log p(target) of the clean run, nats
 * @param ce −log q(target) of the other run, nats
 * @param kl Σ_v p(v) (log p(v) − log q(v)), nats
 * @param sameTop 1 where both have the same most likely token, else 0
 */
public record NextTokens(double[] cleanCe, double[] ce, double[] kl, double[] sameTop) {
    private static final ScalarTypeOptional DOUBLE = new ScalarTypeOptional(torch.ScalarType.Double);

    /** Rows at a time: at 49,152 tokens one tensor of such a block is 50 MB. */
    private static final int BLOCK = 256;

    /**
     * Compares.
     *
     * @param clean log p [n, vocabulary]
     * @param other logits [n, vocabulary] of q
     * @param targets [n] token ids
     */
    static NextTokens compare(Tensor clean, Tensor other, int[] targets) {
        int n = targets.length;
        NextTokens all = new NextTokens(new double[n], new double[n], new double[n], new double[n]);
        for (int from = 0; from < n; from += BLOCK) {
            int count = Math.min(BLOCK, n - from);
            int[] part = new int[count];
            System.arraycopy(targets, from, part, 0, count);
            try (PointerScope _ = new PointerScope()) {
                Tensor target = Tensors.tensor(part, count, 1);
                Tensor logP = clean.narrow(0, from, count);
                Tensor logQ = other.narrow(0, from, count).log_softmax(1);
                copy(logP.gather(1, target).neg(), all.cleanCe, from);
                copy(logQ.gather(1, target).neg(), all.ce, from);
                copy(logP.exp().mul_(logP.sub(logQ)).sum(new long[] {1}, false, DOUBLE), all.kl, from);
                Tensor same = logP.argmax(new LongOptional(1), false).eq(logQ.argmax(new LongOptional(1), false));
                copy(same, all.sameTop, from);
            }
        }
        return all;
    }

    private static void copy(Tensor values, double[] out, int at) {
        Tensor plain = values.to(torch.ScalarType.Double).contiguous();
        MemorySegment.copy(Tensors.bytes(plain), ValueLayout.JAVA_DOUBLE, 0, out, at, Math.toIntExact(plain.numel()));
    }
}
