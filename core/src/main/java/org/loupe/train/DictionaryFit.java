package org.loupe.train;

import java.util.Arrays;
import java.util.Map;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The dictionary that fits all codes so far best, by block coordinate descent on sufficient statistics (Mairal et al. 2009, algorithm 2). With
 * y = x − b_0, b_0 the centre at the start, δ = b_dec − b_0, and β what a step keeps of the sums before it:
 *
 * <pre>
 * A ← βA + Σ f fᵀ    B ← βB + Σ f yᵀ    s ← βs + Σ f    u ← βu + Σ y    n ← βn + rows
 * d_j ← v / ‖v‖,  v = B_j − s_j δ − Σ_{l≠j} A_jl d_l      for each atom j in turn
 * δ   ← (u − Σ s_i d_i) / n
 * </pre>
 *
 * <p>v is A_jj times the paper's u_j; atoms end on the unit sphere and not in the ball, as OMP needs it and as LASSO has it anyway. b_dec, which
 * the paper's centred rows do without, is one more atom whose coefficient is 1 and whose norm is free.
 */
final class DictionaryFit {
    private static final int CHUNK = 16;

    /** Atoms whose sums over all others are made at one time. */
    private static final int BLOCK = 32;

    private final float[] centre;
    private final Kernels kernels;
    private final Workers workers;

    /** A [latents × latents]. */
    private final Matrix codes;

    /** B [latents × d]. */
    private final Matrix products;

    /** s. */
    private final float[] sums;

    /** u. */
    private final float[] rowSum;

    /** n. */
    private final float[] weight = new float[1];

    /** y of the batch. */
    private Matrix moved = Matrix.zeros(0, 0);

    private final float[] delta;
    private final Matrix block;
    private final int[][] places;
    private final float[][] weights;

    DictionaryFit(int latents, float[] centre, Kernels kernels, Workers workers) {
        int d = centre.length;
        this.centre = centre.clone();
        this.kernels = kernels;
        this.workers = workers;
        this.codes = Matrix.zeros(latents, latents);
        this.products = Matrix.zeros(latents, d);
        this.sums = new float[latents];
        this.rowSum = new float[d];
        this.delta = new float[d];
        this.block = Matrix.zeros(BLOCK, d);
        this.places = new int[workers.threads()][latents];
        this.weights = new float[workers.threads()][latents];
    }

    /**
     * Takes a batch and its codes into the sums.
     *
     * @param entries the same codes by atom
     * @param keep β
     */
    void observe(Batch batch, EntriesByLatent entries, Sae sae, double keep) {
        int d = sae.dIn();
        int m = sae.latents();
        float beta = (float) keep;
        moved = moved.rows() == batch.rows ? moved : Matrix.zeros(batch.rows, d);
        kernels.scale(beta, rowSum, 0, d);
        for (int r = 0; r < batch.rows; r++) {
            for (int c = 0; c < d; c++) {
                moved.data()[r * d + c] = batch.x.data()[r * d + c] - centre[c];
            }
            kernels.addScaled(1, moved.data(), r * d, rowSum, 0, d);
        }
        weight[0] = beta * weight[0] + batch.rows;
        workers.forEach(m, CHUNK, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                kernels.scale(beta, codes.data(), i * m, m);
                kernels.scale(beta, products.data(), i * d, d);
                sums[i] *= beta;
                for (int place = entries.starts[i]; place < entries.starts[i + 1]; place++) {
                    float f = entries.value[place];
                    int r = entries.row[place];
                    sums[i] += f;
                    for (int e = batch.cuts[r]; e < batch.cuts[r + 1]; e++) {
                        codes.data()[i * m + batch.active.index()[e]] += f * batch.f[e];
                    }
                }
                kernels.weightedRows(
                        moved.data(),
                        0,
                        d,
                        entries.row,
                        entries.value,
                        entries.starts[i],
                        entries.starts[i + 1],
                        products.data(),
                        i * d,
                        products.data(),
                        i * d);
            }
        });
    }

    /** One pass over all atoms, then b_dec. */
    void solve(Sae sae) {
        int m = sae.latents();
        int d = sae.dIn();
        for (int c = 0; c < d; c++) {
            delta[c] = sae.decoderBias()[c] - centre[c];
        }
        for (int from = 0; from < m; from += BLOCK) {
            int first = from;
            int end = Math.min(m, from + BLOCK);
            workers.forEach(end - first, 1, (at, to, worker) -> outside(sae, first, end, first + at, worker));
            for (int j = first; j < end; j++) {
                inside(sae, first, end, j);
            }
        }
        System.arraycopy(rowSum, 0, delta, 0, d);
        for (int i = 0; i < m; i++) {
            kernels.addScaled(-sums[i], sae.decoder().data(), i * d, delta, 0, d);
        }
        for (int c = 0; c < d; c++) {
            sae.decoderBias()[c] = centre[c] + delta[c] / weight[0];
        }
    }

    /** v but for the other atoms of j's own block. */
    private void outside(Sae sae, int first, int end, int j, int worker) {
        int m = sae.latents();
        int d = sae.dIn();
        int n = 0;
        for (int l = 0; l < m; l++) {
            if (codes.at(j, l) != 0 && (l < first || l >= end)) {
                places[worker][n] = l;
                weights[worker][n++] = -codes.at(j, l);
            }
        }
        int at = (j - first) * d;
        System.arraycopy(products.data(), j * d, block.data(), at, d);
        kernels.addScaled(-sums[j], delta, 0, block.data(), at, d);
        kernels.weightedRows(
                sae.decoder().data(), 0, d, places[worker], weights[worker], 0, n, block.data(), at, block.data(), at);
    }

    /** The rest of v, and the atom. An atom that no code has used stays. */
    private void inside(Sae sae, int first, int end, int j) {
        int d = sae.dIn();
        int at = (j - first) * d;
        for (int l = first; l < end; l++) {
            if (l != j) {
                kernels.addScaled(-codes.at(j, l), sae.decoder().data(), l * d, block.data(), at, d);
            }
        }
        double norm = Math.sqrt(kernels.dot(block.data(), at, block.data(), at, d));
        if (codes.at(j, j) > 0 && norm > 0) {
            System.arraycopy(block.data(), at, sae.decoder().data(), j * d, d);
            kernels.scale((float) (1 / norm), sae.decoder().data(), j * d, d);
        }
    }

    /** Takes an atom's past out of the sums. */
    void forget(int atom) {
        int m = codes.rows();
        int d = products.cols();
        Arrays.fill(codes.data(), atom * m, (atom + 1) * m, 0);
        for (int i = 0; i < m; i++) {
            codes.data()[i * m + atom] = 0;
        }
        Arrays.fill(products.data(), atom * d, (atom + 1) * d, 0);
        sums[atom] = 0;
    }

    /** All sums by name, shared and not copied. */
    Map<String, float[]> state() {
        return Map.of(
                "fit.codes", codes.data(),
                "fit.products", products.data(),
                "fit.sums", sums,
                "fit.row_sum", rowSum,
                "fit.weight", weight);
    }
}
