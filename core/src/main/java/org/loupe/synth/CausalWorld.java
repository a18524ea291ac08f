package org.loupe.synth;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SplitMix;
import org.loupe.tensor.SymmetricEigen;
import org.loupe.tensor.Workers;

/**
 * A world with known causes: features in superposition that all fire alike, and a small network that reads half of them, the even ones.
 * The others are inert, but vary just as much. Whoever looks at the rows alone cannot know which is which.
 *
 * <pre>
 * x = Σ_i f_i d_i + σ ε                           rows, as {@link SynthConfig} makes them
 * h = relu(R (x − μ) − θ),   z = A h              what the network makes of them; p = softmax(z) over classes
 * R_j = C⁻¹ d_j / (d_jᵀ C⁻¹ d_j)                  the reader of causal feature j with the least interference, C the rows' covariance
 * </pre>
 *
 * <p>Where causes lie {@link #apart}, causal directions span one half of the space, in superposition there, and inert ones the other: inert
 * features then have no effect at all. Otherwise both share all of it, and inert ones have the little effect that interference above θ
 * gives them, which {@link #effects} measures.
 *
 * @param directions of the features, [F × d], unit rows
 * @param network that reads the even ones
 * @param apart whether causal and inert directions are at right angles
 */
public record CausalWorld(SynthConfig config, Matrix directions, ReadingNetwork network, boolean apart) {
    private static final int CLASSES = 16;

    /** θ: half of a feature's mean strength where it fires. */
    private static final double THRESHOLD = 0.25;

    /** Deviation of A's entries, at which a causal feature moves logits by some units. */
    private static final double LOGIT_SCALE = 6;

    /** E f² of strengths uniform on (0, 1], where a feature fires. */
    private static final double SECOND_MOMENT = 1.0 / 3;

    /**
     * Rows and what fired on them.
     *
     * @param rows [n × d]
     */
    public record Sample(Matrix rows, Codes codes) {}

    /** 128 features in 64 dimensions, half of them causal; about five fire on a row. */
    public static CausalWorld of(boolean apart, long seed) {
        SynthConfig config = new SynthConfig(
                128, 64, 65_536, 8_192, Firing.FLAT, 5.12, 1, Magnitude.UNIFORM, 0, 1, 0, 0.01, false, 0, seed);
        SplittableRandom random = new SplittableRandom(seed);
        Matrix directions = directions(config, apart, random.split());
        return new CausalWorld(config, directions, network(config, directions, random.split()), apart);
    }

    /** Whether a feature is one that the network reads. */
    public boolean causal(int feature) {
        return feature % 2 == 0;
    }

    /** Rows to train on, or others to evaluate on. */
    public Sample train() {
        return draw((int) config.rows(), 1);
    }

    public Sample eval() {
        return draw(config.evalRows(), 2);
    }

    private Sample draw(int count, long stream) {
        Matrix rows = Matrix.zeros(count, config.width());
        RowMaker maker = new RowMaker(config, new Law(config), directions, new float[config.width()]);
        Codes codes = maker.make(SplitMix.random(config.seed(), stream), count, rows, 0);
        return new Sample(rows, codes);
    }

    /**
     * The exact effect of every feature on the network: the mean over rows on which it fires of KL(p(x) ‖ p(x − f_i d_i)), nats.
     *
     * @param sample with codes
     */
    public double[] effects(Sample sample, Workers workers) {
        Matrix clean = network.logProbabilities(sample.rows, workers);
        Codes codes = sample.codes;
        double[] sums = new double[config.features()];
        long[] firings = new long[config.features()];
        Matrix row = Matrix.zeros(1, config.width());
        for (int r = 0; r < codes.rows(); r++) {
            for (int e = codes.starts()[r]; e < codes.starts()[r + 1]; e++) {
                int feature = codes.index()[e];
                for (int c = 0; c < config.width(); c++) {
                    row.data()[c] = sample.rows.at(r, c) - codes.value()[e] * directions.at(feature, c);
                }
                sums[feature] += ReadingNetwork.kl(clean, r, network.logProbabilities(row, workers), 0);
                firings[feature]++;
            }
        }
        for (int i = 0; i < sums.length; i++) {
            sums[i] /= Math.max(1, firings[i]);
        }
        return sums;
    }

