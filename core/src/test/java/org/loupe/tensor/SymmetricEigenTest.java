package org.loupe.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

class SymmetricEigenTest {
    @Test
    void twoByTwoByHand() {
        SymmetricEigen eigen = SymmetricEigen.of(new double[][] {{2, 1}, {1, 2}}, 2);
        assertArrayEquals(new double[] {3, 1}, eigen.values(), 1e-15);
        double h = Math.sqrt(0.5);
        assertArrayEquals(new double[] {h, h}, eigen.vectors()[0], 1e-15);
        assertEquals(0, eigen.vectors()[1][0] + eigen.vectors()[1][1], 1e-15);
    }

    @Test
    void trivialMatrices() {
        assertArrayEquals(
                new double[] {-7}, SymmetricEigen.of(new double[][] {{-7}}, 1).values());
        assertArrayEquals(new double[5], SymmetricEigen.of(new double[5][5], 2).values());
        assertEquals(0, SymmetricEigen.of(new double[0][0], 0).values().length);
        double[][] diagonal = {{1, 0, 0}, {0, 5, 0}, {0, 0, 3}};
        SymmetricEigen eigen = SymmetricEigen.of(diagonal, 1);
        assertArrayEquals(new double[] {5, 3, 1}, eigen.values());
        assertArrayEquals(new double[] {0, 1, 0}, eigen.vectors()[0]);
    }

    @Test
    void equalsLapack() throws IOException {
        JsonNode cases;
        try (InputStream in = Objects.requireNonNull(getClass().getResourceAsStream("/eval/eigen.json"))) {
            cases = Json.MAPPER.readTree(in).path("cases");
        }
        assertEquals(3, cases.size());
        for (JsonNode test : cases) {
            int n = test.path("n").asInt();
            SymmetricEigen eigen = SymmetricEigen.of(matrix(test.path("name").asString(), n), 1);
            double scale = Math.abs(test.path("values").get(0).asDouble());
            for (int i = 0; i < n; i++) {
                assertEquals(test.path("values").get(i).asDouble(), eigen.values()[i], 1e-13 * scale);
            }
            for (int i = 0; i < test.path("top").size(); i++) {
                assertEquals(test.path("top").get(i).asDouble(), eigen.vectors()[0][i], 1e-12);
            }
        }
    }

    /** Second moments of few rows of very different sizes: most eigenvalues are 0, the others span fourteen decades. */
    @Test
    void aNullSpaceOfNoiseConverges() {
        for (int seed = 0; seed < 12; seed++) {
            Random random = new Random(seed);
            int n = 160;
            double[][] a = new double[n][n];
            for (int row = 0; row < 40; row++) {
                double size = Math.pow(10, -7 * random.nextDouble());
                double[] x = random.doubles(n).map(v -> size * (v - 0.5)).toArray();
                for (int i = 0; i < n; i++) {
                    for (int j = 0; j < n; j++) {
                        a[i][j] += x[i] * x[j];
                    }
                }
            }
            SymmetricEigen eigen = SymmetricEigen.of(a, n);
            double largest = eigen.values()[0];
            double trace = 0;
            double sum = 0;
            for (int i = 0; i < n; i++) {
                trace += a[i][i];
                sum += eigen.values()[i];
                for (int r = 0; r < n; r++) {
                    double product = 0;
                    for (int c = 0; c < n; c++) {
                        product += a[r][c] * eigen.vectors()[i][c];
                    }
                    assertEquals(eigen.values()[i] * eigen.vectors()[i][r], product, 1e-13 * largest);
                }
            }
            assertEquals(trace, sum, 1e-12 * largest);
            assertEquals(0, eigen.values()[60], 1e-13 * largest);
        }
    }

    /** The formulas of scripts/reference/eigen.py. */
    private static double[][] matrix(String name, int n) {
        double[][] a = new double[n][n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                int gap = Math.min(Math.abs(i - j), n - Math.abs(i - j));
                a[i][j] = switch (name) {
                    case "graded" -> (i + 1.0) * (j + 1) / (i + j + 1);
                    case "ring" -> gap == 0 ? 2 : gap == 1 ? -1 : 0;
                    default -> Math.cos((double) i * j) + Math.cos(i + j) + (i == j ? i : 0);
                };
            }
        }
        return a;
    }

    @Property(tries = 30)
    void vectorsAreOrthonormalAndSatisfyTheEquation(
            @ForAll @IntRange(min = 1, max = 60) int n, @ForAll @IntRange(min = 1, max = 60) int rank) {
        Random random = new Random(n * 100L + rank);
        double[][] a = new double[n][n];
        for (int t = 0; t < rank; t++) {
            double[] v = random.doubles(n, -1, 1).toArray();
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    a[i][j] += v[i] * v[j];
                }
            }
        }
        SymmetricEigen eigen = SymmetricEigen.of(a, n);
        double scale = eigen.values()[0];
        for (int p = 0; p < n; p++) {
            double[] v = eigen.vectors()[p];
            for (int i = 0; i < n; i++) {
                assertEquals(eigen.values()[p] * v[i], dot(a[i], v), 1e-13 * n * scale);
            }
            for (int q = 0; q <= p; q++) {
                assertEquals(p == q ? 1 : 0, dot(v, eigen.vectors()[q]), 1e-13 * n);
            }
        }
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void moreVectorsThanThereAre() {
        assertThrows(IllegalArgumentException.class, () -> SymmetricEigen.of(new double[2][2], 3));
    }
}
