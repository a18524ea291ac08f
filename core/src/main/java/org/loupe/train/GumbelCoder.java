package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Keys;
import org.loupe.tensor.SplitMix;
import org.loupe.tensor.Workers;

/**
 * Gumbel-TopK. Among the c·k largest positive pre-activations of a row, s_i = z_i + ν τ g_i with Gumbel noise g_i =
 * −log(−log u_i); with ν = 1 the k largest s are a sample without replacement from softmax(z/τ) (Kool et al. 2019, arXiv 1903.06059, eq. 4). The
 * relaxation of "is among the k largest" is p_i = 1 / (1 + exp((c − s_i)/τ)), c such that Σ p_i = k. With w_i = p_i (1 − p_i),
 *
 * <pre>
 * ∂p_i/∂z_j = (w_i / τ) (δ_ij − w_j / Σ w)
 * straight_through: f = z on the winners;  dL/dz_i = dL/df_i [i wins] + (w_i / τ) (a_i − ā)
 * relaxed:          f = p z;               dL/dz_i = dL/df_i p_i      + (w_i / τ) (a_i − ā)
 *                   a_i = z_i dL/df_i,  ā = Σ w a / Σ w
 * </pre>
 *
 * <p>With ν = 0 it is a softmax relaxation of top-k. The noise is a function of seed, step, row and latent. Latents beyond the candidates have no chance: with m latents instead of c·k
 * the noise alone would decide.
 */
final class GumbelCoder implements Coder {
    private static final int CHUNK = 64;
    private static final int BISECTIONS = 60;

    private final ArchitectureConfig.Gumbel config;
    private final KSchedule schedule;
    private final double spread;
    private final long seed;
    private final LatentSearch search;
    private final Workers workers;
    private float[] share = new float[0];
    private boolean[] wins = new boolean[0];
    private double temperature;
    private long step;

    /** @param spread standard deviation of the pre-activations at the start */
    GumbelCoder(TrainConfig config, double spread, LatentSearch search, Workers workers) {
        this.config = config.arch().gumbel();
        this.schedule = KSchedule.of(config);
        this.spread = spread;
        this.seed = config.seed();
        this.search = search;
        this.workers = workers;
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        int k = schedule.whole(wanted, progress);
        temperature =
                spread * config.temperature() * Math.pow(config.final_temperature() / config.temperature(), progress);
        step = salt(progress);
        search.search(
                batch.centred(),
                sae.encoder(),
                sae.encoderBias(),
                new LatentSearch.Rule.Largest(Math.multiplyExact(config.candidates(), k)),
                batch.active);
        batch.cuts = batch.active.starts();
        float[] f = batch.ownActivations();
        if (share.length < f.length) {
            share = new float[f.length];
            wins = new boolean[f.length];
        }
        boolean relaxed = config.form() == ArchitectureConfig.Gumbel.Softness.RELAXED;
        float[] z = batch.active.value();
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                perturb(batch, r, k);
                for (int e = batch.cuts[r]; e < batch.cuts[r + 1]; e++) {
                    f[e] = relaxed ? share[e] * z[e] : wins[e] ? z[e] : 0;
                }
            }
        });
    }

    /** Fills share and wins of one row. */
    private void perturb(Batch batch, int r, int k) {
        int from = batch.cuts[r];
        int n = batch.cuts[r + 1] - from;
        double[] score = new double[n];
        long[] keys = new long[n];
        for (int i = 0; i < n; i++) {
            int latent = batch.active.index()[from + i];
            score[i] = batch.active.value()[from + i] + config.noise() * temperature * noise(seed, step, r, latent);
            keys[i] = Keys.of((float) score[i], i);
        }
        Arrays.fill(wins, from, from + n, n <= k);
        if (n > k) {
            Keys.selectLargest(keys, n, k);
            for (int i = 0; i < k; i++) {
                wins[from + Keys.index(keys[i])] = true;
            }
        }
        double centre = n <= k ? Double.NEGATIVE_INFINITY : centre(score, k);
        for (int i = 0; i < n; i++) {
            share[from + i] = (float) sigmoid((score[i] - centre) / temperature);
        }
    }

    /** c with Σ σ((s − c)/τ) = k, by bisection: the sum falls from n to 0 as c rises. */
    private double centre(double[] score, int k) {
        double low = Arrays.stream(score).min().orElse(0) - 40 * temperature;
        double high = Arrays.stream(score).max().orElse(0) + 40 * temperature;
        for (int i = 0; i < BISECTIONS; i++) {
            double middle = 0.5 * (low + high);
            double sum = 0;
            for (double s : score) {
                sum += sigmoid((s - middle) / temperature);
            }
            if (sum > k) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return 0.5 * (low + high);
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    /** What a step's noise differs by from another's. */
    static long salt(double progress) {
        return Double.doubleToLongBits(progress);
    }

    /** −log(−log u), u uniform in (0, 1) by SplitMix64 of seed, step, row and latent. */
    static double noise(long seed, long step, int row, int latent) {
        long ofStep = SplitMix.mix(seed + 0x632BE59BD9B4E019L, step + 1);
        long bits = SplitMix.mix(SplitMix.mix(ofStep, row + 1), latent + 1);
        double u = ((bits >>> 11) + 0.5) * 0x1p-53;
        return -Math.log(-Math.log(u));
    }

    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        boolean relaxed = config.form() == ArchitectureConfig.Gumbel.Softness.RELAXED;
        float[] z = batch.active.value();
        float[] slope = batch.slope;
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                double weights = 0;
                double mean = 0;
                for (int e = batch.cuts[r]; e < batch.cuts[r + 1]; e++) {
                    double w = share[e] * (1.0 - share[e]);
                    weights += w;
                    mean += w * slope[e] * z[e];
                }
                mean = weights > 0 ? mean / weights : 0;
                for (int e = batch.cuts[r]; e < batch.cuts[r + 1]; e++) {
                    double w = share[e] * (1.0 - share[e]);
                    double through = relaxed ? share[e] : wins[e] ? 1 : 0;
                    slope[e] = (float) (slope[e] * through + w / temperature * (slope[e] * z[e] - mean));
                }
            }
        });
        return 0;
    }

    /** Winners: of the relaxed form those that the hard one would have. */
    @Override
    public long active(Batch batch) {
        long n = 0;
        for (int e = 0; e < batch.active.entries(); e++) {
            if (wins[e]) {
                n++;
            }
        }
        return n;
    }
}
