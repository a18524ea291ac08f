package org.loupe.synth;

import java.util.SplittableRandom;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * A network of one hidden layer, z = A relu(R (x − μ) − θ), p = softmax(z), and its gradients by x. All sums in double.
 *
 * @param readers R, [hidden][d]
 * @param mean μ, [d]
 * @param threshold θ
 * @param out A, [classes][hidden]
 */
public record ReadingNetwork(double[][] readers, double[] mean, double threshold, double[][] out) {
    private static final int CHUNK = 64;

    public int hidden() {
        return readers.length;
    }

    /** relu(R (x − μ) − θ), [n × hidden]. */
    public Matrix hidden(Matrix x, Workers workers) {
        Matrix h = Matrix.zeros(x.rows(), readers.length);
        workers.forEach(x.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int j = 0; j < readers.length; j++) {
                    double sum = -threshold;
                    for (int c = 0; c < mean.length; c++) {
                        sum += readers[j][c] * (x.at(r, c) - mean[c]);
                    }
                    h.data()[h.offset(r) + j] = (float) Math.max(0, sum);
                }
            }
        });
        return h;
    }

    /** log p, [n × classes]. */
    public Matrix logProbabilities(Matrix x, Workers workers) {
        return logProbabilities(hidden(x, workers));
    }

    private Matrix logProbabilities(Matrix h) {
        Matrix all = Matrix.zeros(h.rows(), out.length);
        double[] z = new double[out.length];
        for (int r = 0; r < h.rows(); r++) {
            double most = Double.NEGATIVE_INFINITY;
            for (int k = 0; k < z.length; k++) {
                z[k] = 0;
                for (int j = 0; j < readers.length; j++) {
                    z[k] += out[k][j] * h.at(r, j);
                }
                most = Math.max(most, z[k]);
            }
            double sum = 0;
            for (double value : z) {
                sum += Math.exp(value - most);
            }
            double log = most + Math.log(sum);
            for (int k = 0; k < z.length; k++) {
                all.data()[all.offset(r) + k] = (float) (z[k] - log);
            }
        }
        return all;
    }

    /** KL of one row's distribution to another's, nats. */
    public static double kl(Matrix logP, int p, Matrix logQ, int q) {
        double sum = 0;
        for (int k = 0; k < logP.cols(); k++) {
            sum += Math.exp(logP.at(p, k)) * ((double) logP.at(p, k) - logQ.at(q, k));
        }
        return sum;
    }

    /** Mean over rows of KL(p(x) ‖ p(x̂)), nats. */
    public double kl(Matrix x, Matrix reconstruction, Workers workers) {
        Matrix clean = logProbabilities(x, workers);
        Matrix other = logProbabilities(reconstruction, workers);
        double sum = 0;
        for (int r = 0; r < x.rows(); r++) {
            sum += kl(clean, r, other, r);
        }
        return sum / x.rows();
    }

    /** ∂/∂x of −log p_y with a label y for each row drawn from p(x), [n × d]: E[g gᵀ] is the Fisher matrix. */
    public Matrix sampledGradients(Matrix x, SplittableRandom random, Workers workers) {
        Matrix h = hidden(x, workers);
        Matrix log = logProbabilities(h);
        Matrix byLogits = Matrix.zeros(x.rows(), out.length);
        for (int r = 0; r < x.rows(); r++) {
            double left = random.nextDouble();
            int label = 0;
            for (; label < out.length - 1 && left >= Math.exp(log.at(r, label)); label++) {
                left -= Math.exp(log.at(r, label));
            }
            for (int k = 0; k < out.length; k++) {
                byLogits.data()[byLogits.offset(r) + k] = (float) (Math.exp(log.at(r, k)) - (k == label ? 1 : 0));
            }
        }
        return backward(h, times(byLogits), workers);
    }

    /** ∂/∂x̂ of the mean over rows of KL(p(x) ‖ p(x̂)), [n × d]. */
    public Matrix klGradient(Matrix x, Matrix reconstruction, Workers workers) {
        Matrix clean = logProbabilities(x, workers);
        Matrix h = hidden(reconstruction, workers);
        Matrix other = logProbabilities(h);
        Matrix byLogits = Matrix.zeros(x.rows(), out.length);
        for (int i = 0; i < byLogits.data().length; i++) {
            byLogits.data()[i] = (float) ((Math.exp(other.data()[i]) - Math.exp(clean.data()[i])) / x.rows());
        }
        return backward(h, times(byLogits), workers);
    }

    /** Aᵀ ∂/∂z, [n × hidden]. */
    private Matrix times(Matrix byLogits) {
        Matrix byHidden = Matrix.zeros(byLogits.rows(), readers.length);
        for (int r = 0; r < byLogits.rows(); r++) {
            for (int j = 0; j < readers.length; j++) {
                double sum = 0;
                for (int k = 0; k < out.length; k++) {
                    sum += out[k][j] * byLogits.at(r, k);
                }
                byHidden.data()[byHidden.offset(r) + j] = (float) sum;
            }
        }
        return byHidden;
    }

    /**
     * ∂/∂x from ∂/∂h.
     *
     * @param h where it is taken; units at 0 pass nothing on
     */
    public Matrix backward(Matrix h, Matrix byHidden, Workers workers) {
        Matrix gradient = Matrix.zeros(h.rows(), mean.length);
        workers.forEach(h.rows(), CHUNK, (from, to, worker) -> {
            double[] sum = new double[mean.length];
            for (int r = from; r < to; r++) {
                java.util.Arrays.fill(sum, 0);
                for (int j = 0; j < readers.length; j++) {
                    if (h.at(r, j) > 0) {
                        for (int c = 0; c < sum.length; c++) {
                            sum[c] += byHidden.at(r, j) * readers[j][c];
                        }
                    }
                }
                for (int c = 0; c < sum.length; c++) {
                    gradient.data()[gradient.offset(r) + c] = (float) sum[c];
                }
            }
        });
        return gradient;
    }
}
