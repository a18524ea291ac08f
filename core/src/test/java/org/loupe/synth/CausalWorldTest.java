package org.loupe.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

final class CausalWorldTest {
    private static final Workers WORKERS = new Workers(2);

    @AfterAll
    static void close() {
        WORKERS.close();
    }

    private static Matrix some(Matrix rows, int count) {
        return new Matrix(count, rows.cols(), java.util.Arrays.copyOf(rows.data(), count * rows.cols()));
    }

    @Test
    void aReaderSeesItsOwnFeatureAndLittleElse() {
        CausalWorld world = CausalWorld.of(true, 1);
        for (int j = 0; j < world.network().hidden(); j++) {
            for (int i = 0; i < world.directions().rows(); i++) {
                double seen = 0;
                for (int c = 0; c < 64; c++) {
                    seen += world.network().readers()[j][c] * world.directions().at(i, c);
                }
                if (i == 2 * j) {
                    assertEquals(1, seen, 1e-5);
                } else if (!world.causal(i)) {
                    assertEquals(0, seen, 1e-5, "an inert feature apart");
                } else {
                    assertTrue(Math.abs(seen) < 1, "" + Math.abs(seen));
                }
            }
        }
    }

    /** Strengths are uniform in f32: of two independent samples hardly any value is in both. */
    @Test
    void seedsAndSplitsShareNoDraws() {
        Set<Float> first = strengths(CausalWorld.of(false, 0).eval());
        for (Set<Float> other : List.of(
                strengths(CausalWorld.of(false, 1).eval()),
                strengths(CausalWorld.of(false, 2).eval()),
                strengths(CausalWorld.of(false, 0).train()))) {
            long shared = first.stream().filter(other::contains).count();
            assertTrue(shared < first.size() / 20, shared + " of " + first.size());
        }
    }

    private static Set<Float> strengths(CausalWorld.Sample sample) {
        Set<Float> all = new HashSet<>();
        for (int e = 0; e < Math.min(20_000, sample.codes().entries()); e++) {
            all.add(sample.codes().value()[e]);
        }
        return all;
    }

    @Test
    void featuresFireAlikeWhetherCausalOrNot() {
        CausalWorld.Sample sample = CausalWorld.of(false, 2).train();
        double[] energy = new double[2];
        for (int e = 0; e < sample.codes().entries(); e++) {
            energy[sample.codes().index()[e] % 2] += Math.pow(sample.codes().value()[e], 2);
        }
        // 65,536 rows × 2.56 firings of each kind: f² has mean 1/3 and deviation 0.3.
        assertEquals(1, energy[0] / energy[1], 0.02);
        assertEquals(5.12, (double) sample.codes().entries() / sample.codes().rows(), 0.05);
    }

    @Test
    void theGradientOfTheDivergenceIsThatOfFiniteDifferences() {
        CausalWorld world = CausalWorld.of(false, 3);
        Matrix x = some(world.eval().rows(), 12);
        Matrix moved = new Matrix(x.rows(), x.cols(), x.data().clone());
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < moved.data().length; i++) {
            moved.data()[i] += (float) (0.05 * random.nextGaussian());
        }
        Matrix gradient = world.network().klGradient(x, moved, WORKERS);
        int differ = 0;
        for (int at = 0; at < moved.data().length; at += 7) {
            float here = moved.data()[at];
            float step = 1e-3f;
            moved.data()[at] = here + step;
            double above = world.network().kl(x, moved, WORKERS);
            moved.data()[at] = here - step;
            double below = world.network().kl(x, moved, WORKERS);
            moved.data()[at] = here;
            double expected = (above - below) / (2 * step);
            // A unit whose threshold lies within the step has two slopes.
            differ += Math.abs(gradient.data()[at] - expected) < 2e-4 + 0.02 * Math.abs(expected) ? 0 : 1;
        }
        assertTrue(differ <= 3, "" + differ);
        double size = 0;
        for (float value : gradient.data()) {
            size = Math.max(size, Math.abs(value));
        }
        assertTrue(size > 0.01, "there is something to compare");
    }

    @Test
    void effectsAreThoseOfTakingAFeatureOut() {
        CausalWorld world = CausalWorld.of(true, 4);
        CausalWorld.Sample sample = world.eval();
        double[] effects = world.effects(sample, WORKERS);
        // Feature 0 by hand: every row on which it fires, with and without it.
        Codes codes = sample.codes();
        double sum = 0;
        int firings = 0;
        for (int r = 0; r < codes.rows(); r++) {
            for (int e = codes.starts()[r]; e < codes.starts()[r + 1]; e++) {
                if (codes.index()[e] == 0) {
                    Matrix with = Matrix.zeros(1, 64);
                    Matrix without = Matrix.zeros(1, 64);
                    for (int c = 0; c < 64; c++) {
                        with.data()[c] = sample.rows().at(r, c);
                        without.data()[c] = sample.rows().at(r, c)
                                - codes.value()[e] * world.directions().at(0, c);
                    }
                    sum += world.network().kl(with, without, WORKERS);
                    firings++;
                }
            }
        }
        assertEquals(sum / firings, effects[0], 1e-9);
        assertTrue(effects[0] > 0.1, "" + effects[0]);
        assertEquals(0, effects[1], 1e-6, "inert");
    }
}
