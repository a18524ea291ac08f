package org.loupe.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.io.BadInput;

class LawTest {
    private static final int ROWS = 40_000;

    private static Codes draw(SynthConfig config) {
        return new Law(config).draw(new SplittableRandom(17), ROWS);
    }

    /** Whether each feature fires, [feature][row]. */
    private static boolean[][] fires(Codes codes, int features) {
        boolean[][] on = new boolean[features][codes.rows()];
        for (int r = 0; r < codes.rows(); r++) {
            for (int e = codes.starts()[r]; e < codes.starts()[r + 1]; e++) {
                on[codes.index()[e]][r] = true;
            }
        }
        return on;
    }

    private static double share(boolean[] on) {
        int count = 0;
        for (boolean fires : on) {
            count += fires ? 1 : 0;
        }
        return (double) count / on.length;
    }

    private static double correlation(boolean[] a, boolean[] b) {
        boolean[] both = new boolean[a.length];
        for (int r = 0; r < a.length; r++) {
            both[r] = a[r] && b[r];
        }
        double p = share(a);
        double q = share(b);
        return (share(both) - p * q) / Math.sqrt(p * (1 - p) * q * (1 - q));
    }

    /** Measured frequencies are within five standard errors of the probabilities. */
    private static void requireFrequencies(SynthConfig config) {
        boolean[][] on = fires(draw(config), config.features());
        float[] probabilities = new Law(config).probabilities();
        double sum = 0;
        for (int i = 0; i < on.length; i++) {
            double p = probabilities[i];
            sum += p;
            assertEquals(p, share(on[i]), 5 * Math.sqrt(p * (1 - p) / ROWS), "feature " + i);
        }
        assertEquals(config.active(), sum, 1e-5);
    }

    /** 1/1, 1/2, 1/3, 1/4 of a mean of 1: the factor is 12/25. */
    @Test
    void zipfByHand() {
        SynthConfig one = Worlds.size(Worlds.law(Worlds.SMALL, Firing.ZIPF, 1, Magnitude.UNIFORM, false), 4, 8);
        assertArrayEquals(new float[] {0.48f, 0.24f, 0.16f, 0.12f}, new Law(one).probabilities(), 1e-7f);
        // Of 1.5 the first would have 0.72: it gets 0.5, and the others share 1 as 6 : 4 : 3.
        SynthConfig more = Worlds.law(one, Firing.ZIPF, 1.5, Magnitude.UNIFORM, false);
        assertArrayEquals(new float[] {0.5f, 6 / 13f, 4 / 13f, 3 / 13f}, new Law(more).probabilities(), 1e-7f);
        SynthConfig most = Worlds.law(one, Firing.ZIPF, 2, Magnitude.UNIFORM, false);
        assertArrayEquals(new float[] {0.5f, 0.5f, 0.5f, 0.5f}, new Law(most).probabilities(), 1e-7f);
    }

    /** Of 5.12, nine features fire on half of the rows each, and the others share 0.62. */
    @Test
    void steepWeightsLeaveProbabilities() {
        SynthConfig size = Worlds.size(Worlds.SMALL, 256, 8);
        float[] steep = new Law(Worlds.zipf(size, 16, 5.12)).probabilities();
        assertEquals(0.5f, steep[8]);
        double sum = 0;
        for (int i = 0; i < steep.length; i++) {
            assertTrue(steep[i] >= 0 && steep[i] <= 0.5f, "feature " + i + ": " + steep[i]);
            sum += steep[i];
        }
        assertEquals(5.12, sum, 1e-6);
        assertEquals(Math.pow(1.1, -16), steep[10] / steep[9], 1e-6);
        String refusal = String.valueOf(assertThrows(BadInput.class, () -> new Law(Worlds.zipf(size, 1000, 5.12)))
                .getMessage());
        assertTrue(refusal.contains("zipf exponent is 1000.0") && refusal.contains("active = 5.12"), refusal);
    }

    @Test
    void everyFeatureFiresAsOftenAsItsProbabilitySays() {
        requireFrequencies(Worlds.SMALL);
        requireFrequencies(Worlds.law(Worlds.SMALL, Firing.ZIPF, 2.5, Magnitude.UNIFORM, false));
        requireFrequencies(Worlds.together(Worlds.SMALL, 0.4, 5, 0));
        requireFrequencies(Worlds.together(Worlds.SMALL, 1, 3, 0));
        requireFrequencies(Worlds.together(Worlds.SMALL, 0, 4, 2));
        SynthConfig zipf = Worlds.law(Worlds.SMALL, Firing.ZIPF, 2, Magnitude.UNIFORM, false);
        requireFrequencies(Worlds.together(zipf, 0.7, 3, 1));
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "0.3, 0.3", "0.8, 0.8", "1, 1"})
    void featuresOfAGroupAreCorrelatedAsAskedAndOthersAreNot(double asked, double expected) {
        boolean[][] on = fires(draw(Worlds.together(Worlds.SMALL, asked, 4, 0)), 12);
        for (int i = 0; i < 12; i++) {
            for (int j = 0; j < i; j++) {
                double wanted = i / 4 == j / 4 ? expected : 0;
                assertEquals(wanted, correlation(on[i], on[j]), 0.03, i + " and " + j);
            }
        }
    }

    @Test
    void aChildFiresOnlyWithItsParentAndOneAtATime() {
        SynthConfig two = Worlds.law(Worlds.SMALL, Firing.FLAT, 1.8, Magnitude.UNIFORM, false);
        SynthConfig config = Worlds.together(two, 0, 4, 3);
        assertArrayEquals(
                new float[] {0.4f, 1 / 15f, 1 / 15f, 1 / 15f},
                Arrays.copyOf(new Law(config).probabilities(), 4),
                1e-7f);
        int[] parents = new Law(config).parents();
        assertArrayEquals(new int[] {-1, 0, 0, 0, -1, 4, 4, 4, -1, 8, 8, 8}, parents);
        boolean[][] on = fires(draw(config), 12);
        for (int parent = 0; parent < 12; parent += 4) {
            for (int r = 0; r < ROWS; r++) {
                int children = 0;
                for (int c = parent + 1; c < parent + 4; c++) {
                    children += on[c][r] ? 1 : 0;
                }
                assertTrue(children == 0 || (children == 1 && on[parent][r]), parent + " in row " + r);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Magnitude.class)
    void strengthsHaveTheMomentsOfTheirLaw(Magnitude magnitude) {
        Codes codes = draw(Worlds.law(Worlds.SMALL, Firing.FLAT, 3, magnitude, false));
        double mean = 0;
        double square = 0;
        for (float value : codes.value()) {
            assertTrue(value > 0);
            mean += value / codes.entries();
            square += (double) value * value / codes.entries();
        }
        double second = switch (magnitude) {
            case UNIFORM -> 1.0 / 3;
            case EXPONENTIAL -> 0.5;
            case HALFNORMAL -> Math.PI / 8;
            case CONSTANT -> 0.25;
        };
        assertEquals(0.5, mean, 0.01);
        assertEquals(second, square, 0.02);
    }

    @Test
    void halfOfTheSignsAreNegativeWhereAsked() {
        Codes codes = draw(Worlds.law(Worlds.SMALL, Firing.FLAT, 3, Magnitude.UNIFORM, true));
        double negative = 0;
        double size = 0;
        for (float value : codes.value()) {
            negative += value < 0 ? 1 : 0;
            size += Math.abs(value);
        }
        assertEquals(0.5, negative / codes.entries(), 0.01);
        assertEquals(0.5, size / codes.entries(), 0.01);
    }
}
