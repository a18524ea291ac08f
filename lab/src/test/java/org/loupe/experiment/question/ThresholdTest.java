package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.loupe.sae.Activation;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

final class ThresholdTest {
    private final SplittableRandom random = new SplittableRandom(5);
    private final float[] theta = {0.5f, 0.2f, 0, 1};
    private final Matrix x = gaussian(64, 3);
    private final Sae jump =
            new Sae(gaussian(4, 3), new float[] {.1f, .4f, -.2f, .3f}, gaussian(4, 3), new float[3], jumpRelu(), true);

    private Activation jumpRelu() {
        return new Activation.JumpRelu(theta);
    }

    private Matrix gaussian(int rows, int cols) {
        Matrix all = Matrix.zeros(rows, cols);
        for (int i = 0; i < rows * cols; i++) {
            all.data()[i] = (float) random.nextGaussian();
        }
        return all;
    }

    @Test
    void asABiasTheSameLatentsAreActiveAndWeakerByTheta() {
        try (Workers workers = new Workers(1)) {
            Latents with = new Encoder(jump, workers).encode(x);
            Latents bias = new Encoder(Threshold.asBias(jump), workers).encode(x);
            Latents step = new Encoder(Threshold.stepAlone(jump), workers).encode(x);
            assertTrue(with.entries() > 20);
            assertArrayEquals(with.starts(), bias.starts());
            assertArrayEquals(with.starts(), step.starts());
            for (int e = 0; e < with.entries(); e++) {
                assertEquals(with.index()[e], bias.index()[e]);
                assertEquals(with.value()[e] - theta[with.index()[e]], bias.value()[e], 1e-5f);
                assertEquals(1, step.value()[e]);
            }
        }
    }

    @Test
    void knowsTheWeakestActivationThatALatentCanHave() {
        assertEquals(1, Threshold.opening(jump)[3]);
        assertArrayEquals(new double[4], Threshold.opening(Threshold.asBias(jump)));
        Sae gated = new Sae(
                jump.encoder(),
                new float[] {-1, -1, 1, 0},
                jump.decoder(),
                jump.decoderBias(),
                new Activation.Gated(new float[] {0, (float) Math.log(2), 0, 0}, new float[] {-.25f, -.5f, .5f, .125f}),
                true);
        assertArrayEquals(new double[] {0.75, 1.5, 0, 0.125}, Threshold.opening(gated), 1e-6);
    }

    @Test
    void refusesAnSaeWithoutThresholds() {
        Sae relu = Threshold.asBias(jump);
        assertThrows(IllegalArgumentException.class, () -> Threshold.asBias(relu));
    }
}
