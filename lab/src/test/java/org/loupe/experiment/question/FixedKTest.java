package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;

class FixedKTest {
    /** Forty tokens of rising loss, variation 1, of which the harder half has three active latents and error 0.2, the others one and 0.1. */
    @Test
    void figuresOfHardAndEasyTokensAreThoseOfTheirHalves() {
        int n = 40;
        double[] rising = new double[n];
        double[] ones = new double[n];
        double[] active = new double[n];
        double[] error = new double[n];
        double[] increase = new double[n];
        for (int i = 0; i < n; i++) {
            int at = (7 * i) % n; // out of order
            boolean hard = at >= n / 2;
            rising[i] = at;
            ones[i] = 1;
            active[i] = hard ? 3 : 1;
            error[i] = hard ? 0.2 : 0.1;
            increase[i] = hard ? 0.5 : 0.25;
        }
        Trial.Outcome outcome = FixedKQuestion.tokens(
                new HeldOutTokens.Difficulty(rising, rising, rising, ones, ones),
                new HeldOutTokens.Coded(active, error, increase, increase),
                2);
        assertEquals(0.15, value(outcome, FixedKQuestion.FVU), 1e-12);
        assertEquals(2, value(outcome, FixedKQuestion.L0), 1e-12);
        assertEquals(1, value(outcome, FixedKQuestion.SPREAD), 1e-12);
        assertEquals(0.1, value(outcome, FixedKQuestion.EASY_FVU), 1e-12);
        assertEquals(0.2, value(outcome, FixedKQuestion.HARD_FVU), 1e-12);
        assertEquals(0.75, value(outcome, FixedKQuestion.EASY_CE), 1e-12);
        assertEquals(0.5, value(outcome, FixedKQuestion.HARD_CE), 1e-12);
        assertEquals(0.25, value(outcome, FixedKQuestion.EASY_KL), 1e-12);
        // Of two groups of equal size against 40 ranks: √(3/4 · 40²/(40² − 1)).
        assertEquals(Math.sqrt(0.75 * 1600 / 1599), value(outcome, FixedKQuestion.WITH_LOSS), 1e-9);
        Trial.Curve byLoss = Objects.requireNonNull(outcome.curves().get(FixedKQuestion.BY_LOSS));
        assertArrayEquals(new double[] {1, 1, 1, 1, 1, 3, 3, 3, 3, 3}, byLoss.y(), 1e-12);
        assertEquals(1.5, byLoss.x()[0], 1e-12);
    }

    @Test
    void whereEveryTokenHasTheSameNumberThereIsNoCorrelation() {
        double[] ones = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        double[] rising = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
        Trial.Outcome outcome = FixedKQuestion.tokens(
                new HeldOutTokens.Difficulty(rising, rising, rising, ones, ones),
                new HeldOutTokens.Coded(ones, ones, ones, ones),
                1);
        assertFalse(outcome.values().containsKey(FixedKQuestion.WITH_LOSS.key()));
    }

    private static double value(Trial.Outcome outcome, Quantity quantity) {
        return Objects.requireNonNull(outcome.values().get(quantity.key()));
    }

    /** Trials in which BatchTopK differs from TopK by so much in FVU, with rank correlations with the loss. */
    private static String verdict(double fvu, double correlation, int seeds) {
        MadeUp made = new MadeUp();
        for (String part : new String[] {FixedKQuestion.EVEN, FixedKQuestion.UNEVEN, FixedKQuestion.REAL}) {
            for (String variant : new String[] {FixedKQuestion.TOPK, FixedKQuestion.BATCH, FixedKQuestion.JUMP}) {
                boolean topk = variant.equals(FixedKQuestion.TOPK);
                made.with(
                                part,
                                variant,
                                FixedKQuestion.FVU,
                                spread(topk ? 0.3 : 0.3 + fvu, topk ? 0.001 : 0.002, seeds))
                        .with(
                                part,
                                variant,
                                FixedKQuestion.CE,
                                spread(topk ? 0.9 : 0.9 - fvu, topk ? 0.001 : 0.002, seeds))
                        .with(
                                part,
                                variant,
                                FixedKQuestion.RECOVERED,
                                spread(topk ? 0.8 : 0.8 + fvu, topk ? 0.001 : 0.002, seeds))
                        .with(part, variant, FixedKQuestion.L0, spread(5, 0, seeds))
                        .with(part, variant, FixedKQuestion.WITH_LOSS, spread(correlation, 0.01, seeds));
            }
        }
        return new FixedKQuestion()
                .answer(made.trials(), new Scale(false, seeds))
                .verdict();
    }

    private static double[] spread(double value, double by, int seeds) {
        double[] values = new double[seeds];
        Arrays.setAll(values, s -> value + by * s);
        return values;
    }

    @Test
    void theVerdictHasWordsForEachOutcome() {
        String better = verdict(-0.1, 0.5, 3);
        assertTrue(better.contains("a fixed k reconstructs worse: BatchTopK has FVU 0.202"), better);
        assertTrue(better.contains("though it finds fewer of the features, 0.702 against 0.801"), better);
        assertTrue(better.contains("gives more latents to tokens that are hard"), better);
        assertTrue(better.contains("reconstructs better than TopK"), better);
        assertTrue(better.contains("recovers more of the cross-entropy"), better);
        String worse = verdict(0.1, -0.5, 3);
        assertTrue(worse.contains("a fixed k reconstructs better"), worse);
        assertTrue(worse.contains("gives fewer latents to tokens that are hard"), worse);
        assertTrue(worse.contains("reconstructs worse than TopK"), worse);
        assertTrue(worse.contains("recovers less of the cross-entropy"), worse);
        String open = verdict(0, 0, 3);
        assertTrue(open.contains("we cannot tell at this size whether a fixed k reconstructs worse"), open);
        assertTrue(open.contains("neither more latents nor fewer"), open);
        assertTrue(open.contains("neither better nor worse"), open);
        String one = verdict(-0.1, 0.5, 1);
        assertTrue(one.contains("On the language model one seed cannot tell"), one);
    }
}