    private static Matrix directions(SynthConfig config, boolean apart, SplittableRandom random) {
        int d = config.width();
        double[][] basis = orthonormal(d, random);
        Matrix all = Matrix.zeros(config.features(), d);
        for (int i = 0; i < all.rows(); i++) {
            int from = apart && i % 2 == 1 ? d / 2 : 0;
            int to = apart && i % 2 == 0 ? d / 2 : d;
            double[] direction = new double[d];
            for (int b = from; b < to; b++) {
                double weight = random.nextGaussian();
                for (int c = 0; c < d; c++) {
                    direction[c] += weight * basis[b][c];
                }
            }
            double norm = Math.sqrt(dot(direction, direction));
            for (int c = 0; c < d; c++) {
                all.data()[all.offset(i) + c] = (float) (direction[c] / norm);
            }
        }
        return all;
    }

    /** Rows at right angles, by Gram and Schmidt. */
    private static double[][] orthonormal(int d, SplittableRandom random) {
        double[][] basis = new double[d][d];
        for (int b = 0; b < d; b++) {
            Arrays.setAll(basis[b], c -> random.nextGaussian());
            for (int twice = 0; twice < 2; twice++) {
                for (int before = 0; before < b; before++) {
                    double along = dot(basis[b], basis[before]);
                    for (int c = 0; c < d; c++) {
                        basis[b][c] -= along * basis[before][c];
                    }
                }
            }
            double norm = Math.sqrt(dot(basis[b], basis[b]));
            for (int c = 0; c < d; c++) {
                basis[b][c] /= norm;
            }
        }
        return basis;
    }

    private static ReadingNetwork network(SynthConfig config, Matrix directions, SplittableRandom random) {
        int d = config.width();
        double p = config.active() / config.features();
        double variance = p * SECOND_MOMENT - p * p * Magnitude.MEAN * Magnitude.MEAN;
        double[][] covariance = new double[d][d];
        double[] mean = new double[d];
        for (int i = 0; i < config.features(); i++) {
            for (int a = 0; a < d; a++) {
                mean[a] += p * Magnitude.MEAN * directions.at(i, a);
                for (int b = 0; b < d; b++) {
                    covariance[a][b] += variance * directions.at(i, a) * directions.at(i, b);
                }
            }
        }
        for (int a = 0; a < d; a++) {
            covariance[a][a] += config.noise() * config.noise();
        }
        SymmetricEigen eigen = SymmetricEigen.of(covariance, d);
        int causal = config.features() / 2;
        double[][] readers = new double[causal][];
        for (int j = 0; j < causal; j++) {
            readers[j] = reader(directions, 2 * j, eigen);
        }
        double[][] out = new double[CLASSES][causal];
        for (double[] row : out) {
            Arrays.setAll(row, j -> LOGIT_SCALE * random.nextGaussian());
        }
        return new ReadingNetwork(readers, mean, THRESHOLD, out);
    }

    private static double[] reader(Matrix directions, int feature, SymmetricEigen eigen) {
        int d = directions.cols();
        double[] reader = new double[d];
        double[] own = new double[d];
        Arrays.setAll(own, c -> directions.at(feature, c));
        for (int v = 0; v < d; v++) {
            double[] vector = eigen.vectors()[v];
            double weight = dot(vector, own) / eigen.values()[v];
            for (int c = 0; c < d; c++) {
                reader[c] += weight * vector[c];
            }
        }
        double gain = dot(reader, own);
        for (int c = 0; c < d; c++) {
            reader[c] /= gain;
        }
        return reader;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
