package org.loupe.sae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.io.Json;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import tools.jackson.databind.JsonNode;

/** Codes, OMP and LASSO against their definitions in doubles, and against scikit-learn's numbers. */
class CodingTest {
    /** An SAE whose encoder is its dictionary. */
    private static Sae tied(Matrix dictionary, float[] bias, Activation activation) {
        return new Sae(dictionary, new float[dictionary.rows()], dictionary, bias, activation, true);
    }

    private static Matrix gaussian(int rows, int d, double size, long seed) {
        Random random = new Random(seed);
        Matrix out = Matrix.zeros(rows, d);
        for (int i = 0; i < rows * d; i++) {
            out.data()[i] = (float) (size * random.nextGaussian());
        }
        return out;
    }

    private static Matrix unit(int rows, int d, long seed) {
        Matrix out = gaussian(rows, d, 1, seed);
        for (int r = 0; r < rows; r++) {
            double norm = Math.sqrt(inner(doubles(out, r), doubles(out, r)));
            for (int c = 0; c < d; c++) {
                out.data()[r * d + c] /= (float) norm;
            }
        }
        return out;
    }

    private static double[] doubles(Matrix a, int row) {
        return IntStream.range(0, a.cols()).mapToDouble(c -> a.at(row, c)).toArray();
    }

    private static double inner(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(c -> a[c] * b[c]).sum();
    }

    /** f of every row and latent. */
    private static double[][] encode(Sae sae, Matrix x, int threads) {
        try (Workers workers = new Workers(threads)) {
            Latents f = new Encoder(sae, workers).encode(x);
            double[][] dense = new double[x.rows()][sae.latents()];
            for (int r = 0; r < x.rows(); r++) {
                for (int e = f.starts()[r]; e < f.starts()[r + 1]; e++) {
                    assertTrue(e == f.starts()[r] || f.index()[e] > f.index()[e - 1], "ordered by latent");
                    dense[r][f.index()[e]] = f.value()[e];
                }
            }
            return dense;
        }
    }

    private static double[] centred(Sae sae, Matrix x, int row) {
        return IntStream.range(0, x.cols())
                .mapToDouble(c -> (double) x.at(row, c) - sae.decoderBias()[c])
                .toArray();
    }

    /** x − b − Σ f d. */
    private static double[] residual(Sae sae, Matrix x, int row, double[] f) {
        double[] left = centred(sae, x, row);
        for (int i = 0; i < f.length; i++) {
            for (int c = 0; c < left.length; c++) {
                left[c] -= f[i] * sae.decoder().at(i, c);
            }
        }
        return left;
    }

    /** Code norms of 0.3, where all ⟨c, r⟩ − ‖c‖²/2 may be positive, and of 30, where nearly all are negative. */
    @ParameterizedTest
    @CsvSource({"1, 0.3", "1, 1", "1, 30", "3, 1", "4, 0.5", "12, 1"})
    void eachStageTakesTheNearestCodeWithActivationOne(int stages, double size) {
        int m = 24;
        int d = 6;
        Sae sae = tied(
                gaussian(m, d, size / Math.sqrt(d), 1),
                gaussian(1, d, 1, 2).data(),
                new Activation.ResidualCodes(stages));
        Matrix x = gaussian(500, d, 1, 3);
        double[][] f = encode(sae, x, 2);
        for (int r = 0; r < x.rows(); r++) {
            double[] expected = new double[m];
            for (int s = 0; s < stages; s++) {
                int nearest = -1;
                double least = Double.POSITIVE_INFINITY;
                for (int i = s * m / stages; i < (s + 1) * m / stages; i++) {
                    double[] one = expected.clone();
                    one[i] = 1;
                    double[] left = residual(sae, x, r, one);
                    if (inner(left, left) < least) {
                        least = inner(left, left);
                        nearest = i;
                    }
                }
                expected[nearest] = 1;
            }
            assertArrayEquals(expected, f[r], "row " + r);
        }
    }

    @Test
    void ofEqualCodesTheLowestIsTaken() {
        Matrix codes = gaussian(1, 5, 1, 1);
        Matrix repeated = Matrix.zeros(7, 5);
        for (int i = 0; i < 7; i++) {
            System.arraycopy(codes.data(), 0, repeated.data(), i * 5, 5);
        }
        double[][] f = encode(tied(repeated, new float[5], new Activation.ResidualCodes(1)), gaussian(9, 5, 1, 2), 1);
        for (double[] row : f) {
            assertArrayEquals(new double[] {1, 0, 0, 0, 0, 0, 0}, row);
        }
    }

