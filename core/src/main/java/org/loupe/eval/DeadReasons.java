package org.loupe.eval;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.loupe.sae.Activation;
import org.loupe.sae.ActiveRows;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.sae.SignedSearch;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Why latents fired on none of the rows. With μ and Σ of the rows, latent i has pre-activations of
 *
 * <pre>
 * mean m_i = ⟨w_i, μ − b_in⟩ + b_i      standard deviation s_i = √(w_iᵀ Σ w_i)
 *
 * turned away          m_i + 4 s_i &lt; θ_i      its encoder points away from the data's mean (Simon et al. 2026, arXiv 2605.31518)
 * never won            of the rest, where a count decides: z &gt; 0 on some row, but never among the k largest
 * threshold too high   the others: z comes near, but on no row above θ_i
 * </pre>
 *
 * <p>θ is JumpReLU's, else 0. Nobody is turned away where latents are chosen by |z| (AbsTopK, signed OMP and LASSO), for which far below 0 is far, and from a
 * sign-aware gate who is not from both. Only the second needs the rows again, and only
 * until each of its latents has been seen above 0. A {@link org.loupe.sae.RowScore} counts as 1 in the moments.
 */
final class DeadReasons {
    /** Standard deviations within which a row is expected. */
    private static final double NEAR = 4;

    private final Sae sae;
    private final LatentSearch search;
    private final Workers workers;
    private final ActiveRows active = new ActiveRows();

    /** Whether |z| decides, and not z. */
    private final boolean bySize;

    private final int dead;
    private final int turnedAway;
    private final int tooHigh;
    private int[] undecided;

    /**
     * Decides what can be decided from the rows' moments.
     *
     * @param fired rows on which each latent fired
     * @param moments of the rows, the SAE's inputs first
     */
    DeadReasons(Sae sae, long[] fired, Covariance moments, Workers workers) {
        this.sae = sae;
        this.workers = workers;
        this.bySize = sae.activation().signed() && !(sae.activation() instanceof Activation.SignedGated);
        this.search = new LatentSearch(Kernels.BEST, workers);
        int[] silent =
                IntStream.range(0, fired.length).filter(i -> fired[i] == 0).toArray();
        boolean[] away = away(silent, moments);
        int[] near = IntStream.range(0, silent.length)
                .filter(n -> !away[n])
                .map(n -> silent[n])
                .toArray();
        this.dead = silent.length;
        this.turnedAway = silent.length - near.length;
        boolean counted = sae.activation().most() > 0;
        this.tooHigh = counted ? 0 : near.length;
        this.undecided = counted ? near : new int[0];
    }

    private boolean[] away(int[] silent, Covariance moments) {
        boolean[] away = new boolean[silent.length];
        if (silent.length == 0 || bySize) {
            return away;
        }
        double[] mean = moments.mean();
        double[][] matrix = moments.matrix();
        int d = sae.dIn();
        workers.forEach(silent.length, 8, (from, to, worker) -> {
            for (int n = from; n < to; n++) {
                int i = silent[n];
                double middle = 0;
                double variance = 0;
                for (int r = 0; r < d; r++) {
                    double w = sae.encoder().at(i, r);
                    middle += w * (mean[r] - (sae.subtractDecoderBias() ? sae.decoderBias()[r] : 0));
                    double along = 0;
                    for (int c = 0; c < d; c++) {
                        along += matrix[r][c] * sae.encoder().at(i, c);
                    }
                    variance += w * along;
                }
                double near = NEAR * Math.sqrt(Math.max(0, variance));
                away[n] = middle + sae.encoderBias()[i] + near < threshold(i)
                        && !(sae.activation() instanceof Activation.SignedGated gated
                                && -middle + gated.negativeBias()[i] + near >= 0);
            }
        });
        return away;
    }

    private double threshold(int latent) {
        return sae.activation() instanceof Activation.JumpRelu jump ? Math.max(0, jump.threshold()[latent]) : 0;
    }

    /** Whether rows can still decide. */
    boolean wantsRows() {
        return undecided.length > 0;
    }

    /** Looks for latents above 0 among inputs [rows × dIn]. */
    void add(Matrix x) {
        int d = sae.dIn();
        Matrix centred = new Matrix(x.rows(), d, Arrays.copyOf(x.data(), x.rows() * d));
        sae.readable(Kernels.BEST, centred.data(), x.rows());
        int m = undecided.length;
        Matrix encoder = Matrix.zeros(m, d);
        float[] bias = new float[m];
        float[] negated = new float[m];
        for (int n = 0; n < m; n++) {
            int i = undecided[n];
            System.arraycopy(sae.encoder().data(), i * d, encoder.data(), n * d, d);
            bias[n] = sae.encoderBias()[i];
            negated[n] = -bias[n];
        }
        if (bySize) {
            new SignedSearch(search).gates(centred, encoder, bias, negated, active);
        } else {
            search.search(centred, encoder, bias, new LatentSearch.Rule.Above(new float[m]), active);
        }
        boolean[] above = new boolean[m];
        for (int e = 0; e < active.entries(); e++) {
            above[active.index()[e]] = true;
        }
        int[] before = undecided;
        undecided =
                IntStream.range(0, m).filter(n -> !above[n]).map(n -> before[n]).toArray();
    }

    /** How many of each kind, where latents are dead; those still undecided were on no row above 0. */
    Scores scores() {
        if (dead == 0) {
            return Scores.NONE;
        }
        int high = tooHigh + undecided.length;
        return Scores.NONE
                .with(Metric.DEAD_TURNED_AWAY, turnedAway)
                .with(Metric.DEAD_THRESHOLD_TOO_HIGH, high)
                .with(Metric.DEAD_NEVER_WON, dead - turnedAway - high);
    }

    /** γ = ‖μ‖ / √tr Σ of the inputs; NaN for equal rows. */
    static double meanToSpread(Covariance moments, int dIn) {
        double[] mean = moments.mean();
        double[][] matrix = moments.matrix();
        double square = 0;
        double variance = 0;
        for (int c = 0; c < dIn; c++) {
            square += mean[c] * mean[c];
            variance += matrix[c][c];
        }
        return variance > 0 ? Math.sqrt(square / variance) : Double.NaN;
    }
}
