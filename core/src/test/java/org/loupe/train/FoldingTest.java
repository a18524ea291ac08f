package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.sae.Activation;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** The scale of the rows in training is folded away: on raw rows the result does what the trained SAE does on scaled ones. */
class FoldingTest {
    @ParameterizedTest
    @EnumSource(Architecture.class)
    void theResultOnRawRowsIsTheTrainedSaeOnScaledRows(Architecture architecture) {
        onScaledRows("architecture=" + architecture);
    }

    @ParameterizedTest
    @ValueSource(strings = {"omp", "lasso"})
    void theResultOfDictionaryLearningToo(String coding) {
        for (boolean signed : new boolean[] {false, true}) {
            onScaledRows(
                    "architecture=dictionary_learning",
                    "arch.dictionary.coding=" + coding,
                    "arch.dictionary.signed=" + signed);
        }
    }

    private static void onScaledRows(String... keys) {
        Matrix rows = Matrix.zeros(1000, TrainRuns.WIDTH);
        TrainRuns.rows().read(0, 1000, rows, 0);
        for (int i = 0; i < rows.data().length; i++) {
            rows.data()[i] *= 40;
        }
        TrainConfig config = ConfigReader.read(TrainRuns.config("batch=1000"), null, List.of(keys));
        try (Workers workers = new Workers(2)) {
            Trainer trainer = new Trainer(config, rows, 0, 20, workers);
            for (int step = 0; step < 20; step++) {
                trainer.step(rows);
            }
            float scale = (float) trainer.state().statistics().inputs().scale();
            assertTrue(scale < 0.1, "the rows were far from unit size: " + scale);
            Matrix scaled = Matrix.zeros(1000, TrainRuns.WIDTH);
            for (int i = 0; i < scaled.data().length; i++) {
                scaled.data()[i] = rows.data()[i] * scale;
            }
            Sae trained = trainer.training();
            Sae folded = trainer.result();
            Latents inside = new Encoder(trained, workers).encode(scaled);
            Latents outside = new Encoder(folded, workers).encode(rows);
            assertArrayEquals(inside.starts(), outside.starts());
            assertArrayEquals(inside.index(), outside.index());
            Matrix expected = Matrix.zeros(1000, TrainRuns.WIDTH);
            Matrix actual = Matrix.zeros(1000, TrainRuns.WIDTH);
            Decoder.decode(trained, inside, expected, workers);
            Decoder.decode(folded, outside, actual, workers);
            float unit = trained.activation() instanceof Activation.ResidualCodes ? 1 : scale;
            for (int e = 0; e < inside.entries(); e++) {
                assertEquals(inside.value()[e], outside.value()[e] * unit, 1e-5, "entry " + e);
            }
            for (int i = 0; i < expected.data().length; i++) {
                assertEquals(expected.data()[i], actual.data()[i] * scale, 1e-5, "element " + i);
            }
        }
    }
}
