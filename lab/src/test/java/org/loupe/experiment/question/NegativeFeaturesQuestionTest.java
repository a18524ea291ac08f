package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.ABSTOPK;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.REAL;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.SIGNED;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.TOPK;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.UNSIGNED;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.sae.Activation;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

final class NegativeFeaturesQuestionTest {
    private static final double[] CLEAR = {0, 0.001, -0.001};
    private static final double[] SCATTERED = {0, 0.3, -0.3};

    private final List<Trial> all = new ArrayList<>();

    private void fvu(String part, String architecture, int latents, double mean, double... differences) {
        for (int seed = 0; seed < differences.length; seed++) {
            all.add(new Trial(
                    part,
                    NegativeFeaturesQuestion.variant(architecture, latents),
                    seed,
                    1,
                    Map.of("fvu", mean + differences[seed], "latents", (double) latents, "antipodal", 0.8),
                    Map.of()));
        }
    }

    /** TopK at 0.4, 0.3, 0.2 for each doubling; AbsTopK with the middle size at a given FVU. */
    private void trials(double world, double model, double... differences) {
        double[] same = new double[differences.length];
        for (String part : List.of(SIGNED, UNSIGNED)) {
            fvu(part, TOPK, 128, 0.4, same);
            fvu(part, TOPK, 256, 0.3, same);
            fvu(part, TOPK, 512, 0.2, same);
            fvu(part, ABSTOPK, 256, part.equals(SIGNED) ? world : 0.3, differences);
        }
        fvu(REAL, TOPK, 1_024, 0.4, same);
        fvu(REAL, TOPK, 2_048, 0.3, same);
        fvu(REAL, TOPK, 4_096, 0.2, same);
        fvu(REAL, ABSTOPK, 1_024, model + 0.1, differences);
        fvu(REAL, ABSTOPK, 2_048, model, differences);
    }

    private void says(String... parts) {
        int seeds = (int) all.stream().mapToInt(Trial::seed).distinct().count();
        String verdict = new NegativeFeaturesQuestion()
                .answer(new Trials(all), new Scale(false, seeds))
                .verdict();
        for (String part : parts) {
            assertTrue(verdict.contains(part), () -> "no '" + part + "' in: " + verdict);
        }
        all.clear();
    }

    /** Half-way between 256 and 512 on a logarithmic axis is √2 times 256. */
    @Test
    void aCost() {
        trials(0.25, 0.25, CLEAR);
        says(
                "Yes: ",
                "TopK needs 1.41 ± ",
                "80 % of its 512 latents",
                "On the language model it is a cost too, 1.41 ± ");
    }

    @Test
    void aCostBeyondTheSizes() {
        trials(0.1, 0.1, CLEAR);
        says("TopK needs more than 2 times AbsTopK’s latents", "a cost too, more than ");
    }

    @Test
    void noCost() {
        trials(0.35, 0.35, CLEAR);
        says("No, a sign is no gain even there", "0.707 ± ", "On the language model it is no cost");
        trials(0.5, 0.5, CLEAR);
        says("fewer than 0.5 times");
    }

    @Test
    void cannotTell() {
        trials(0.25, 0.25, SCATTERED);
        says("We cannot tell at this size", "On the language model we cannot tell at this size");
        trials(0.25, 0.25, 0);
        says("One seed cannot tell", "1.41 times", "Nor can it on the language model", "(one seed)");
    }

    @Test
    void antipodesAreOfOtherRows() {
        Matrix rows = new Matrix(4, 2, new float[] {1, 0, -2, 0, 0, 1, 3, 4});
        try (Workers workers = new Workers(2)) {
            Antipodes found = Antipodes.of(rows, workers);
            assertArrayEquals(new double[] {1, 1, 0, 0.6}, found.opposite(), 1e-6);
            assertArrayEquals(new double[] {0.6, 0, 0.8, 0.8}, found.alike(), 1e-6);
            assertEquals(0.5, Antipodes.share(found.opposite(), 0.9));
        }
    }

    @Test
    void bothSignsTakeTwoLatentsOrOneWithSigns() {
        Matrix directions = new Matrix(3, 2, new float[] {1, 0, 0, 1, .6f, .8f});
        Matrix dictionary = new Matrix(3, 2, new float[] {1, 0, -1, 0, 0, -1});
        for (Activation activation : new Activation[] {new Activation.TopK(1), new Activation.AbsTopK(1)}) {
            Sae sae = new Sae(dictionary, new float[3], dictionary, new float[2], activation, true);
            Map<String, Double> values = new HashMap<>();
            try (Workers workers = new Workers(1)) {
                NegativeFeaturesQuestion.found(directions, sae, workers, values);
            }
            double both = activation.signed() ? 2 : 1;
            assertEquals(Map.of("both_signs", both / 3, "any_sign", 2.0 / 3), values);
        }
    }

    @Test
    void twoSidedLatentsUseTheirRarerSignATenthOfTheTime() {
        int[] starts = {0, 25};
        int[] index = new int[25];
        float[] value = new float[25];
        for (int e = 0; e < 25; e++) {
            index[e] = e < 10 ? 0 : e < 21 ? 1 : 2;
            value[e] = e == 0 || e == 10 ? -1 : 1;
        }
        assertEquals(1.0 / 3, NegativeFeaturesQuestion.twoSided(new Latents(starts, index, value, 4)));
    }
}
