package org.loupe.causal;

import java.util.ArrayList;
import java.util.List;

/** The running sums of one replacement, sequence by sequence. */
final class SpliceSums {
    private static final int TOKENS = 0;
    private static final int CLEAN = 1;
    private static final int CE = 2;
    private static final int KL = 3;
    private static final int SAME = 4;

    private final List<double[]> sequences = new ArrayList<>();

    /** Adds a batch; {@code sequence} says, in ascending order, to which of its sequences each token belongs. */
    void add(NextTokens tokens, int[] sequence) {
        double[] sums = new double[5];
        for (int i = 0; i < sequence.length; i++) {
            if (i == 0 || sequence[i] != sequence[i - 1]) {
                sums = new double[5];
                sequences.add(sums);
            }
            sums[TOKENS]++;
            sums[CLEAN] += tokens.cleanCe()[i];
            sums[CE] += tokens.ce()[i];
            sums[KL] += tokens.kl()[i];
            sums[SAME] += tokens.sameTop()[i];
        }
    }

    int sequences() {
        return sequences.size();
    }

    long tokens() {
        return Math.round(sum(TOKENS));
    }

    double ceClean() {
        return sum(CLEAN) / sum(TOKENS);
    }

    SpliceResult.Effect effect() {
        double tokens = sum(TOKENS);
        double ce = sum(CE) / tokens;
        return new SpliceResult.Effect(
                ce,
                ce - ceClean(),
                error(sequences.stream().mapToDouble(s -> s[CE] - s[CLEAN]).toArray()),
                sum(KL) / tokens,
                error(sequences.stream().mapToDouble(s -> s[KL]).toArray()),
                sum(SAME) / tokens);
    }

    private double sum(int which) {
        double sum = 0;
        for (double[] s : sequences) {
            sum += s[which];
        }
        return sum;
    }

    /**
     * Standard error of the ratio R = Σ yᵢ / Σ nᵢ over n sequences of nᵢ tokens: √(n/(n−1) Σ (yᵢ − R nᵢ)²) / Σ nᵢ (Cochran, Sampling
     * Techniques, 3rd ed., §6.4); NaN for a single sequence.
     */
    private double error(double[] y) {
        double ratio = 0;
        for (double value : y) {
            ratio += value;
        }
        ratio /= sum(TOKENS);
        double squares = 0;
        for (int i = 0; i < y.length; i++) {
            double rest = y[i] - ratio * sequences.get(i)[TOKENS];
            squares += rest * rest;
        }
        return y.length < 2 ? Double.NaN : Math.sqrt(squares * y.length / (y.length - 1)) / sum(TOKENS);
    }
}