    @ParameterizedTest(name = "d={0} m={1} atoms={2} signed={3}")
    @CsvSource({
        "8, 20, 1, false",
        "8, 20, 3, true",
        "8, 20, 5, false",
        "6, 40, 6, true",
        "16, 24, 8, false",
        "5, 3, 9, false" // more atoms asked for than there are
    })
    void ompIsGreedyChoiceAndLeastSquaresOnWhatWasChosen(int d, int m, int atoms, boolean signed) {
        Sae sae = tied(unit(m, d, 1), gaussian(1, d, 1, 2).data(), new Activation.Omp(atoms, signed));
        Matrix x = gaussian(300, d, 2, 3);
        double[][] f = encode(sae, x, 2);
        int constrained = 0;
        for (int r = 0; r < x.rows(); r++) {
            List<Integer> support = new ArrayList<>();
            double[] expected = new double[m];
            while (support.size() < Math.min(atoms, Math.min(d, m))) {
                double[] left = residual(sae, x, r, expected);
                int best = -1;
                double most = 1e-5;
                for (int i = 0; i < m; i++) {
                    double z = inner(doubles(sae.decoder(), i), left);
                    if ((signed ? Math.abs(z) : z) > most) {
                        most = signed ? Math.abs(z) : z;
                        best = i;
                    }
                }
                if (best < 0 || support.contains(best)) {
                    break;
                }
                support.add(best);
                expected = signed ? leastSquares(sae, x, r, support) : nonNegative(sae, x, r, support);
            }
            double[] free = leastSquares(sae, x, r, support);
            constrained += Arrays.stream(free).anyMatch(v -> v < 0) ? 1 : 0;
            assertArrayEquals(expected, f[r], 2e-4, "row " + r);
        }
        assertTrue(signed || atoms < 5 || m < d || constrained > 0, "no row needed the condition f ≥ 0");
    }

