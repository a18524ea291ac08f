package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class SparseStartTest {
    private static final int ROWS = 256;

    private static StepStats firstStep(String... keys) {
        Matrix rows = Matrix.zeros(ROWS, TrainRuns.WIDTH);
        TrainRuns.rows().read(0, ROWS, rows, 0);
        String[] all = Arrays.copyOf(keys, keys.length + 2);
        all[keys.length] = "batch=" + ROWS;
        all[keys.length + 1] = "l0=4";
        try (Workers workers = new Workers(2);
                Trainer trainer = new Trainer(TrainRuns.config(all), rows, 0, 1000, workers)) {
            return trainer.step(rows);
        }
    }

    /** Half of the rows decide, so the others' count is near what is wanted, not equal to it; two gates have twice as many. */
    @ParameterizedTest
    @CsvSource({
        "relu, 2, 8",
        "p_anneal, 2, 8",
        "jumprelu, 2, 8",
        "gated, 2, 8",
        "sign_aware_gated, 2, 16",
        "relu, 0.5, 2",
        "gated, 3, 12",
        "jumprelu, 1, 4"
    })
    void rowsBeginWithAMultipleOfTheWantedLatents(String architecture, double begin, double active) {
        double l0 = firstStep("architecture=" + architecture, "arch.penalty.begin=" + begin)
                .l0();
        assertEquals(active, l0, 0.15 * active);
    }

    @Test
    void withZeroHalfOfThemAreActive() {
        double l0 = firstStep("architecture=relu", "arch.penalty.begin=0", "latents=40")
                .l0();
        assertTrue(l0 > 15 && l0 < 25, "L0 " + l0);
    }
}
