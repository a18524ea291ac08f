package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.apache.commons.statistics.distribution.NormalDistribution;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.experiment.Scale;
import org.loupe.train.StepKernel;

class BandwidthTest {
    private static final NormalDistribution NORMAL = NormalDistribution.of(0, 1);

    @Test
    void thetaIsPassedByOneRowInSixtyFour() {
        assertEquals(1.0 / 64, NORMAL.survivalProbability(BandwidthQuestion.THETA), 1e-6);
    }

    /** E p̂ in closed form: (Φ(θ + ε/2) − Φ(θ − ε/2)) / ε of the rectangle; of the Gaussian, but for its tails, the density of N(0, 1 + ε²). */
    @Test
    void theBiasIsThatOfTheClosedForms() {
        double theta = BandwidthQuestion.THETA;
        double epsilon = 0.8;
        double rectangle = NORMAL.probability(theta - epsilon / 2, theta + epsilon / 2) / epsilon;
        assertEquals(
                rectangle / NORMAL.density(theta) - 1,
                new StepEstimate(StepKernel.RECTANGLE, epsilon).bias(theta),
                1e-7);
        double gaussian =
                NormalDistribution.of(0, Math.sqrt(1 + epsilon * epsilon)).density(theta);
        assertEquals(
                gaussian / NORMAL.density(theta) - 1, new StepEstimate(StepKernel.GAUSSIAN, epsilon).bias(theta), 1e-3);
    }

