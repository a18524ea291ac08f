package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;

/** Every outcome has its words: the verdict follows made-up measurements wherever they point. */
final class DownstreamAnswerTest {
    private final List<Trial> trials = new ArrayList<>();

    private void causes(String part, String variant, double causal, double inert) {
        for (int seed = 0; seed < 3; seed++) {
            double noise = 0.01 * (seed - 1);
            trials.add(new Trial(
                    part,
                    variant,
                    seed,
                    1,
                    Map.of("causal_found", causal + noise, "inert_found", inert, "fvu", 0.5, "kl", 0.3),
                    Map.of()));
        }
    }

    private void model(String variant, int seeds, double kl, double ce) {
        for (int seed = 0; seed < seeds; seed++) {
            // Seeds differ, and variants by a little more or less than their mean in each.
            double noise = 0.05 * seed + 0.001 * ((seed * 7 + variant.length()) % 3);
            trials.add(new Trial(
                    DownstreamQuestion.REAL,
                    variant,
                    seed,
                    1,
                    Map.of("fvu", 0.2, "kl", kl + noise, "ce_increase", ce + noise, "train_seconds", 10.0),
                    Map.of()));
        }
    }

    private String verdict() {
        Answer answer = new DownstreamQuestion().answer(new Trials(trials), new Scale(true, 3));
        return answer.verdict();
    }

    private void nothingOnCauses() {
        for (String part : List.of(DownstreamQuestion.APART, DownstreamQuestion.MIXED)) {
            causes(part, DownstreamQuestion.LOCAL, 0.3, 0.3);
            causes(part, DownstreamQuestion.METRIC, 0.3, 0.3);
        }
    }

    private static void contains(String text, String part) {
        assertTrue(text.contains(part), text);
    }

    @Test
    void aWinnerIsRecommendedWithItsControls() {
        causes(DownstreamQuestion.APART, DownstreamQuestion.LOCAL, 0.2, 0.2);
        causes(DownstreamQuestion.APART, DownstreamQuestion.METRIC, 0.9, 0);
        causes(DownstreamQuestion.MIXED, DownstreamQuestion.LOCAL, 0.3, 0.3);
        causes(DownstreamQuestion.MIXED, DownstreamQuestion.METRIC, 0.8, 0.1);
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
            causes(part, DownstreamQuestion.LOCAL, 0.2, 0.3);
            causes(part, DownstreamQuestion.METRIC, 0.9, 0.3);
        }
        trials.removeIf(trial -> trial.seed() > 0);
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
