package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.GradientLoss;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.harvest.LossGradients;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.tensor.Matrix;

class CausalDimensionTest {
    @TempDir
    private static Path folder;

    private static double[][] diagonal(double... values) {
        double[][] matrix = new double[values.length][values.length];
        for (int i = 0; i < values.length; i++) {
            matrix[i][i] = values[i];
        }
        return matrix;
    }

    @Test
    void equalDirectionsCountOneEach() {
        CausalDimension three = CausalDimension.of(diagonal(2, 2, 2, 0, 0), 10);
        assertEquals(3, three.effectiveRank(), 1e-9);
        assertEquals(3, three.participationRatio(), 1e-9);
        CausalDimension two = CausalDimension.of(diagonal(4, 1), 10);
        assertEquals(25.0 / 17, two.participationRatio(), 1e-9);
        assertEquals(Math.exp(-0.8 * Math.log(0.8) - 0.2 * Math.log(0.2)), two.effectiveRank(), 1e-9);
    }

    /** (tr M)² / ‖M‖² needs no eigenvalues. */
    @Test
    void theRatioIsThatOfTheGradientsOfCountedRows() {
        HookPoint hook = HookPoint.residPost(0);
        int[] ids = new SplittableRandom(3).ints(28, 0, 300).toArray();
        int[] segments = {0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, -1, -1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        List<TokenBatch> batches = List.of(new TokenBatch(ids, 2, 14, segments), TokenBatch.causal(ids, 2, 14));
        EffectMeasurement.Known nothing = new EffectMeasurement.Known(
                new long[RandomSae.LATENTS], 1, new float[RandomSae.LATENTS], new float[RandomSae.LATENTS][3]);
        try (LanguageModel model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2)) {
            CausalDimension found = EffectMeasurement.run(
                            model,
                            RandomSae.loaded(model, RandomSae.of(3, true), hook, hook),
                            batches,
                            new EffectConfig(1000, 0, 1, 5),
                            nothing,
                            Map.of(),
                            Progress.NONE)
                    .summary()
                    .dimension();
            LossGradients gradients = new LossGradients(model, hook, GradientLoss.KL, 5);
            List<float[]> rows = new ArrayList<>();
            for (int b = 0; b < batches.size(); b++) {
                TokenBatch batch = batches.get(b);
                Matrix g = Objects.requireNonNull(gradients.of(batch, 2 * b).gradients());
                for (int row : batch.predicting()) {
                    if (batch.document(row) > 0) {
                        rows.add(Arrays.copyOfRange(g.data(), g.offset(row), g.offset(row) + 32));
                    }
                }
            }
            double trace = 0;
            double norm = 0;
            for (int a = 0; a < rows.size(); a++) {
                for (int b = 0; b < rows.size(); b++) {
                    double dot = 0;
                    for (int c = 0; c < 32; c++) {
                        dot += (double) rows.get(a)[c] * rows.get(b)[c];
                    }
                    trace += a == b ? dot : 0;
                    norm += dot * dot;
                }
            }
            assertEquals(rows.size(), found.rows());
            assertEquals(32, found.width());
            assertEquals(trace * trace / norm, found.participationRatio(), 1e-4 * found.participationRatio());
            assertTrue(found.effectiveRank() > found.participationRatio());
        }
    }
}
