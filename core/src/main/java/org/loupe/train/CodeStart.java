package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.CodeSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;

/**
 * Where codes begin: at k-means of the first batch, stage by stage (Zeghidour et al. 2021, §III-C), for a code that is one row's residual
 * has about the norm of every other residual, so that taking it makes most of them longer.
 *
 * <p>A mean c of n rows is then shrunk by (1 − σ² / (n ‖c‖²))₊, σ² the squared distance of a row to its code (James &amp; Stein 1961, positive
 * part): means of few rows are mostly those rows' noise, which the next stages would be built on.
 */
final class CodeStart {
    private static final int ROUNDS = 10;

    private final RowPicks picks;
    private final CodeSearch search;
    private final Kernels kernels;

    CodeStart(TrainConfig config, CodeSearch search, Kernels kernels) {
        this.picks = RowPicks.of(config.seed(), 0, config.batch());
        this.search = search;
        this.kernels = kernels;
    }

    /**
     * Puts the codes of one stage.
     *
     * @param latents overwritten at {@code stage · rows} and after: the code whose mean each row is part of
     * @param taken overwritten at the stage's codes: rows that each is the mean of
     */
    void put(Batch batch, Sae sae, int stage, int[] latents, float[] taken) {
        int own = sae.latents() / batch.levels;
        for (int i = stage * own; i < (stage + 1) * own; i++) {
            place(batch, sae, i, stage, picks.row(i));
        }
        for (int round = 0; round < ROUNDS; round++) {
            search.step(
                    batch.inputs,
                    stage * batch.rows,
                    (stage + 1) * batch.rows,
                    batch.rows,
                    sae.decoder(),
                    stage,
                    batch.levels,
                    latents);
            average(batch, sae, stage, latents, taken);
        }
        shrink(batch, sae, stage, latents, taken);
    }

    /** Puts a code of a stage on what the stages before it leave of a row. */
    static void place(Batch batch, Sae sae, int code, int stage, int row) {
        int d = sae.dIn();
        System.arraycopy(
                batch.inputs.data(),
                (stage * batch.rows + row) * d,
                sae.decoder().data(),
                code * d,
                d);
    }

    /** Codes that no row takes stay. */
    private void average(Batch batch, Sae sae, int stage, int[] latents, float[] taken) {
        int d = sae.dIn();
        int own = sae.latents() / batch.levels;
        int first = stage * own;
        float[] codes = sae.decoder().data();
        float[] sums = new float[own * d];
        Arrays.fill(taken, first, first + own, 0);
        for (int r = stage * batch.rows; r < (stage + 1) * batch.rows; r++) {
            taken[latents[r]]++;
            kernels.addScaled(1, batch.inputs.data(), r * d, sums, (latents[r] - first) * d, d);
        }
        for (int i = first; i < first + own; i++) {
            if (taken[i] > 0) {
                Arrays.fill(codes, i * d, (i + 1) * d, 0);
                kernels.addScaled(1 / taken[i], sums, (i - first) * d, codes, i * d, d);
            }
        }
    }

    /** Nothing is shrunk where there are as many codes in use as rows, and no scatter to tell the noise by. */
    private void shrink(Batch batch, Sae sae, int stage, int[] latents, float[] taken) {
        int d = sae.dIn();
        int own = sae.latents() / batch.levels;
        int first = stage * own;
        float[] codes = sae.decoder().data();
        double squares = 0;
        for (int r = stage * batch.rows; r < (stage + 1) * batch.rows; r++) {
            for (int c = 0; c < d; c++) {
                double distance = batch.inputs.data()[r * d + c] - codes[latents[r] * d + c];
                squares += distance * distance;
            }
        }
        int used = 0;
        for (int i = first; i < first + own; i++) {
            used += taken[i] > 0 ? 1 : 0;
        }
        double variance = batch.rows > used ? squares / (batch.rows - used) : 0;
        for (int i = first; i < first + own; i++) {
            double square = kernels.dot(codes, i * d, codes, i * d, d);
            if (taken[i] > 0 && square > 0) {
                kernels.scale((float) Math.max(0, 1 - variance / (taken[i] * square)), codes, i * d, d);
            }
        }
    }
}
