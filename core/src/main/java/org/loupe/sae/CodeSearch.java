package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The nearest code of every row, exactly as f32 arithmetic has it: argmin ‖r − c_i‖² = argmax ⟨c_i, r⟩ − ‖c_i‖²/2, which is a search for
 * the best latent with ‖c_i‖²/2 taken off as a bias.
 */
public final class CodeSearch {
    private static final int CHUNK = 64;

    private final LatentSearch search;
    private final Kernels kernels;
    private final Workers workers;
    private final ActiveRows best = new ActiveRows();

    public CodeSearch(LatentSearch search, Kernels kernels, Workers workers) {
        this.search = search;
        this.kernels = kernels;
        this.workers = workers;
    }

    /**
     * Codes rows by all stages.
     *
     * @param x [rows × d], the centred rows; not modified
     * @param codes [latents × d], those of the first stage first
     * @param out overwritten
     */
    void code(Matrix x, Matrix codes, int stages, ActiveRows out) {
        int rows = x.rows();
        Matrix residuals = new Matrix(rows, x.cols(), Arrays.copyOf(x.data(), rows * x.cols()));
        int[] latents = new int[stages * rows];
        for (int stage = 0; stage < stages; stage++) {
            step(residuals, 0, 0, rows, codes, stage, stages, latents);
        }
        float[] ones = new float[latents.length];
        Arrays.fill(ones, 1);
        out.gather(rows, stages, latents, ones);
    }

    /**
     * One stage: each row of one block of residuals takes its nearest code, and what is left goes to another block.
     *
     * @param residuals blocks of [rows × d]
     * @param from first row of the block that is read
     * @param to first row of the block that is written; may be the same
     * @param latents at stage · rows and after: the code of each row
     */
    public void step(Matrix residuals, int from, int to, int rows, Matrix codes, int stage, int stages, int[] latents) {
        int d = residuals.cols();
        int own = codes.rows() / stages;
        int first = stage * own;
        Matrix block = new Matrix(rows, d, Arrays.copyOfRange(residuals.data(), from * d, (from + rows) * d));
        Matrix mine = new Matrix(own, d, Arrays.copyOfRange(codes.data(), first * d, (first + own) * d));
        float[] bias = new float[own];
        for (int i = 0; i < own; i++) {
            bias[i] = -0.5f * kernels.dot(mine.data(), i * d, mine.data(), i * d, d);
        }
        search.search(block, mine, bias, new LatentSearch.Rule.Best(), best);
        workers.forEach(rows, CHUNK, (begin, end, worker) -> {
            for (int r = begin; r < end; r++) {
                int code = best.index()[best.starts()[r]];
                latents[stage * rows + r] = first + code;
                System.arraycopy(block.data(), r * d, residuals.data(), (to + r) * d, d);
                kernels.addScaled(-1, mine.data(), code * d, residuals.data(), (to + r) * d, d);
            }
        });
    }
}
