package org.loupe.train;

import java.util.Arrays;
import java.util.Map;
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
 * </pre>
 *
 * <p>Its first term is least where a code is the mean of the rows that take it. As in their appendix A.1 a code is a moving one, over
 * about 1 / (1 − γ) batches, n the rows of the batch that take it and sums over those, and b_dec, which commitment moves, goes with it
 * (R rows, S stages):
 *
 * <pre>
 * N ← γN + (1 − γ) n    c ← c + (1 − γ) / N Σ (r_{t−1} − c)    b_dec ← b_dec + β (1 − γ) Σ_t Σ r_t / (R S)
 * </pre>
 */
final class CodeCoder implements Coder {
    private static final int CHUNK = 64;

    private final ArchitectureConfig.Vq config;
    private final long seed;
    private final CodeSearch search;
    private final CodeStart start;
    private final Kernels kernels;
    private final Workers workers;

    /** N of each code. */
    private final float[] taken;

    /** Σ_t Σ r_t of the batch. */
    private final float[] left;

    private int[] latents = new int[0];
    private float[] ones = new float[0];
    private int[] cuts = new int[0];

    CodeCoder(TrainConfig config, Sae sae, Kernels kernels, Workers workers) {
        this.config = config.arch().vq();
        this.seed = config.seed();
        this.search = new CodeSearch(new LatentSearch(kernels, workers), kernels, workers);
        this.start = new CodeStart(config, search, kernels);
        this.kernels = kernels;
        this.workers = workers;
        this.taken = new float[sae.latents()];
        this.left = new float[sae.dIn()];
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
        for (int t = 0; t < stages; t++) {
            if (progress == 0) {
                start.put(batch, sae, t, latents, taken);
            }
            search.step(batch.inputs, t * rows, (t + 1) * rows, rows, sae.decoder(), t, stages, latents);
        }
        batch.active.ofSteps(rows, stages, latents, ones, cuts);
        batch.f = batch.active.value();
        batch.cuts = cuts;
    }

    /** There are none. */
    @Override
    public void slopes(Batch batch, Matrix dictionary, SparseRows sparse) {}

    /** What the loss is beyond the reconstruction's. */
    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        int d = sae.dIn();
        int residuals = batch.levels * batch.rows;
        int chunks = (residuals + CHUNK - 1) / CHUNK;
        double[] squares = new double[chunks];
        double[] reconstruction = new double[chunks];
        Matrix sums = Matrix.zeros(chunks, d);
        int last = residuals - batch.rows;
        workers.forEach(residuals, CHUNK, (from, to, worker) -> {
            int chunk = from / CHUNK;
            for (int r = from; r < to; r++) {
                int at = (batch.rows + r) * d;
                double square = kernels.dot(batch.inputs.data(), at, batch.inputs.data(), at, d);
                squares[chunk] += square;
                reconstruction[chunk] += r >= last ? square : 0;
                kernels.addScaled(1, batch.inputs.data(), at, sums.data(), chunk * d, d);
            }
        });
        Arrays.fill(left, 0);
        for (int chunk = 0; chunk < chunks; chunk++) {
            kernels.addScaled(1, sums.data(), chunk * d, left, 0, d);
        }
        return batch.factor
                * ((1 + config.commitment()) * Arrays.stream(squares).sum()
                        - Arrays.stream(reconstruction).sum());
    }

    @Override
    public boolean learn(Batch batch, EntriesByLatent entries, Sae sae, long step) {
        int d = sae.dIn();
        float fresh = (float) (1 - config.decay());
        workers.forEach(sae.latents(), CHUNK, (from, to, worker) -> {
            float[] sum = new float[d];
            for (int i = from; i < to; i++) {
                int begin = entries.starts[i];
                int end = entries.starts[i + 1];
                taken[i] = (1 - fresh) * taken[i] + fresh * (end - begin);
                if (end > begin) {
                    Arrays.fill(sum, 0);
                    kernels.weightedRows(
                            batch.inputs.data(),
                            batch.rows * d,
                            d,
                            entries.row,
                            entries.value,
                            begin,
                            end,
                            sum,
                            0,
                            sum,
                            0);
                    kernels.addScaled(fresh / taken[i], sum, 0, sae.decoder().data(), i * d, d);
                }
            }
        });
        double pace = config.commitment() * fresh / (batch.levels * batch.rows);
        kernels.addScaled((float) pace, left, 0, sae.decoderBias(), 0, d);
        return true;
    }

    @Override
    public boolean move(int[] unused, Batch batch, Sae sae, long step) {
        RowPicks picks = RowPicks.of(seed, step, batch.rows);
        for (int n = 0; config.restart() && n < unused.length; n++) {
            int stage = unused[n] / (sae.latents() / batch.levels);
            CodeStart.place(batch, sae, unused[n], stage, picks.row(n));
            taken[unused[n]] = 0;
        }
        return config.restart();
    }

    @Override
    public Map<String, float[]> state() {
        return Map.of("codes.taken", taken);
    }
}
