package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.CodeSearch;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * vq and residual_vq. Stage t takes the code c_t nearest to r_{t−1} and leaves r_t = r_{t−1} − c_t, r_0 = x_c = x − b_dec. The encoder
 * of a VQ-VAE is x ↦ x − b_dec here and its decoder z ↦ z + b_dec, so that the reconstruction's gradient, which passes the codes
 * straight through, cancels, and what is left of van den Oord et al. 2017, eq. 3, for each stage is (sg: held fixed)
 *
 * <pre>
 * L = (1 / V) Σ_t ‖sg(r_{t−1}) − c_t‖² + β ‖r_{t−1} − sg(c_t)‖²
 * dL/dc_t = −2 r_t / V        dL/db_dec = −2 β Σ_t r_t / V
 * </pre>
 *
 * <p>So step t is a level of the batch whose gradient is its own residual's, and b_dec is what commitment moves.
 */
final class CodeCoder implements Coder {
    private static final int CHUNK = 64;
    private static final int SETTLING_ROUNDS = 10;

    private final ArchitectureConfig.Vq config;
    private final long seed;
    private final CodeSearch search;
    private final Kernels kernels;
    private final Workers workers;
    private final float[] biasGradient;
    private int[] latents = new int[0];
    private float[] ones = new float[0];
    private int[] cuts = new int[0];

    CodeCoder(TrainConfig config, int width, Kernels kernels, Workers workers) {
        this.config = config.arch().vq();
        this.seed = config.seed();
        this.search = new CodeSearch(new LatentSearch(kernels, workers), kernels, workers);
        this.kernels = kernels;
        this.workers = workers;
        this.biasGradient = new float[width];
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        int rows = batch.rows;
        int stages = batch.levels;
        if (latents.length != stages * rows) {
            latents = new int[stages * rows];
            ones = new float[latents.length];
            cuts = new int[latents.length + 1];
            Arrays.fill(ones, 1);
        }
        RowPicks picks = RowPicks.of(seed, 0, rows);
        for (int t = 0; t < stages; t++) {
            if (progress == 0) {
                for (int i = first(sae, t, stages); i < first(sae, t + 1, stages); i++) {
                    place(batch, sae, i, t, picks.row(i));
                }
                settle(batch, sae, t);
            }
            search.step(batch.inputs, t * rows, (t + 1) * rows, rows, sae.decoder(), t, stages, latents);
        }
        batch.active.ofSteps(rows, stages, latents, ones, cuts);
        batch.f = batch.active.value();
        batch.cuts = cuts;
    }

    /**
     * Rounds of k-means on the first batch (Zeghidour et al. 2021, §III-C): a code that is one row's residual has about the norm of every
     * other residual, so that taking it makes most of them longer, stage after stage.
     */
    private void settle(Batch batch, Sae sae, int stage) {
        int rows = batch.rows;
        int d = sae.dIn();
        int own = sae.latents() / batch.levels;
        for (int round = 0; round < SETTLING_ROUNDS; round++) {
            search.step(
                    batch.inputs, stage * rows, (stage + 1) * rows, rows, sae.decoder(), stage, batch.levels, latents);
            int[] count = new int[own];
            float[] sums = new float[own * d];
            for (int r = 0; r < rows; r++) {
                int code = latents[stage * rows + r] - stage * own;
                count[code]++;
                kernels.addScaled(1, batch.inputs.data(), (stage * rows + r) * d, sums, code * d, d);
            }
            for (int i = 0; i < own; i++) {
                if (count[i] > 0) {
                    int at = (stage * own + i) * d;
                    Arrays.fill(sae.decoder().data(), at, at + d, 0);
                    kernels.addScaled(1f / count[i], sums, i * d, sae.decoder().data(), at, d);
                }
            }
        }
    }

    private static int first(Sae sae, int stage, int stages) {
        return sae.latents() / stages * stage;
    }

    /** Puts a code of a stage on what the stages before it leave of a row. */
    private static void place(Batch batch, Sae sae, int code, int stage, int row) {
        int d = sae.dIn();
        System.arraycopy(
                batch.inputs.data(),
                (stage * batch.rows + row) * d,
                sae.decoder().data(),
                code * d,
                d);
    }

    /** Each level's gradient is its own residual's; there are no pre-activations to have slopes. */
    @Override
    public void slopes(Batch batch, Matrix dictionary, SparseRows sparse) {
        float factor = (float) (-2 * batch.factor);
        int block = batch.rows * dictionary.cols();
        float[] residuals = batch.inputs.data();
        float[] gradient = batch.gradient.data();
        for (int i = 0; i < batch.levels * block; i++) {
            gradient[i] = factor * residuals[block + i];
        }
        Arrays.fill(batch.slope, 0, batch.active.entries(), 0);
    }

    /** What the loss is beyond the reconstruction's. */
    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        int d = sae.dIn();
        int chunks = (batch.levels * batch.rows + CHUNK - 1) / CHUNK;
        double[] squares = new double[chunks];
        Matrix sums = Matrix.zeros(chunks, d);
        int last = (batch.levels - 1) * batch.rows;
        double[] reconstruction = new double[chunks];
        workers.forEach(batch.levels * batch.rows, CHUNK, (from, to, worker) -> {
            int chunk = from / CHUNK;
            for (int r = from; r < to; r++) {
                int at = (batch.rows + r) * d;
                double square = kernels.dot(batch.inputs.data(), at, batch.inputs.data(), at, d);
                squares[chunk] += square;
                reconstruction[chunk] += r >= last ? square : 0;
                kernels.addScaled(1, batch.gradient.data(), r * d, sums.data(), chunk * d, d);
            }
        });
        Arrays.fill(biasGradient, 0);
        for (int chunk = 0; chunk < chunks; chunk++) {
            kernels.addScaled((float) config.commitment(), sums.data(), chunk * d, biasGradient, 0, d);
        }
        return batch.factor
                * ((1 + config.commitment()) * Arrays.stream(squares).sum()
                        - Arrays.stream(reconstruction).sum());
    }

    @Override
    public void correct(Gradients gradients) {
        System.arraycopy(biasGradient, 0, gradients.decoderBias, 0, biasGradient.length);
    }

    @Override
    public boolean move(int[] unused, Batch batch, Sae sae, long step) {
        RowPicks picks = RowPicks.of(seed, step, batch.rows);
        for (int n = 0; config.restart() && n < unused.length; n++) {
            int stage = unused[n] / (sae.latents() / batch.levels);
            place(batch, sae, unused[n], stage, picks.row(n));
        }
        return config.restart();
    }
}
