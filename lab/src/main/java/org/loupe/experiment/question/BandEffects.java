package org.loupe.experiment.question;

import org.loupe.activations.RowSource;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * {@link FisherEffects} and energy of each latent, quarter by quarter.
 *
 * @param effect Σ ½ (f ⟨d, g⟩)², nats, [m][bands]
 * @param energy Σ f², [m][bands]
 */
record BandEffects(double[][] effect, double[][] energy) {
    private static final int BATCH = 2048;

    /** @param rows at most so many, from the first on */
    static BandEffects of(Sae sae, Bands bands, RowSource source, long rows, Workers workers) {
        BandEffects sums =
                new BandEffects(new double[sae.latents()][Bands.COUNT], new double[sae.latents()][Bands.COUNT]);
        RowSource inputs = source.inputs();
        RowSource gradients = source.gradients();
        Encoder encoder = new Encoder(sae, workers);
        Matrix d = sae.decoder();
        Matrix x = Matrix.zeros(BATCH, inputs.width());
        Matrix g = Matrix.zeros(BATCH, d.cols());
        long all = Math.min(rows, source.rows());
        for (long first = 0; first < all; first += BATCH) {
            int count = (int) Math.min(BATCH, all - first);
            inputs.read(first, count, x, 0);
            gradients.read(first, count, g, 0);
            Latents f = encoder.encode(x.head(count));
            for (int r = 0; r < count; r++) {
                for (int e = f.starts()[r]; e < f.starts()[r + 1]; e++) {
                    int i = f.index()[e];
                    int band = bands.of(i, f.value()[e]);
                    double value = f.value()[e];
                    double along = value * Kernels.BEST.dot(d.data(), d.offset(i), g.data(), g.offset(r), d.cols());
                    sums.effect[i][band] += along * along / 2;
                    sums.energy[i][band] += value * value;
                }
            }
        }
        return sums;
    }

    /** Of each latent: its share of effect in a band over its share of energy there; NaN where it does not fire. */
    double[] ratios(int band) {
        double[] ratios = new double[effect.length];
        for (int i = 0; i < ratios.length; i++) {
            ratios[i] = effect[i][band] / sum(effect[i]) / (energy[i][band] / sum(energy[i]));
        }
        return ratios;
    }

    private static double sum(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += value;
        }
        return sum;
    }
}