    /** By normal equations and elimination with pivots. */
    private static double[] leastSquares(Sae sae, Matrix x, int row, List<Integer> support) {
        int n = support.size();
        double[][] a = new double[n][n + 1];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                a[i][j] = inner(doubles(sae.decoder(), support.get(i)), doubles(sae.decoder(), support.get(j)));
            }
            a[i][n] = inner(doubles(sae.decoder(), support.get(i)), centred(sae, x, row));
        }
        for (int p = 0; p < n; p++) {
            for (int i = p + 1; i < n; i++) {
                if (Math.abs(a[i][p]) > Math.abs(a[p][p])) {
                    double[] swapped = a[i];
                    a[i] = a[p];
                    a[p] = swapped;
                }
            }
            for (int i = 0; i < n; i++) {
                double factor = i == p ? 0 : a[i][p] / a[p][p];
                for (int j = p; j <= n; j++) {
                    a[i][j] -= factor * a[p][j];
                }
            }
        }
        double[] f = new double[sae.latents()];
        for (int i = 0; i < n; i++) {
            f[support.get(i)] = a[i][n] / a[i][i];
        }
        return f;
    }

    /** The best of all subsets whose least-squares solution is not negative. */
    private static double[] nonNegative(Sae sae, Matrix x, int row, List<Integer> support) {
        double[] best = new double[sae.latents()];
        double least = inner(centred(sae, x, row), centred(sae, x, row));
        for (int set = 1; set < 1 << support.size(); set++) {
            int chosen = set;
            List<Integer> subset = IntStream.range(0, support.size())
                    .filter(i -> (chosen >> i & 1) == 1)
                    .mapToObj(support::get)
                    .toList();
            double[] f = leastSquares(sae, x, row, subset);
            double[] left = residual(sae, x, row, f);
            if (inner(left, left) < least && subset.stream().allMatch(i -> f[i] >= 0)) {
                least = inner(left, left);
                best = f;
            }
        }
        return best;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void ompFindsFewAtomsThatGiveARowExactlyAndNoMore(boolean signed) {
        Matrix dictionary = unit(30, 20, 4);
        Matrix x = Matrix.zeros(2, 20);
        for (int c = 0; c < 20; c++) {
            x.data()[c] = 3 * dictionary.at(4, c) + (signed ? -5 : 5) * dictionary.at(17, c);
        }
        double[][] f = encode(tied(dictionary, new float[20], new Activation.Omp(9, signed)), x, 1);
        double[] expected = new double[30];
        expected[4] = 3;
        expected[17] = signed ? -5 : 5;
        assertArrayEquals(expected, f[0], 1e-4);
        assertTrue(IntStream.range(0, 30).filter(i -> f[0][i] != 0).count() <= 4, "rounding is not coded");
        assertArrayEquals(new double[30], f[1], "a row that is b_dec has no latents");
    }

    /** The conditions of Karush, Kuhn and Tucker, which hold at the minimum and nowhere else: the problem is convex. */
    @ParameterizedTest(name = "d={0} m={1} λ={2} signed={3}")
    @CsvSource({
        "16, 60, 1, false",
        "16, 60, 1, true",
        "16, 200, 0.1, false", // several rounds of 32 atoms
        "16, 200, 0.1, true",
        "16, 60, 8, false",
        "4, 50, 0.5, true",
        "16, 60, 1000, true" // nothing is worth its penalty
    })
    void lassoSatisfiesItsConditions(int d, int m, float penalty, boolean signed) {
        Sae sae = tied(unit(m, d, 1), gaussian(1, d, 1, 2).data(), new Activation.Lasso(penalty, signed, 100));
        Matrix x = gaussian(300, d, 2, 3);
        double[][] f = encode(sae, x, 2);
        int active = 0;
        int negative = 0;
        for (int r = 0; r < x.rows(); r++) {
            double[] left = residual(sae, x, r, f[r]);
            double tolerance = 4e-5 * Math.sqrt(inner(centred(sae, x, r), centred(sae, x, r)));
            for (int i = 0; i < m; i++) {
                double slope = 2 * inner(doubles(sae.decoder(), i), left);
                if (f[r][i] == 0) {
                    assertTrue((signed ? Math.abs(slope) : slope) <= penalty + tolerance, "row " + r + " atom " + i);
                } else {
                    assertEquals(penalty * Math.signum(f[r][i]), slope, tolerance, "row " + r + " atom " + i);
                    assertTrue(signed || f[r][i] > 0);
                    active++;
                    negative += f[r][i] < 0 ? 1 : 0;
                }
            }
        }
        assertEquals(penalty < 100, active > 0);
        assertEquals(signed && penalty < 100, negative > 0);
    }

    @Test
    void lassoOnOrthogonalAtomsIsTheSoftThreshold() {
        Matrix dictionary = Matrix.zeros(4, 4);
        for (int i = 0; i < 4; i++) {
            dictionary.data()[i * 5] = 1;
        }
        Matrix x = new Matrix(1, 4, new float[] {3, -3, 0.9f, 1.5f});
        assertArrayEquals(
                new double[] {2, -2, 0, 0.5},
                encode(tied(dictionary, new float[4], new Activation.Lasso(2, true, 9)), x, 1)[0],
                1e-6);
        assertArrayEquals(
                new double[] {2, 0, 0, 0.5},
                encode(tied(dictionary, new float[4], new Activation.Lasso(2, false, 9)), x, 1)[0],
                1e-6);
    }

    /** Numbers made by scripts/reference/sparse_coding.py. */
    @Test
    void codesEqualThoseOfScikitLearn() throws URISyntaxException {
        JsonNode json = Json.tree(Path.of(Objects.requireNonNull(CodingTest.class.getResource("/sae/coding.json"))
                .toURI()));
        int d = json.path("d").asInt();
        int m = json.path("m").asInt();
        int rows = json.path("rows").asInt();
        float penalty = (float) json.path("penalty").asDouble();
        Matrix dictionary = new Matrix(m, d, floats(json.path("dictionary")));
        Matrix x = new Matrix(rows, d, floats(json.path("x")));
        compare(json, "omp", dictionary, x, new Activation.Omp(json.path("k").asInt(), true));
        compare(json, "lasso", dictionary, x, new Activation.Lasso(penalty, true, 100));
        compare(json, "lasso_positive", dictionary, x, new Activation.Lasso(penalty, false, 100));
    }

    private static void compare(JsonNode json, String name, Matrix dictionary, Matrix x, Activation activation) {
        double[][] f = encode(tied(dictionary, new float[x.cols()], activation), x, 1);
        float[] expected = floats(json.path(name));
        for (int i = 0; i < expected.length; i++) {
            int row = i / dictionary.rows();
            assertEquals(expected[i], f[row][i % dictionary.rows()], 2e-4, name + " element " + i);
        }
    }

    private static float[] floats(JsonNode list) {
        float[] out = new float[list.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) list.get(i).asDouble();
        }
        return out;
    }

    @Test
    void theCodesDoNotDependOnTheThreads() {
        Matrix x = gaussian(700, 12, 2, 3);
        for (Activation activation : List.of(
                new Activation.ResidualCodes(5),
                new Activation.Omp(4, true),
                new Activation.Omp(4, false),
                new Activation.Lasso(1, false, 50))) {
            Sae sae = tied(unit(60, 12, 1), new float[12], activation);
            double[][] alone = encode(sae, x, 1);
            double[][] three = encode(sae, x, 3);
            for (int r = 0; r < x.rows(); r++) {
                assertArrayEquals(alone[r], three[r], activation + " row " + r);
            }
        }
    }
}
