package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.ActiveRows;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * AuxK (Gao et al. 2024, §A.2): with e = x − x̂ held fixed and ê = Σ relu(z_i) W_dec,i over the k_aux largest pre-activations
 * among the dead latents, L_aux = α Σ_b ‖ê_b − e_b‖² / Σ_b ‖e_b − ē‖². The decoder's bias has no part in it. Its gradient reaches
 * the dead latents' encoder rows and biases as well as their dictionary rows.
 */
final class AuxiliaryLoss {
    private static final int CHUNK = 64;

    private final double weight;
    private final LatentSearch search;
    private final SparseRows sparse;
    private final Workers workers;
    private final LatentSearch.Rule rule;
    private final ActiveRows winners = new ActiveRows();
    private final EntriesByLatent entries = new EntriesByLatent();
    private final float[] none;
    private float[] slopes = new float[0];
    private final Matrix reconstruction;
    private final Matrix gradient;

    AuxiliaryLoss(double weight, int k, Batch batch, SparseRows sparse, Kernels kernels, Workers workers) {
        int d = batch.target.cols();
        this.weight = weight;
        this.search = new LatentSearch(kernels, workers);
        this.workers = workers;
        this.sparse = sparse;
        this.rule = new LatentSearch.Rule.Largest(k);
        this.none = new float[d];
        this.gradient = Matrix.zeros(batch.rows, d);
        this.reconstruction = Matrix.zeros(batch.rows, d);
    }

    /**
     * The loss of a batch; fills {@link #entries} and {@link #gradient}.
     *
     * @param dead the dead latents, ascending; at least one
     */
    double loss(Batch batch, int[] dead, Sae sae) {
        Matrix x = batch.target;
        Matrix xHat = batch.last();
        Matrix deadEncoder = gather(sae.encoder(), dead);
        Matrix deadDecoder = gather(sae.decoder(), dead);
        float[] deadBias = new float[dead.length];
        for (int i = 0; i < dead.length; i++) {
            deadBias[i] = sae.encoderBias()[dead[i]];
        }
        search.search(batch.centred(), deadEncoder, deadBias, rule, winners);
        int rows = batch.rows;
        int[] cuts = winners.starts();
        int[] index = winners.index();
        sparse.decode(rows, 1, cuts, index, winners.value(), deadDecoder, none, reconstruction);
        double spread = spread(x, xHat);
        double loss = spread > 0 ? residual(x, xHat, spread) : 0;
        if (spread <= 0) {
            Arrays.fill(gradient.data(), 0);
        }
        if (slopes.length < winners.entries()) {
            slopes = new float[winners.entries()];
        }
        sparse.slopes(rows, 1, cuts, index, deadDecoder, gradient, slopes);
        entries.regroup(rows, 1, cuts, false, index, winners.value(), slopes, dead, sae.latents());
        return loss;
    }

    private double residual(Matrix x, Matrix xHat, double spread) {
        int d = x.cols();
        float factor = (float) (2 * weight / spread);
        double[] errors = new double[x.rows()];
        workers.forEach(x.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                float sum = 0;
                for (int i = r * d; i < (r + 1) * d; i++) {
                    float left = reconstruction.data()[i] - (x.data()[i] - xHat.data()[i]);
                    sum += left * left;
                    gradient.data()[i] = factor * left;
                }
                errors[r] = sum;
            }
        });
        return weight * Arrays.stream(errors).sum() / spread;
    }

    /** Σ_b ‖e_b − ē‖², ē the batch's mean of e = x − x̂. */
    private static double spread(Matrix x, Matrix xHat) {
        int d = x.cols();
        double squares = 0;
        double[] sums = new double[d];
        for (int r = 0; r < x.rows(); r++) {
            for (int c = 0; c < d; c++) {
                double e = (double) x.data()[r * d + c] - xHat.data()[r * d + c];
                squares += e * e;
                sums[c] += e;
            }
        }
        double mean = 0;
        for (double sum : sums) {
            mean += sum * sum / x.rows();
        }
        return squares - mean;
    }

    private Matrix gather(Matrix from, int[] rows) {
        int d = from.cols();
        Matrix out = Matrix.zeros(rows.length, d);
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(from.data(), rows[i] * d, out.data(), i * d, d);
        }
        return out;
    }

    /** The entries of the last batch. */
    EntriesByLatent entries() {
        return entries;
    }

    /** dL_aux/dê of the last batch. */
    Matrix gradient() {
        return gradient;
    }
}
