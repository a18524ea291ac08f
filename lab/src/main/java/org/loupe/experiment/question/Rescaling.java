package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.activations.RowSource;
import org.loupe.sae.Activation;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The factors of an SAE's latents and the offset with which its activations reconstruct best, the active latents being what they are:
 *
 * <pre>
 * min over a, b of Σ_rows ‖x − b − Σ_i a_i f_i d_i‖²
 * b = x̄ − Σ_i a_i f̄_i d_i,   G a = c,   G_ij = Σ_rows (f_i − f̄_i)(f_j − f̄_j) ⟨d_i, d_j⟩,   c_i = Σ_rows (f_i − f̄_i) ⟨d_i, x⟩
 * </pre>
 *
 * <p>by conjugate gradients from a = 1 on, preconditioned by G's diagonal. A latent of fewer than {@value #FEWEST} activations keeps the factor 1.
 * A factor above 1 is shrinkage: the activation is smaller than what reconstructs best (Wright &amp; Sharkey 2024).
 *
 * @param factor a, [m]
 * @param offset b, [d]
 * @param firings rows on which each latent fires, of those it was fitted on, [m]
 * @param mass Σ f of each, [m]
 */
record Rescaling(double[] factor, double[] offset, long[] firings, double[] mass) {
    static final int FEWEST = 20;

    private static final int BATCH = 4096;
    private static final int STEPS = 1_000;
    private static final double PRECISION = 1e-6;

    /** @param rows at most so many, from the first on */
    static Rescaling fit(Sae sae, RowSource source, long rows, Workers workers) {
        Sums sums = new Sums(sae);
        Encoder encoder = new Encoder(sae, workers);
        Matrix x = Matrix.zeros(BATCH, sae.dIn());
        long all = Math.min(rows, source.rows());
        for (long first = 0; first < all; first += BATCH) {
            int count = (int) Math.min(BATCH, all - first);
            source.read(first, count, x, 0);
            Matrix batch = x.head(count);
            sums.add(batch, encoder.encode(batch));
        }
        return sums.solve(workers);
    }

    /** The SAE with its dictionary's rows times the factors, the same latents active as before. */
    Sae apply(Sae sae) {
        Matrix decoder =
                new Matrix(sae.latents(), sae.dOut(), sae.decoder().data().clone());
        float[] bias = new float[offset.length];
        float[] moved = new float[offset.length];
        for (int c = 0; c < bias.length; c++) {
            bias[c] = (float) offset[c];
            moved[c] = sae.subtractDecoderBias() ? bias[c] - sae.decoderBias()[c] : 0;
        }
        float[] encoderBias = sae.encoderBias().clone();
        float[] shift = new float[encoderBias.length];
        for (int i = 0; i < factor.length; i++) {
            for (int c = 0; c < bias.length; c++) {
                decoder.data()[decoder.offset(i) + c] *= (float) factor[i];
            }
            shift[i] = Kernels.BEST.dot(sae.encoder().data(), sae.encoder().offset(i), moved, 0, moved.length);
            encoderBias[i] += shift[i];
        }
        return new Sae(
                sae.encoder(),
                encoderBias,
                decoder,
                bias,
                switch (sae.activation()) {
                    case Activation.Relu relu -> relu;
                    case Activation.JumpRelu jump -> jump;
                    case Activation.TopK topK -> topK;
                    case Activation.AbsTopK topK -> topK;
                    case Activation.Gated gated -> shifted(gated, shift);
                    case Activation.SignedGated _,
                            Activation.MatchingPursuit _,
                            Activation.ResidualCodes _,
                            Activation.Omp _,
                            Activation.Lasso _ ->
                        throw new IllegalArgumentException("rescaling of " + sae.activation());
                },
                sae.subtractDecoderBias());
    }

    /** Its magnitude reads u = W (x − b_in) without b_enc. */
    private static Activation.Gated shifted(Activation.Gated gated, float[] shift) {
        float[] bias = gated.magnitudeBias().clone();
        for (int i = 0; i < bias.length; i++) {
            bias[i] += (float) (Math.exp(gated.logScale()[i]) * shift[i]);
        }
        return new Activation.Gated(gated.logScale(), bias);
    }

    /** 1/a of the latents that fire often enough: their activations as a share of those that reconstruct best. */
    double[] kept() {
        double[] kept = new double[factor.length];
        Arrays.setAll(kept, i -> firings[i] < FEWEST ? Double.NaN : 1 / factor[i]);
        return kept;
    }

