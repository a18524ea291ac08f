package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Matching pursuit (Mallat &amp; Zhang 1993) on all rows at once: one exact search for the best latent a step. The steps of a row are
 * kept apart, for training goes back through each of them.
 */
public final class Pursuit {
    private static final int CHUNK = 32;

    private final LatentSearch search;
    private final Kernels kernels;
    private final Workers workers;
    private final ActiveRows best = new ActiveRows();
    private float[] zeros = new float[0];

    public Pursuit(LatentSearch search, Kernels kernels, Workers workers) {
        this.search = search;
        this.kernels = kernels;
        this.workers = workers;
    }

    /**
     * Codes rows.
     *
     * @param x [rows × d], the centred rows; not modified
     * @param dictionary [latents × d], rows of unit norm
     * @param tolerance rows whose residual is shorter take no more latents; 0: all go on
     * @param out overwritten; a latent taken twice has one entry, the sum
     */
    void code(Matrix x, Matrix dictionary, int steps, float tolerance, ActiveRows out) {
        Matrix residuals = new Matrix(x.rows(), x.cols(), Arrays.copyOf(x.data(), x.rows() * x.cols()));
        int[] latents = new int[steps * x.rows()];
        float[] values = new float[latents.length];
        for (int step = 0; step < steps; step++) {
            step(residuals, 0, 0, x.rows(), dictionary, tolerance, latents, values, step * x.rows());
        }
        out.gather(x.rows(), steps, latents, values);
    }

    /**
     * One step: each row of one block of residuals takes its best latent, and what is left goes to another block.
     *
     * @param residuals blocks of [rows × d]
     * @param from first row of the block that is read
     * @param to first row of the block that is written; may be the same
     * @param latents at {@code at} and after: the latent taken, or −1
     * @param values its value, 0 where none was taken
     */
    public void step(
            Matrix residuals,
            int from,
            int to,
            int rows,
            Matrix dictionary,
            float tolerance,
            int[] latents,
            float[] values,
            int at) {
        int d = residuals.cols();
        if (zeros.length != dictionary.rows()) {
            zeros = new float[dictionary.rows()];
        }
        Matrix block = new Matrix(rows, d, Arrays.copyOfRange(residuals.data(), from * d, (from + rows) * d));
        search.search(block, dictionary, zeros, new LatentSearch.Rule.Largest(1), best);
        workers.forEach(rows, CHUNK, (first, end, worker) -> {
            for (int r = first; r < end; r++) {
                System.arraycopy(block.data(), r * d, residuals.data(), (to + r) * d, d);
                boolean done = tolerance > 0
                        && Math.sqrt(kernels.dot(block.data(), r * d, block.data(), r * d, d)) < tolerance;
                boolean takes = !done && best.starts()[r + 1] > best.starts()[r];
                latents[at + r] = takes ? best.index()[best.starts()[r]] : -1;
                values[at + r] = takes ? best.value()[best.starts()[r]] : 0;
                if (takes) {
                    kernels.addScaled(
                            -values[at + r], dictionary.data(), latents[at + r] * d, residuals.data(), (to + r) * d, d);
                }
            }
        });
    }
}
