package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Scale;

/** Every outcome has its words: the verdict follows made-up measurements wherever they point. */
final class DownstreamAnswerTest {
    private final MadeUp trials = new MadeUp();

    private void causes(String part, String variant, int seeds, double causal, double inert) {
        double[] found = new double[seeds];
        Arrays.setAll(found, seed -> causal + 0.01 * (seed - 1));
        trials.with(part, variant, DownstreamQuestion.CAUSAL, found)
                .with(part, variant, DownstreamQuestion.INERT, filled(seeds, inert));
    }

    private void model(String variant, int seeds, double kl, double ce) {
        // Seeds differ, and variants by a little more or less than their mean in each.
        double[] noise = new double[seeds];
        Arrays.setAll(noise, seed -> 0.05 * seed + 0.001 * ((seed * 7 + variant.length()) % 3));
        trials.with(DownstreamQuestion.REAL, variant, DownstreamQuestion.FVU, filled(seeds, 0.2))
                .with(DownstreamQuestion.REAL, variant, DownstreamQuestion.DIVERGENCE, plus(noise, kl))
                .with(DownstreamQuestion.REAL, variant, DownstreamQuestion.CE, plus(noise, ce))
                .with(DownstreamQuestion.REAL, variant, Trainings.SECONDS, filled(seeds, 10));
    }

    private static double[] filled(int seeds, double value) {
        return plus(new double[seeds], value);
    }

    private static double[] plus(double[] noise, double value) {
        return Arrays.stream(noise).map(n -> value + n).toArray();
    }

    private String verdict() {
        Answer answer = new DownstreamQuestion().answer(trials.trials(), new Scale(true, 3));
        return answer.verdict();
    }

    private void nothingOnCauses() {
        for (String part : List.of(DownstreamQuestion.APART, DownstreamQuestion.MIXED)) {
            causes(part, DownstreamQuestion.LOCAL, 3, 0.3, 0.3);
            causes(part, DownstreamQuestion.METRIC, 3, 0.3, 0.3);
        }
    }

    private static void contains(String text, String part) {
        assertTrue(text.contains(part), text);
    }

    @Test
    void aWinnerIsRecommendedWithItsControls() {
        causes(DownstreamQuestion.APART, DownstreamQuestion.LOCAL, 3, 0.2, 0.2);
        causes(DownstreamQuestion.APART, DownstreamQuestion.METRIC, 3, 0.9, 0);
        causes(DownstreamQuestion.MIXED, DownstreamQuestion.LOCAL, 3, 0.3, 0.3);
        causes(DownstreamQuestion.MIXED, DownstreamQuestion.METRIC, 3, 0.8, 0.1);
        model(DownstreamQuestion.LOCAL, 3, 0.50, 0.2);
        model(DownstreamQuestion.CONTROL, 3, 0.49, 0.2);
        model(DownstreamQuestion.LONGER, 3, 0.48, 0.2);
        model(DownstreamQuestion.TUNED, 3, 0.40, 0.2);
        String verdict = verdict();
        contains(verdict, "Where the causes are known, yes: Fisher metric finds 90 % of the causal features");
        contains(verdict, "local, then hybrid is what we recommend: KL −18 %");
        contains(verdict, "does not change beyond the seeds’ spread");
    }

    @Test
    void whatMoreLocalTrainingGivesTooIsNoWin() {
        nothingOnCauses();
        model(DownstreamQuestion.LOCAL, 3, 0.50, 0.2);
        model(DownstreamQuestion.CONTROL, 3, 0.49, 0.2);
        model(DownstreamQuestion.LONGER, 3, 0.38, 0.2);
        model(DownstreamQuestion.TUNED, 3, 0.40, 0.2);
        String verdict = verdict();
        contains(verdict, "no objective found more of them than the local error");
        contains(verdict, "we cannot tell at this size");
    }

    @Test
    void oneSeedCannotTell() {
        for (String part : List.of(DownstreamQuestion.APART, DownstreamQuestion.MIXED)) {
            causes(part, DownstreamQuestion.LOCAL, 1, 0.2, 0.3);
            causes(part, DownstreamQuestion.METRIC, 1, 0.9, 0.3);
        }
        model(DownstreamQuestion.LOCAL, 1, 0.50, 0.2);
        model(DownstreamQuestion.TUNED, 1, 0.10, 0.2);
        String verdict = verdict();
        contains(verdict, "Fisher metric finds most of them, 89 % where the local error finds 19 %, in one seed");
        contains(verdict, "On the language model one seed cannot tell");
    }

    @Test
    void aWinInDivergenceThatCostsCrossEntropySaysSo() {
        nothingOnCauses();
        model(DownstreamQuestion.LOCAL, 3, 0.50, 0.2);
        model(DownstreamQuestion.CONTROL, 3, 0.49, 0.2);
        model(DownstreamQuestion.LONGER, 3, 0.48, 0.2);
        model(DownstreamQuestion.METRIC, 3, 0.40, 0.3);
        contains(verdict(), "but the cross-entropy rises");
    }
}
