package org.loupe.causal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.pytorch.Tensor;
import org.loupe.lm.Tensors;
import org.loupe.tensor.Kernels;

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
    /**
     * Compares.
     *
     * @param clean {@link #logProbabilities} [n, vocabulary]
     * @param other logits [n, vocabulary] of q
     * @param targets [n] token ids
     */
    static NextTokens compare(Tensor clean, Tensor other, int[] targets) {
        int n = targets.length;
        NextTokens all = new NextTokens(new double[n], new double[n], new double[n], new double[n]);
        MemorySegment logP = Tensors.bytes(clean);
        MemorySegment logits = Tensors.bytes(other);
        int vocabulary = Math.toIntExact(clean.size(1));
        for (int i = 0; i < n; i++) {
            long at = (long) i * vocabulary;
            int top = Kernels.BEST.argMax(logits, at, vocabulary);
            float logSum = logSum(logits, at, top, vocabulary);
            all.cleanCe[i] = -logP.getAtIndex(ValueLayout.JAVA_FLOAT, at + targets[i]);
            all.ce[i] = logSum - logits.getAtIndex(ValueLayout.JAVA_FLOAT, at + targets[i]);
            all.kl[i] = Kernels.BEST.divergence(logP, at, logits, at, logSum, vocabulary);
            all.sameTop[i] = top == Kernels.BEST.argMax(logP, at, vocabulary) ? 1 : 0;
        }
        return all;
    }

    /** log p [n, vocabulary] of logits, rounded as {@link #compare} rounds: equal logits compare as exactly equal. */
    static Tensor logProbabilities(Tensor logits) {
        MemorySegment values = Tensors.bytes(logits);
        int n = Math.toIntExact(logits.size(0));
        int vocabulary = Math.toIntExact(logits.size(1));
        float[] sums = new float[n];
        for (int i = 0; i < n; i++) {
            long at = (long) i * vocabulary;
            sums[i] = logSum(values, at, Kernels.BEST.argMax(values, at, vocabulary), vocabulary);
        }
        return logits.sub(Tensors.tensor(sums, n, 1));
    }

    /** log Σ exp of a row whose largest is at a place. */
    private static float logSum(MemorySegment logits, long at, int top, int vocabulary) {
        float largest = logits.getAtIndex(ValueLayout.JAVA_FLOAT, at + top);
        return (float) (largest + Math.log(Kernels.BEST.sumExp(logits, at, largest, vocabulary)));
    }
}
