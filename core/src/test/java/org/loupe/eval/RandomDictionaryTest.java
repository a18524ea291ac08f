package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class RandomDictionaryTest {
    private static final int WIDTH = 16;
    private static final double[] MEAN = new double[WIDTH];

    private static Matrix rows() {
        Random random = new Random(4);
        Matrix x = Matrix.zeros(600, WIDTH);
        for (int i = 0; i < x.data().length; i++) {
            x.data()[i] = (float) random.nextGaussian();
        }
        return x;
    }

    private static double fvu(Sae sae, Matrix x, Workers workers) {
        Matrix out = Matrix.zeros(x.rows(), WIDTH);
        Reconstruction.of(sae, workers).apply(x, out);
        RowMetrics metrics = new RowMetrics(WIDTH);
        metrics.add(x, out, workers);
        return metrics.fvu();
    }

    @Test
    void rowsAreUnitAndTheScaleIsTheBestOne() {
        Matrix x = rows();
        try (Workers workers = new Workers(2)) {
            Sae sae = RandomDictionary.draw(200, 8, MEAN, 3, x, workers);
            for (int r = 0; r < 200; r++) {
                double norm = 0;
                for (int c = 0; c < WIDTH; c++) {
                    norm += sae.encoder().at(r, c) * sae.encoder().at(r, c);
                }
                assertEquals(1, norm, 1e-5);
            }
            double scale = sae.decoder().at(0, 0) / sae.encoder().at(0, 0);
            assertTrue(scale > 0 && scale < 1, "overlapping rows overshoot: " + scale);
            double best = fvu(sae, x, workers);
            for (float other : new float[] {0.95f, 1.05f, (float) (1 / scale)}) {
                Matrix decoder = new Matrix(200, WIDTH, sae.decoder().data().clone());
                for (int i = 0; i < decoder.data().length; i++) {
                    decoder.data()[i] *= other;
                }
                Sae scaled = new Sae(
                        sae.encoder(), sae.encoderBias(), decoder, sae.decoderBias(), new Activation.TopK(8), true);
                assertTrue(best < fvu(scaled, x, workers), other + " times the scale");
            }
        }
    }

    @Test
    void theSeedDecidesTheDictionary() {
        try (Workers workers = new Workers(1)) {
            Sae one = RandomDictionary.draw(20, 3, MEAN, 1, rows(), workers);
            Sae same = RandomDictionary.draw(20, 3, MEAN, 1, rows(), workers);
            Sae other = RandomDictionary.draw(20, 3, MEAN, 2, rows(), workers);
            assertArrayEquals(one.decoder().data(), same.decoder().data());
            assertNotEquals(one.encoder().at(0, 0), other.encoder().at(0, 0));
        }
    }
}