    /** What the normal equations are made of. */
    private static final class Sums {
        private final Sae sae;
        private final int m;
        private final double[][] products; // Σ f_i f_j
        private final double[] mass;
        private final double[] onRows; // Σ f_i ⟨d_i, x⟩
        private final double[] row; // Σ x
        private final long[] firings;
        private long rows;

        Sums(Sae sae) {
            this.sae = sae;
            this.m = sae.latents();
            this.products = new double[m][m];
            this.mass = new double[m];
            this.onRows = new double[m];
            this.row = new double[sae.dOut()];
            this.firings = new long[m];
        }

        void add(Matrix x, Latents f) {
            Matrix d = sae.decoder();
            for (int r = 0; r < x.rows(); r++) {
                int to = f.starts()[r + 1];
                for (int e = f.starts()[r]; e < to; e++) {
                    int i = f.index()[e];
                    double value = f.value()[e];
                    mass[i] += value;
                    firings[i]++;
                    onRows[i] += value * Kernels.BEST.dot(d.data(), d.offset(i), x.data(), x.offset(r), d.cols());
                    for (int other = f.starts()[r]; other < to; other++) {
                        products[i][f.index()[other]] += value * f.value()[other];
                    }
                }
                for (int c = 0; c < row.length; c++) {
                    row[c] += x.at(r, c);
                }
            }
            rows += x.rows();
        }

        Rescaling solve(Workers workers) {
            Matrix d = sae.decoder();
            float[] mean = new float[row.length];
            for (int c = 0; c < mean.length; c++) {
                mean[c] = (float) (row[c] / rows);
            }
            double[] wanted = new double[m];
            workers.forEach(m, 16, (from, to, worker) -> {
                for (int i = from; i < to; i++) {
                    wanted[i] = onRows[i] - mass[i] * Kernels.BEST.dot(d.data(), d.offset(i), mean, 0, mean.length);
                    for (int j = 0; j < m; j++) {
                        products[i][j] = (products[i][j] - mass[i] * mass[j] / rows)
                                * Kernels.BEST.dot(d.data(), d.offset(i), d.data(), d.offset(j), d.cols());
                    }
                }
            });
            double[] factor = conjugateGradients(wanted, workers);
            double[] offset = new double[mean.length];
            for (int c = 0; c < offset.length; c++) {
                offset[c] = mean[c];
                for (int i = 0; i < m; i++) {
                    offset[c] -= factor[i] * mass[i] / rows * d.at(i, c);
                }
            }
            return new Rescaling(factor, offset, firings, mass);
        }

        private double[] conjugateGradients(double[] wanted, Workers workers) {
            double[] a = new double[m];
            Arrays.fill(a, 1);
            double[] rest = new double[m];
            times(a, rest, workers);
            Arrays.setAll(rest, i -> free(i) ? wanted[i] - rest[i] : 0);
            double[] scaled = new double[m];
            Arrays.setAll(scaled, i -> free(i) ? rest[i] / products[i][i] : 0);
            double[] direction = scaled.clone();
            double[] image = new double[m];
            double size = dot(rest, scaled);
            double enough = size * PRECISION * PRECISION;
            for (int step = 0; step < STEPS && size > enough; step++) {
                times(direction, image, workers);
                double along = size / dot(direction, image);
                for (int i = 0; i < m; i++) {
                    if (free(i)) {
                        a[i] += along * direction[i];
                        rest[i] -= along * image[i];
                        scaled[i] = rest[i] / products[i][i];
                    }
                }
                double next = dot(rest, scaled);
                for (int i = 0; i < m; i++) {
                    direction[i] = scaled[i] + next / size * direction[i];
                }
                size = next;
            }
            return a;
        }

        private boolean free(int latent) {
            return firings[latent] >= FEWEST && products[latent][latent] > 0;
        }

        private void times(double[] vector, double[] out, Workers workers) {
            workers.forEach(m, 64, (from, to, worker) -> {
                for (int i = from; i < to; i++) {
                    out[i] = dot(products[i], vector);
                }
            });
        }

        private static double dot(double[] a, double[] b) {
            double sum = 0;
            for (int i = 0; i < a.length; i++) {
                sum += a[i] * b[i];
            }
            return sum;
        }
    }
}
