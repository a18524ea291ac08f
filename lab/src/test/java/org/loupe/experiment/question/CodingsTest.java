package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.loupe.activations.MatrixRows;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

final class CodingsTest {
    @Test
    void bitsAreThoseOfCountedChoices() {
        for (int[] size : new int[][] {{512, 5}, {2048, 32}, {10, 1}, {7, 7}}) {
            BigInteger choices = BigInteger.ONE;
            for (int i = 0; i < size[1]; i++) {
                choices = choices.multiply(BigInteger.valueOf(size[0] - i)).divide(BigInteger.valueOf(i + 1));
            }
            double exact = Math.log(choices.doubleValue()) / Math.log(2);
            assertEquals(exact + 6 * size[1], Codings.bits(size[0], size[1]), 1e-7);
        }
    }

    @Test
    void logFactorialsOfWholeNumbers() {
        double sum = 0;
        for (int n = 0; n <= 40; n++) {
            sum += n > 0 ? Math.log(n) : 0;
            assertEquals(sum, Codings.logFactorial(n), 1e-9);
        }
    }

    /** 2,048 latents, 32 active: 425.99 bits; 97 stages of 21 codes take 426.05. 512, 5 active: 68.1; 13 stages of 39 take 68.7. */
    @Test
    void stagesTakeAboutAsManyBits() {
        assertEquals(97, DictionariesQuestion.stages(2048, 32));
        assertEquals(13, DictionariesQuestion.stages(512, 5));
    }

    /** With latents that are columns x̂ is x rounded: errors of a uniform level, 1/√12 of its width. */
    @Test
    void roundingLeavesTheErrorOfALevel() {
        int d = 8;
        Matrix identity = Matrix.zeros(d, d);
        for (int i = 0; i < d; i++) {
            identity.data()[i * d + i] = 1;
        }
        Sae sae = new Sae(identity, new float[d], identity, new float[d], new Activation.Relu(), true);
        Random random = new Random(3);
        Matrix x = Matrix.zeros(4096, d);
        for (int i = 0; i < x.data().length; i++) {
            x.data()[i] = random.nextFloat();
        }
        try (Workers workers = new Workers(2)) {
            double fvu = Codings.fvu(sae, new MatrixRows(x), workers);
            double expected = Math.pow(1.0 / 64, 2); // of the variance 1/12 of uniform values, the twelfths cancel
            assertEquals(expected, fvu, 0.05 * expected);
        }
    }

    @Test
    void pairsAreToldByTheirValues() {
        assertEquals(1, ByAccidentQuestion.told(new double[] {3, 1, 2}, new boolean[] {true, false, false}));
        assertEquals(0.5, ByAccidentQuestion.told(new double[] {1, 1}, new boolean[] {true, false}));
        assertEquals(
                0.25, ByAccidentQuestion.told(new double[] {1, 3, 2, 4}, new boolean[] {true, true, false, false}));
        assertTrue(Double.isNaN(ByAccidentQuestion.told(new double[] {1}, new boolean[] {true})));
    }
}
