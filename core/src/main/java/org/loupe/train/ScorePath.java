package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.RowScore;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Workers;

/**
 * The learnt exponent α of a {@link RowScore}, with ρ = √d its norm: z_bi − b_i = s_b ⟨w_i, x_b − b_in⟩, so that dL/dα = Σ_b log(‖x_b‖ / ρ) Σ_i h_bi (z_bi − b_i). The
 * auxiliary loss has no part in it.
 */
final class ScorePath {
    private static final int CHUNK = 64;
    private static final float START = 0.5f;

    /** α is one number for all latents and lies in [0, 1]: its rate as a multiple of that of weights of size 1 / √d. */
    private static final double RATE = 10;

    private final Parameter exponent = Parameter.of("score_exponent", new float[] {START}, RATE);
    private final float norm;
    private final Kernels kernels;
    private final Workers workers;

    ScorePath(int d, Kernels kernels, Workers workers) {
        this.norm = (float) Math.sqrt(d);
        this.kernels = kernels;
        this.workers = workers;
    }

    Parameter parameter() {
        return exponent;
    }

    RowScore score() {
        return new RowScore(exponent.values()[0], norm);
    }

    /** Multiplies the centred rows of a batch. */
    void weigh(Batch batch) {
        RowScore score = score();
        int d = batch.x.cols();
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                double square = kernels.dot(batch.x.data(), r * d, batch.x.data(), r * d, d);
                batch.scoreLog[r] = score.logNorm(square);
                batch.scoreFactor[r] = score.factor(square);
                kernels.scale(batch.scoreFactor[r], batch.inputs.data(), r * d, d);
            }
        });
    }

    /** dL/dα, once slopes are those of pre-activations. */
    void gradient(Batch batch, Sae sae) {
        int[] starts = batch.active.starts();
        int[] index = batch.active.index();
        float[] pre = batch.active.value();
        double[] sums = new double[(batch.rows + CHUNK - 1) / CHUNK];
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            double sum = 0;
            for (int r = from; r < to; r++) {
                double inner = 0;
                for (int e = starts[r]; e < starts[r + 1]; e++) {
                    inner += batch.slope[e] * (pre[e] - sae.encoderBias()[index[e]]);
                }
                sum += batch.scoreLog[r] * inner;
            }
            sums[from / CHUNK] = sum;
        });
        exponent.gradient()[0] = (float) Arrays.stream(sums).sum();
    }

    /** Brings α back into [0, 1]. */
    void project() {
        exponent.values()[0] = Math.clamp(exponent.values()[0], 0, 1);
    }
}
