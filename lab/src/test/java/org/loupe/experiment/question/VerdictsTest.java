package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Scale;

/** The words of each outcome, from made-up trials: by-accident, seeds, in-in-or-in-out, vq-and-dictionaries. */
final class VerdictsTest {
    private final MadeUp trials = new MadeUp();

    private void around(String part, String variant, Quantity quantity, double value) {
        // Of each variant another of the three seeds is the largest.
        int first = Math.floorMod(variant.hashCode(), 3);
        double[] values = new double[3];
        for (int i = 0; i < 3; i++) {
            values[(i + first) % 3] = value * (1 + 0.002 * (i - 1));
        }
        trials.with(part, variant, quantity, values);
    }

    private void says(Experiment experiment, String... parts) {
        String verdict = experiment.answer(trials.trials(), new Scale(true, 3)).verdict();
        for (String part : parts) {
            assertTrue(verdict.contains(part), part + " is not in: " + verdict);
        }
    }

    private void accident(double told, double energy, double metric) {
        around(ByAccidentQuestion.APART, ByAccidentQuestion.LOCAL, ByAccidentQuestion.TOLD_MASS, told);
        around(ByAccidentQuestion.APART, ByAccidentQuestion.METRIC, ByAccidentQuestion.TOLD_MASS, 0.91);
        around(ByAccidentQuestion.APART, ByAccidentQuestion.LOCAL, ByAccidentQuestion.TOLD_FISHER, 0.97);
        around(ByAccidentQuestion.REAL, ByAccidentQuestion.LOCAL, ByAccidentQuestion.ENERGY, energy);
        around(ByAccidentQuestion.REAL, ByAccidentQuestion.METRIC, ByAccidentQuestion.ENERGY, metric);
        around(ByAccidentQuestion.REAL, ByAccidentQuestion.UNTRAINED, ByAccidentQuestion.ENERGY, 0.5);
        around(ByAccidentQuestion.REAL, ByAccidentQuestion.LOCAL, ByAccidentQuestion.EACH, 0.3);
        around(ByAccidentQuestion.REAL, ByAccidentQuestion.UNTRAINED, ByAccidentQuestion.EACH, 0.2);
    }

    @Test
    void relevanceThatFollowsEnergyMoreThanARandomDictionarysIsNoAccident() {
        accident(0.5, 0.84, 0.84);
        says(
                new ByAccidentQuestion(),
                "activations do not show it beyond what chance would",
                "of an SAE trained with the Fisher metric mass does in 0.910",
                "it is no mere accident",
                "energy is 0.840",
                "changes ρ cannot be told",
                "; of a single firing activations say more than those of random directions");
    }

    @Test
    void relevanceThatFollowsItLessIsSaid() {
        accident(0.8, 0.1, 0.05);
        says(new ByAccidentQuestion(), "activations show it in part", "activations say less", "lowers ρ");
    }

    @Test
    void relevanceThatFollowsItAsMuchIsOne() {
        accident(0.8, 0.5, 0.6);
        says(new ByAccidentQuestion(), "no more of what all of a latent’s firings do", "raises ρ");
    }

    @Test
    void relevanceOfSeedsFarApartCannotBeTold() {
        accident(0.8, 0.5, 0.6);
        trials.with(ByAccidentQuestion.REAL, ByAccidentQuestion.LOCAL, ByAccidentQuestion.ENERGY, 0.2, 0.5, 0.9);
        says(new ByAccidentQuestion(), "On the language model we cannot tell");
    }

    @Test
    void relevanceOfOneSeedCannotBeTold() {
        trials.with(ByAccidentQuestion.REAL, ByAccidentQuestion.LOCAL, ByAccidentQuestion.ENERGY, 0.9);
        says(new ByAccidentQuestion(), "in one seed, which cannot tell");
    }

    private void seeds(double matched, double share, double agree) {
        around(SeedsQuestion.REAL, SeedsQuestion.TOPK, SeedsQuestion.MATCHED, matched);
        around(SeedsQuestion.REAL, SeedsQuestion.TOPK, SeedsQuestion.SHARE, share);
        around(SeedsQuestion.REAL, SeedsQuestion.TOPK, SeedsQuestion.EFFECTS, agree);
    }

    @Test
    void whatIsFoundAgainDoesTheSame() {
        seeds(0.9, 0.99, 0.97);
        says(new SeedsQuestion(), "Mostly yes", "more than their share", "does the same");
    }

