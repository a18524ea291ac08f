package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.activations.RowSource;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * What each latent does and how much of it there is, from rows with gradients g of −log p of labels drawn from the model. To second order
 * KL(as it is ‖ latent i ablated) = ½ E_labels (f_i ⟨d_i, g⟩)², so that
 *
 * <pre>
 * effect_i = Σ_rows ½ (f_i ⟨d_i, g⟩)²     nats       energy_i = Σ f_i² ‖d_i‖²       mass_i = Σ |f_i|
 * </pre>
 *
 * <p>is without bias by labels and needs no further run of the model. It is of the row's own and all later tokens that g is of.
 *
 * @param effect [m]
 * @param energy [m]
 * @param mass [m]
 * @param firings [m]
 */
record FisherEffects(double[] effect, double[] energy, double[] mass, long[] firings) {
    private static final int BATCH = 2048;

    /** @param rows at most so many, from the first on */
    static FisherEffects of(Sae sae, RowSource source, long rows, Workers workers) {
        int m = sae.latents();
        int d = sae.dOut();
        FisherEffects sums = new FisherEffects(new double[m], new double[m], new double[m], new long[m]);
        double[] norms = new double[m];
        Arrays.setAll(
                norms,
                i -> Kernels.BEST.dot(sae.decoder().data(), i * d, sae.decoder().data(), i * d, d));
        RowSource inputs = source.inputs();
        RowSource gradients = source.gradients();
        Encoder encoder = new Encoder(sae, workers);
        Matrix x = Matrix.zeros(BATCH, inputs.width());
        Matrix g = Matrix.zeros(BATCH, d);
        long all = Math.min(rows, source.rows());
        for (long first = 0; first < all; first += BATCH) {
            int count = (int) Math.min(BATCH, all - first);
            inputs.read(first, count, x, 0);
            gradients.read(first, count, g, 0);
            Latents latents = encoder.encode(x.head(count));
            for (int r = 0; r < count; r++) {
                for (int e = latents.starts()[r]; e < latents.starts()[r + 1]; e++) {
                    int i = latents.index()[e];
                    double f = latents.value()[e];
                    double along = f * Kernels.BEST.dot(sae.decoder().data(), i * d, g.data(), g.offset(r), d);
                    sums.effect[i] += along * along / 2;
                    sums.energy[i] += f * f * norms[i];
                    sums.mass[i] += Math.abs(f);
                    sums.firings[i]++;
                }
            }
        }
        return sums;
    }

    /** The smallest share of the latents that fire which together have that share of the effect. */
    double latentsFor(double share) {
        double[] sorted = Arrays.stream(effect).filter(v -> v > 0).sorted().toArray();
        double wanted = share * Arrays.stream(sorted).sum();
        int taken = 0;
        for (double sum = 0; sum < wanted && taken < sorted.length; taken++) {
            sum += sorted[sorted.length - 1 - taken];
        }
        return (double) taken / Arrays.stream(firings).filter(n -> n > 0).count();
    }
}
