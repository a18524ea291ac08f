package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.activations.ShuffledRows;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The L0 that was asked for, on rows of sparse sums. */
class SparsityControlTest {
    private static final int STEPS = 1000;
    private static final double TARGET = 5;

    private static List<StepStats> train(TrainConfig config) {
        ShuffledRows order = new ShuffledRows(TrainRuns.rows(), config.batch(), 0, 100_000, true);
        Matrix batch = Matrix.zeros(config.batch(), TrainRuns.WIDTH);
        List<StepStats> all = new ArrayList<>();
        try (Workers workers = new Workers(2)) {
            order.batch(0, batch);
            Trainer trainer = new Trainer(config, batch, 0, STEPS, workers);
            for (int step = 0; step < STEPS; step++) {
                order.batch(step, batch);
                all.add(trainer.step(batch));
            }
        }
        return all;
    }

    @ParameterizedTest
    @EnumSource(Architecture.class)
    void theLastTenthHasTheL0ThatWasAskedFor(Architecture architecture) {
        reaches(architecture == Architecture.VQ ? 1 : TARGET, "architecture=" + architecture);
    }

    @Test
    void codesByLassoHaveItToo() {
        reaches(TARGET, "architecture=dictionary_learning", "arch.dictionary.coding=lasso");
    }

    private static void reaches(double target, String... keys) {
        List<String> set = new ArrayList<>(List.of("l0=" + target, "batch=250", "lr=2e-3"));
        set.addAll(List.of(keys));
        List<StepStats> all = train(TrainRuns.config(set.toArray(String[]::new)));
        double[] last = all.subList(STEPS - STEPS / 10, STEPS).stream()
                .mapToDouble(StepStats::l0)
                .toArray();
        double mean = IntStream.range(0, last.length)
                .mapToDouble(i -> last[i])
                .average()
                .orElseThrow();
        assertEquals(target, mean, 0.05 * target);

        // No oscillation: means of ten steps, over the last quarter, stay near the target.
        for (int from = STEPS * 3 / 4; from < STEPS; from += 10) {
            double ten = all.subList(from, from + 10).stream()
                    .mapToDouble(StepStats::l0)
                    .average()
                    .orElseThrow();
            assertEquals(target, ten, 0.2 * target, "steps from " + from);
        }
    }

    @Test
    void aQuadraticPenaltyOfLargeCoefficientPullsToItItself() {
        reaches(TARGET, "architecture=jumprelu", "arch.jump.penalty=quadratic", "l1=1000");
    }

    /** Of 8 latents hardly 7 have a positive pre-activation: k rises from the second step on. */
    @Test
    void theKThatAStepIsToldWithIsItsOwn() {
        List<StepStats> all = train(TrainRuns.config("latents=8", "l0=7", "batch=250"));
        assertTrue(all.getFirst().l0() < 7, all.getFirst().toString());
        assertEquals(7, all.getFirst().coefficient());
        assertTrue(all.get(1).coefficient() > 7, all.get(1).toString());
    }

    @Test
    void withoutATargetTheCoefficientIsAsGivenAfterItsWarmUp() {
        TrainConfig config = TrainRuns.config("architecture=relu", "l1=0.3", "arch.penalty.warmup=0.1", "batch=250");
        List<StepStats> all = train(config);
        assertEquals(0, all.getFirst().coefficient());
        assertEquals(0.15, all.get(STEPS / 20).coefficient(), 1e-9);
        assertTrue(all.subList(STEPS / 10, STEPS).stream().allMatch(s -> s.coefficient() == 0.3));
    }
}