    @Test
    void littleIsFoundAgain() {
        seeds(0.1, 0.02, 0.4);
        says(new SeedsQuestion(), "Mostly not", "less than their share", "does not do the same");
    }

    @Test
    void someIsFoundAgain() {
        seeds(0.5, 0.52, 0.8);
        says(new SeedsQuestion(), "In part", "about their share", "does about the same");
    }

    private void inOut(double sae, double transcoder, double skip, double labels) {
        around(InOutQuestion.REAL, InOutQuestion.SAE, InOutQuestion.KL, sae);
        around(InOutQuestion.REAL, InOutQuestion.TRANSCODER, InOutQuestion.KL, transcoder);
        around(InOutQuestion.REAL, InOutQuestion.SKIP, InOutQuestion.KL, skip);
        around(InOutQuestion.REAL, InOutQuestion.SAE, InOutQuestion.LABELLED, 0.4);
        around(InOutQuestion.REAL, InOutQuestion.TRANSCODER, InOutQuestion.LABELLED, labels);
    }

    @Test
    void aTranscoderCanLose() {
        inOut(0.1, 0.2, 0.15, 0.5);
        says(new InOutQuestion(), "For faithfulness In = In:", "more of its latents");
    }

    @Test
    void itsSkipCanWinForIt() {
        inOut(0.1, 0.2, 0.05, 0.5);
        says(new InOutQuestion(), "In = Out with a linear path past the latents, and without one In = In:");
    }

    @Test
    void aTranscoderCanWin() {
        inOut(0.2, 0.1, 0.15, 0.3);
        says(new InOutQuestion(), "For faithfulness In = Out:", "fewer of its latents");
    }

    @Test
    void whatDoesNotDifferCannotBeTold() {
        inOut(0.2, 0.2, 0.2, 0.4);
        says(new InOutQuestion(), "cannot be told at this size", "label cannot be told");
    }

    private void dictionaries(double bits, double learnt, double pursuit) {
        String part = DictionariesQuestion.REAL;
        around(part, DictionariesQuestion.SAE, DictionariesQuestion.CODED, 0.3);
        around(part, DictionariesQuestion.BITS, DictionariesQuestion.CODED, bits);
        around(part, DictionariesQuestion.PURSUIT, DictionariesQuestion.CODED, 0.2);
        around(part, DictionariesQuestion.SAE, DictionariesQuestion.KL, 0.3);
        around(part, DictionariesQuestion.BITS, DictionariesQuestion.KL, 0.6 - bits);
        around(part, DictionariesQuestion.SAE, DictionariesQuestion.FVU, 0.2);
        around(part, DictionariesQuestion.LEARNT, DictionariesQuestion.FVU, learnt);
        around(part, DictionariesQuestion.PURSUIT, DictionariesQuestion.FVU, pursuit);
    }

    @Test
    void codesThatGetWorseWithMoreStagesAreSaidTo() {
        dictionaries(0.5, 0.4, 0.1);
        around(DictionariesQuestion.REAL, DictionariesQuestion.RESIDUAL, DictionariesQuestion.CODED, 0.4);
        says(new DictionariesQuestion(), "though it does worse with so many stages (0.5) than with fewer (0.400)");
    }

    @Test
    void saesCanBeatCodesAndDictionaries() {
        dictionaries(0.5, 0.4, 0.1);
        says(
                new DictionariesQuestion(),
                "SAEs beat residual VQ",
                "a pursuit with the SAE’s dictionary beats it (+0.300",
                "change less with VQ than with the SAE (KL −0.200",
                "dictionary learning reconstructs worse",
                "would explain 50 %");
    }

    @Test
    void codesAndDictionariesCanBeatSaes() {
        dictionaries(0.1, 0.1, 0.4);
        says(
                new DictionariesQuestion(),
                "residual VQ beats SAEs",
                "it beats a pursuit with the SAE’s dictionary (−0.100",
                "change more with VQ than with the SAE (KL +0.200",
                "dictionary learning reconstructs better",
                "does worse than its encoder");
    }

    @Test
    void equalFiguresCannotBeTold() {
        dictionaries(0.3, 0.2, 0.2);
        says(
                new DictionariesQuestion(),
                "we cannot tell SAEs",
                "change as much with either",
                "cannot be told (FVU",
                "cannot be told at this size");
    }
}
