package org.loupe.train;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Workers;

/**
 * JumpReLU's loss on dead latents (Anthropic, Circuits Updates January 2025), which gives each of them a gradient in every row in which it is
 * silent: with D the dead latents,
 *
 * <pre>
 * L_p = factor · λ_p Σ_b Σ_{i ∈ D} relu(θ_i − z_bi) |W_dec,i|
 * dL/dz_bi = −c_i [z_bi &lt; θ_i]      dL/dθ_i = c_i #{b : z_bi &lt; θ_i}      c_i = factor · λ_p |W_dec,i|
 * </pre>
 *
 * <p>A dead latent lies below θ in nearly all rows. So the slope is −c_i in all of them ({@link #commonSlope}), whose share in dW_enc
 * needs Σ_b x_c,b alone, and the few entries with z ≥ θ get c_i back; likewise Σ_b z_bi = ⟨w_i, Σ_b x_c,b⟩ + B b_i. No dense product.
 */
final class PreactivationLoss {
    private static final int CHUNK = 256;

    private final double coefficient;
    private final Kernels kernels;
    private final Workers workers;
    private final float[] commonSlope;

    /** z ≥ θ, of each latent: in how many rows, and Σ (θ − z) over them. */
    private final int[] above;

    private final double[] excess;

    PreactivationLoss(double coefficient, int latents, Kernels kernels, Workers workers) {
        this.coefficient = coefficient;
        this.kernels = kernels;
        this.workers = workers;
        this.commonSlope = new float[latents];
        this.above = new int[latents];
        this.excess = new double[latents];
    }

    /**
     * Adds to the slopes of entries, to the gradient of θ and, where dictionary rows have norms of their own, to those norms' gradient.
     *
     * @param norm |W_dec,i|
     * @return the loss
     */
    double backward(Batch batch, Sae sae, Parameter threshold, float[] norm, float @Nullable [] normGradient) {
        Arrays.fill(commonSlope, 0);
        int[] dead = batch.dead;
        if (dead.length == 0) {
            return 0;
        }
        double weight = batch.factor * coefficient;
        for (int i : dead) {
            commonSlope[i] = (float) (-weight * norm[i]);
            above[i] = 0;
            excess[i] = 0;
        }
        float[] theta = threshold.values();
        for (int e = 0; e < batch.active.entries(); e++) {
            int i = batch.active.index()[e];
            float z = batch.active.value()[e];
            if (commonSlope[i] != 0 && z >= theta[i]) {
                above[i]++;
                excess[i] += (double) theta[i] - z;
                batch.slope[e] -= commonSlope[i];
            }
        }
        int d = sae.dIn();
        float[] sum = batch.columnSums(kernels);
        double[] below = new double[dead.length];
        workers.forEach(dead.length, CHUNK, (from, to, worker) -> {
            for (int n = from; n < to; n++) {
                int i = dead[n];
                double z = kernels.dot(sae.encoder().data(), i * d, sum, 0, d)
                        + (double) batch.rows * sae.encoderBias()[i];
                below[n] = (double) batch.rows * theta[i] - z - excess[i];
            }
        });
        double loss = 0;
        for (int n = 0; n < dead.length; n++) {
            int i = dead[n];
            loss += weight * norm[i] * below[n];
            threshold.gradient()[i] += (float) (weight * norm[i] * (batch.rows - above[i]));
            if (normGradient != null) {
                normGradient[i] += (float) (weight * below[n]);
            }
        }
        return loss;
    }

    /** dL/dz_i that all rows have in common, as of the last batch: −c_i for dead latents, 0 for others. */
    float[] commonSlope() {
        return commonSlope;
    }
}