    @ParameterizedTest
    @EnumSource(StepKernel.class)
    void biasAndNoiseAreThoseOfDraws(StepKernel kernel) {
        int repetitions = 4_000;
        int rows = 256;
        double theta = 1;
        double epsilon = 0.5 / kernel.reach();
        Random random = new Random(7);
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < repetitions; i++) {
            double estimate = 0;
            for (int r = 0; r < rows; r++) {
                estimate += kernel.at((random.nextGaussian() - theta) / epsilon) / epsilon / rows;
            }
            sum += estimate / repetitions;
            squares += estimate * estimate / repetitions;
        }
        double noise = Math.sqrt(squares - sum * sum);
        double density = StepEstimate.density(theta);
        StepEstimate step = new StepEstimate(kernel, epsilon);
        assertEquals(sum / density - 1, step.bias(theta), 4 * noise / density / Math.sqrt(repetitions));
        assertEquals(noise / density, step.noise(theta, rows), 0.05 * noise / density);
    }

    @Test
    void deviationsAreThoseOfTheTables() {
        assertEquals(Math.sqrt(1.0 / 12), StepEstimate.deviation(StepKernel.RECTANGLE), 1e-6);
        assertEquals(Math.sqrt(1.0 / 6), StepEstimate.deviation(StepKernel.TRIANGLE), 1e-6);
        assertEquals(Math.sqrt(1.0 / 5), StepEstimate.deviation(StepKernel.EPANECHNIKOV), 1e-6);
        assertEquals(Math.sqrt(1.0 / 7), StepEstimate.deviation(StepKernel.BIWEIGHT), 1e-6);
        assertEquals(1, StepEstimate.deviation(StepKernel.GAUSSIAN), 1e-3);
        assertEquals(Math.PI / Math.sqrt(3), StepEstimate.deviation(StepKernel.LOGISTIC), 2e-2);
    }

    private static MadeUp swept(int seeds) {
        return swept(seeds, 0.3);
    }

    /** @param offset units of ε = 1 σ, where E‖x‖² = d, of the data far from the origin; of the others 1 */
    private static MadeUp swept(int seeds, double offset) {
        MadeUp made = new MadeUp();
        for (String part : new String[] {BandwidthQuestion.WORLD, BandwidthQuestion.OFFSET, BandwidthQuestion.REAL}) {
            double unit = part.equals(BandwidthQuestion.OFFSET) ? offset : 1;
            for (double epsilon : new double[] {0.3, 1, 3}) {
                String variant = BandwidthQuestion.variant(StepKernel.RECTANGLE, epsilon);
                double fvu = epsilon == 1 ? 0.2 : 0.3;
                made.with(part, variant, BandwidthQuestion.EPSILON, same(epsilon, 0, seeds))
                        .with(part, variant, BandwidthQuestion.ABSOLUTE, same(unit * epsilon, 0, seeds))
                        .with(part, variant, BandwidthQuestion.MISSED, same(0.01, 0, seeds))
                        .with(part, variant, BandwidthQuestion.FVU, same(fvu, epsilon == 1 ? 0.001 : 0.002, seeds));
            }
            for (String log : new String[] {BandwidthQuestion.LOG, BandwidthQuestion.SLOW_LOG}) {
                made.with(part, log, BandwidthQuestion.MISSED, same(0.01, 0, seeds))
                        .with(part, log, BandwidthQuestion.FVU, same(0.25, 0.002, seeds));
            }
        }
        return made;
    }

    private static double[] same(double value, double by, int seeds) {
        double[] values = new double[seeds];
        for (int s = 0; s < seeds; s++) {
            values[s] = value + by * s;
        }
        return values;
    }

    private static String verdict(MadeUp made, int seeds) {
        return new BandwidthQuestion()
                .answer(made.trials(), new Scale(false, seeds))
                .verdict();
    }

    @Test
    void oneSeedCannotTell() {
        String verdict = verdict(swept(1), 1);
        assertTrue(verdict.contains("one seed cannot tell from its neighbours"), verdict);
        assertTrue(verdict.contains("cannot be told at this size"), verdict);
    }

    @Test
    void theBestBandwidthAndItsUnitComeFromTheFigures() {
        String verdict = verdict(swept(3), 3);
        assertTrue(verdict.contains("in training ε = 1 σ has the lowest FVU on SmolLM2"), verdict);
        assertTrue(verdict.contains("ε = 3 σ is worse by +0.101"), verdict);
        assertTrue(
                verdict.contains("ε = 1 σ serves all 3 data sets, and none of those tried does where E‖x‖² = d"),
                verdict);
        assertTrue(verdict.contains("log θ at the better of two rates raises the FVU on SmolLM2"), verdict);
    }

    @Test
    void whereBothUnitsServeTheScaleIsNotTold() {
        String verdict = verdict(swept(3, 1), 3);
        assertTrue(verdict.contains("ε = 1 σ serves all 3 data sets, and so does ε = 1 where E‖x‖² = d"), verdict);
    }

    /** A spread so wide that it holds 0 is no sign of being as good. */
    @Test
    void aBandwidthWithASeedThatFailsIsNotAsGoodAndIsNamed() {
        MadeUp made = swept(3, 1);
        String part = BandwidthQuestion.OFFSET;
        String failing = BandwidthQuestion.variant(StepKernel.RECTANGLE, 0.3);
        made.with(part, failing, BandwidthQuestion.FVU, 0.2, 0.9, 0.2)
                .with(part, failing, BandwidthQuestion.DEAD, 0.1, 0.95, 0.1);
        String verdict = verdict(made, 3);
        assertTrue(verdict.contains("and 1 (SmolLM2, block 11) in the one"), verdict);
        assertTrue(verdict.contains(" 1 (" + part + ")"), verdict);
        assertTrue(verdict.contains("more than 50 % of the latents die at ε = 0.300 σ (" + part + ")"), verdict);
    }

    @Test
    void aBandwidthThatMissesTheTargetIsNotCompared() {
        MadeUp made = swept(3);
        String best = BandwidthQuestion.variant(StepKernel.RECTANGLE, 1);
        made.with(BandwidthQuestion.REAL, best, BandwidthQuestion.MISSED, 0.5, 0.5, 0.5);
        String verdict = verdict(made, 3);
        assertTrue(verdict.contains("ε = 1 σ misses the L0 by 50 %"), verdict);
        for (double epsilon : new double[] {0.3, 3}) {
            String other = BandwidthQuestion.variant(StepKernel.RECTANGLE, epsilon);
            made.with(BandwidthQuestion.REAL, other, BandwidthQuestion.MISSED, 0.5, 0.5, 0.5);
        }
        assertTrue(verdict(made, 3).contains("no bandwidth came within 10 %"));
    }
}
