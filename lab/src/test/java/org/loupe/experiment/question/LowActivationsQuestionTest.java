package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;

final class LowActivationsQuestionTest {
    private static final String WEAKEST = Bands.NAMES.getFirst();
    private static final String STRONGEST = Bands.NAMES.getLast();

    private final List<Trial> all = new ArrayList<>();

    /** Trials of all architectures: {@code at} of each seed for the weakest quarter, the others at 1. */
    private void trials(double[] rise, double[] perFvu, double[] lift) {
        for (String architecture : LowActivationsQuestion.ARCHITECTURES) {
            for (int seed = 0; seed < rise.length; seed++) {
                add(architecture, WEAKEST, seed, rise[seed], perFvu[seed], lift[seed]);
                add(architecture, STRONGEST, seed, 4, 2, 1);
                add(architecture, LowActivationsQuestion.RANDOM, seed, 1, 1, 1);
            }
        }
    }

    private void add(String architecture, String band, int seed, double rise, double perFvu, double lift) {
        all.add(new Trial(
                architecture + LowActivationsQuestion.ON_MODEL,
                band,
                seed,
                1,
                Map.of("kl_rise", rise, "kl_per_fvu", perFvu, "lift", lift, "energy", 0.04),
                Map.of()));
        all.add(new Trial(
                architecture + LowActivationsQuestion.ON_WORLD, band, seed, 1, Map.of("true_firing", 0.25), Map.of()));
    }

    private void says(String... parts) {
        int seeds = (int) all.stream().mapToInt(Trial::seed).distinct().count();
        String verdict = new LowActivationsQuestion()
                .answer(new Trials(all), new Scale(false, seeds))
                .verdict();
        for (String part : parts) {
            assertTrue(verdict.contains(part), () -> "no '" + part + "' in: " + verdict);
        }
        all.clear();
    }

    private static double[] near(double value) {
        return new double[] {value, value * 1.01, value * 0.99};
    }

    private static final double[] SCATTERED = {0.1, 1, 1.9};

    @Test
    void littleAndLessThanTheirSize() {
        trials(near(0.1), near(0.5), near(0.2));
        says(
                "Little, but not nothing, and less than their part in the reconstruction says",
                "4 % (ReLU), 4 % (TopK) and 4 % (JumpReLU) of f²",
                "+0.100 ± ",
                "They are harder to interpret",
                "0.200 against 1 (TopK)",
                "25 % against 25 % (JumpReLU)");
    }

    @Test
    void littleByTheirSizeOrMore() {
        trials(near(0.1), SCATTERED, SCATTERED);
        says(
                "and whether as much as their part in the reconstruction says cannot be told",
                "Whether they are harder to interpret cannot be told");
        trials(near(0.1), near(2), near(2));
        says("more than their part in the reconstruction says", "They are easier to interpret");
    }

    @Test
    void architecturesCanDiffer() {
        trials(near(0.1), near(0.5), near(0.2));
        all.removeIf(trial -> trial.part().startsWith("ReLU") && trial.variant().equals(WEAKEST));
        for (int seed = 0; seed < 3; seed++) {
            add("ReLU", WEAKEST, seed, near(0.1)[seed], near(3)[seed], SCATTERED[seed]);
        }
        says(
                "more than their part in the reconstruction says (ReLU), less than their part in the reconstruction says (TopK and JumpReLU)",
                "Whether they are harder to interpret cannot be told (ReLU), they are harder to interpret (TopK and JumpReLU)");
    }

    @Test
    void noEffectThatOneCanTell() {
        trials(new double[] {-0.1, 0, 0.1}, near(0.5), near(0.5));
        says("No effect that one can tell at this size");
    }

    @Test
    void moreThanOthers() {
        trials(near(2), near(2), near(1));
        says("Yes, more than others");
    }

    @Test
    void cannotTell() {
        trials(SCATTERED, SCATTERED, SCATTERED);
        says("We cannot tell at this size");
        trials(new double[] {0.1}, new double[] {0.1}, new double[] {0.1});
        says("One seed cannot tell", "(one seed)", "Nor can it tell whether they are harder to interpret");
    }
}
