package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.loupe.harvest.DrawnLabels;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;

/** Slopes against central differences of the losses by every logit. */
class OutputLossTest {
    private static final int VOCABULARY = 9;
    private static final float STEP = 0.02f;

    private static final TokenBatch BATCH =
            new TokenBatch(new int[] {0, 3, 5, 1, 8, 2, 0, 4, 4, 7}, 2, 5, new int[] {0, 1, 1, 1, 2, 0, 1, 1, -1, -1});

    private static float[] random(long seed, int rows) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] out = new float[rows * VOCABULARY];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) random.nextDouble(-2, 2);
        }
        return out;
    }

    private static Tensor logProbabilities(float[] logits) {
        return Tensors.tensor(logits, logits.length / VOCABULARY, VOCABULARY).log_softmax(1);
    }

    @Test
    void slopesAreThoseOfTheLosses() {
        for (OutputLoss loss : List.of(
                new OutputLoss.CrossEntropy(),
                new OutputLoss.Drawn(new DrawnLabels(4), 30),
                new OutputLoss.KullbackLeibler(),
                new OutputLoss.LogitDifference(4, 6, 2))) {
            int rows = loss.judged(BATCH).length;
            try (PointerScope _ = new PointerScope()) {
                float[] logits = random(1, rows);
                Tensor clean = logProbabilities(random(2, rows));
                float[] slope = Tensors.floats(loss.slope(BATCH, logProbabilities(logits), clean));
                assertEquals(logits.length, slope.length);
                for (int i = 0; i < logits.length; i++) {
                    float[] up = logits.clone();
                    float[] down = logits.clone();
                    up[i] += STEP;
                    down[i] -= STEP;
                    double difference = loss.value(BATCH, logProbabilities(up), clean)
                            - loss.value(BATCH, logProbabilities(down), clean);
                    assertEquals(difference / (up[i] - down[i]), slope[i], 5e-4, loss + " at " + i);
                }
            }
        }
    }

    @Test
    void onlyTokensThatAnotherOfTheirDocumentFollowsAreJudged() {
        assertEquals("[1, 2, 6]", Arrays.toString(new OutputLoss.CrossEntropy().judged(BATCH)));
    }
}
