package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Pursuit;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Matching pursuit trained through all its steps. Step t takes latent i_t with f_t = ⟨w, r_{t−1}⟩ and leaves r_t = (I − w wᵀ) r_{t−1}, w = W_dec,i_t
 * of unit norm, r_0 = x_c. With G_T = dL/dx̂ and x̂ = x − r_T, going back
 *
 * <pre>
 * s_t = ⟨G_t, w⟩      G_{t−1} = G_t − s_t w      dL/dw += f_t G_t + s_t r_{t−1}
 * </pre>
 *
 * <p>So step t is a level of the batch with a residual and a gradient of its own, and the dictionary receives what a decoder and
 * an encoder would. The choice of latents is held fixed.
 */
final class PursuitCoder implements Coder {
    private static final int CHUNK = 32;

    private final KSchedule schedule;
    private final Pursuit pursuit;
    private final Kernels kernels;
    private final Workers workers;
    private int[] latents = new int[0];
    private float[] values = new float[0];
    private int[] cuts = new int[0];

    PursuitCoder(KSchedule schedule, LatentSearch search, Kernels kernels, Workers workers) {
        this.schedule = schedule;
        this.pursuit = new Pursuit(search, kernels, workers);
        this.kernels = kernels;
        this.workers = workers;
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        int steps = Math.min(batch.levels, schedule.whole(wanted, progress));
        int rows = batch.rows;
        if (latents.length < batch.levels * rows) {
            latents = new int[batch.levels * rows];
            values = new float[latents.length];
        }
        Arrays.fill(latents, -1);
        for (int t = 0; t < steps; t++) {
            pursuit.step(batch.inputs, t * rows, (t + 1) * rows, rows, sae.decoder(), 0, latents, values, t * rows);
        }
        cuts = cuts.length == latents.length + 1 ? cuts : new int[latents.length + 1];
        batch.active.ofSteps(rows, batch.levels, latents, values, cuts);
        batch.f = batch.active.value();
        batch.cuts = cuts;
    }

    /** Row by row from the last step to the first: the slopes, and each step's gradient from the one after it. */
    @Override
    public void slopes(Batch batch, Matrix dictionary, SparseRows sparse) {
        int d = dictionary.cols();
        float[] g = batch.gradient.data();
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int t = batch.levels - 1; t >= 0; t--) {
                    int at = (t * batch.rows + r) * d;
                    if (t + 1 < batch.levels) {
                        System.arraycopy(g, at + batch.rows * d, g, at, d);
                        int above = batch.cuts[r * batch.levels + t + 1];
                        if (above < batch.cuts[r * batch.levels + t + 2]) {
                            kernels.addScaled(
                                    -batch.slope[above],
                                    dictionary.data(),
                                    batch.active.index()[above] * d,
                                    g,
                                    at,
                                    d);
                        }
                    }
                    for (int e = batch.cuts[r * batch.levels + t]; e < batch.cuts[r * batch.levels + t + 1]; e++) {
                        batch.slope[e] = kernels.dot(
                                g, at, dictionary.data(), batch.active.index()[e] * d, d);
                    }
                }
            }
        });
    }
}
