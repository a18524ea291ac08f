package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.loupe.experiment.question.ThresholdQuestion.BIAS;
import static org.loupe.experiment.question.ThresholdQuestion.JUMP;
import static org.loupe.experiment.question.ThresholdQuestion.REAL;
import static org.loupe.experiment.question.ThresholdQuestion.RELU;
import static org.loupe.experiment.question.ThresholdQuestion.RESCALED;
import static org.loupe.experiment.question.ThresholdQuestion.WORLD;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;

final class ThresholdQuestionTest {
    private static final double[] SAME = {0, 0, 0};
    private static final double[] APART = {0.010, 0.011, 0.012};
    private static final double[] SCATTERED = {-0.02, 0.01, 0.02};

    private final List<Trial> all = new ArrayList<>();

    private void says(String... parts) {
        String verdict = verdict();
        for (String part : parts) {
            assertTrue(verdict.contains(part), () -> "no '" + part + "' in: " + verdict);
        }
    }

    private void fvu(String variant, double mean, double... differences) {
        for (String part : List.of(WORLD, REAL)) {
            for (int seed = 0; seed < differences.length; seed++) {
                all.add(new Trial(
                        part,
                        variant,
                        seed,
                        1,
                        Map.of("fvu", mean + differences[seed], "l0", 32.0, "step_share", 0.4),
                        Map.of()));
            }
        }
    }

    private String verdict() {
        int seeds = (int) all.stream().mapToInt(Trial::seed).distinct().count();
        return new ThresholdQuestion()
                .answer(new Trials(all), new Scale(false, seeds))
                .verdict();
    }

    private void trials(double[] rescaled, double[] relu, double[] reluRescaled) {
        fvu(JUMP, 0.2, SAME);
        fvu(JUMP + RESCALED, 0.2, SAME);
        fvu(BIAS, 0.3, APART);
        fvu(BIAS + RESCALED, 0.2, rescaled);
        fvu(RELU, 0.2, relu);
        fvu(RELU + RESCALED, 0.2, reluRescaled);
    }

    private static double[] less() {
        return new double[] {-0.010, -0.011, -0.012};
    }

    @Test
    void aBiasDoesNotDo() {
        trials(APART, APART, APART);
        says(
                "No: as a gate θ is a bias",
                "from 0.200 to 0.311",
                "0.211 with the best factor",
                "+0.0110 ± ",
                "is worse, and not by shrinkage alone",
                "rescaled it is not told apart from JumpReLU’s own latents with θ in the bias");
    }

    @Test
    void aBiasDoesUpToAFactor() {
        trials(SCATTERED, APART, SCATTERED);
        says("Up to a factor for each latent, as far as one can tell", "is worse, by no more than shrinkage");
    }

    @Test
    void aBiasDoesBetter() {
        trials(less(), less(), less());
        says("Yes: ", "is even better");
        all.clear();
        trials(less(), APART, less());
        says("rescaled it is the better one");
    }

    @Test
    void nothingIsToldApart() {
        fvu(JUMP, 0.2, SAME);
        fvu(JUMP + RESCALED, 0.2, SAME);
        fvu(BIAS, 0.2, SCATTERED);
        fvu(BIAS + RESCALED, 0.2, SCATTERED);
        fvu(RELU, 0.2, SCATTERED);
        fvu(RELU + RESCALED, 0.2, SCATTERED);
        says("We cannot tell at this size", "not told apart from it at this size");
    }

    @Test
    void oneSeedTellsNothing() {
        for (String variant : List.of(JUMP, JUMP + RESCALED, BIAS, BIAS + RESCALED, RELU, RELU + RESCALED)) {
            fvu(variant, 0.2, 0);
        }
        says("One seed cannot tell", "not told apart from it by one seed", "40 %");
    }
}
