package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class MaxCosineTest {
    private static final float HALF_RIGHT = (float) Math.sqrt(0.5);

    @Test
    void threeRowsByHand() {
        Matrix a = new Matrix(3, 2, new float[] {2, 0, 0, 3, -1, -1});
        try (Workers workers = new Workers(1)) {
            assertArrayEquals(new float[] {HALF_RIGHT, HALF_RIGHT, HALF_RIGHT}, MaxCosine.within(a, workers), 1e-6f);
            assertArrayEquals(
                    new float[] {1, -HALF_RIGHT},
                    MaxCosine.between(
                            new Matrix(2, 2, new float[] {5, 0, -1, -1}),
                            new Matrix(1, 2, new float[] {9, 0}),
                            workers),
                    1e-6f);
        }
    }

    @Test
    void oppositeRowsAreCoherentButNotAlike() {
        Matrix a = new Matrix(2, 2, new float[] {1, 0, -1, 0});
        try (Workers workers = new Workers(1)) {
            assertArrayEquals(new float[] {1, 1}, MaxCosine.within(a, workers));
            assertArrayEquals(
                    new float[] {-1}, MaxCosine.between(a.head(1), new Matrix(1, 2, new float[] {-2, 0}), workers));
        }
    }

    @Test
    void aRowOfZerosHasNoDirection() {
        Matrix zero = new Matrix(1, 2, new float[] {0, 0});
        try (Workers workers = new Workers(1)) {
            assertEquals(0, MaxCosine.between(zero, new Matrix(1, 2, new float[] {1, 0}), workers)[0]);
            assertEquals(0, MaxCosine.within(zero, workers)[0]);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 5, 3", "7, 1, 1", "131, 77, 33", "40, 300, 17", "257, 129, 64"})
    void equalsAllPairsInDouble(int rows, int others, int width) {
        Matrix a = random(rows, width, 1);
        Matrix b = random(others, width, 2);
        try (Workers workers = new Workers(2)) {
            assertArrayEquals(allPairs(a, b, false), MaxCosine.between(a, b, workers), 2e-6f);
            assertArrayEquals(allPairs(a, a, true), MaxCosine.within(a, workers), 2e-6f);
        }
    }

    private static Matrix random(int rows, int width, long seed) {
        Random random = new Random(seed);
        Matrix a = Matrix.zeros(rows, width);
        for (int i = 0; i < a.data().length; i++) {
            a.data()[i] = (float) random.nextGaussian();
        }
        return a;
    }

    private static float[] allPairs(Matrix a, Matrix b, boolean within) {
        float[] largest = new float[a.rows()];
        for (int i = 0; i < a.rows(); i++) {
            double best = within ? 0 : -1;
            for (int j = 0; j < b.rows(); j++) {
                double dot = 0;
                double normA = 0;
                double normB = 0;
                for (int c = 0; c < a.cols(); c++) {
                    dot += (double) a.at(i, c) * b.at(j, c);
                    normA += (double) a.at(i, c) * a.at(i, c);
                    normB += (double) b.at(j, c) * b.at(j, c);
                }
                double cosine = dot / Math.sqrt(normA * normB);
                if (!within) {
                    best = Math.max(best, cosine);
                } else if (i != j) {
                    best = Math.max(best, Math.abs(cosine));
                }
            }
            largest[i] = (float) best;
        }
        return largest;
    }
}
