package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.activations.RowSource;
import org.loupe.experiment.Trial;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Where pre-activations of a JumpReLU SAE lie around the thresholds, in deviations σ_i = |w_i| √(V/d) that they would have for rows of
 * variance V without directions: the unit of {@code arch.jump.relative_bandwidth}.
 */
final class Thresholds {
    private static final double LOW = -3;
    private static final double HIGH = 3;
    private static final int BINS = 24;

    private final Sae sae;
    private final Matrix rows;
    private final Workers workers;
    private final double variance;
    private final double energy;

    /** @param most rows, from the first on */
    Thresholds(Sae sae, RowSource source, int most, Workers workers) {
        this.sae = sae;
        this.workers = workers;
        this.rows = Matrix.zeros((int) Math.min(most, source.rows()), source.width());
        source.read(0, rows.rows(), rows, 0);
        double[] mean = new double[rows.cols()];
        rows.meanInto(mean);
        double about = 0;
        double all = 0;
        for (int r = 0; r < rows.rows(); r++) {
            for (int c = 0; c < mean.length; c++) {
                about += Math.pow(rows.at(r, c) - mean[c], 2);
                all += Math.pow(rows.at(r, c), 2);
            }
        }
        this.variance = about / rows.rows();
        this.energy = all / rows.rows();
    }

    /** Mean over latents of σ_i in the unit of {@code bandwidth}, in which E‖x‖² = d. */
    double deviation() {
        double sum = 0;
        for (int i = 0; i < sae.latents(); i++) {
            sum += norm(i);
        }
        return sum / sae.latents() * Math.sqrt(variance / energy);
    }

    /** Mean over some latents of the density of (z_i − θ_i) / σ_i at places from −3 to 3. */
    Trial.Curve around(boolean[] which) {
        float[] theta = ((Activation.JumpRelu) sae.activation()).threshold();
        int d = sae.dIn();
        Matrix centred = new Matrix(rows.rows(), d, rows.data().clone());
        sae.readable(Kernels.BEST, centred.data(), centred.rows());
        double width = (HIGH - LOW) / BINS;
        double[][] counts = new double[sae.latents()][BINS];
        workers.forEach(sae.latents(), 8, (from, to, _) -> {
            for (int i = from; i < to; i++) {
                double unit = norm(i) * Math.sqrt(variance / d);
                for (int r = 0; which[i] && r < centred.rows(); r++) {
                    float z = sae.encoderBias()[i]
                            + Kernels.BEST.dot(sae.encoder().data(), i * d, centred.data(), r * d, d);
                    int bin = (int) Math.floor(((z - theta[i]) / unit - LOW) / width);
                    if (bin >= 0 && bin < BINS) {
                        counts[i][bin]++;
                    }
                }
            }
        });
        double[] places = new double[BINS];
        double[] density = new double[BINS];
        int latents = 0;
        for (int i = 0; i < which.length; i++) {
            latents += which[i] ? 1 : 0;
            for (int b = 0; b < BINS; b++) {
                density[b] += counts[i][b];
            }
        }
        double all = Math.max(1, latents) * (double) rows.rows() * width;
        Arrays.setAll(places, b -> LOW + (b + 0.5) * width);
        return new Trial.Curve(places, Arrays.stream(density).map(c -> c / all).toArray());
    }

    private double norm(int latent) {
        int d = sae.dIn();
        return Math.sqrt(
                Kernels.BEST.dot(sae.encoder().data(), latent * d, sae.encoder().data(), latent * d, d));
    }
}
