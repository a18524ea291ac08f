package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.Activation;
import org.loupe.sae.ActiveRows;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

/**
 * BatchTopK (Bussmann et al. 2024, arXiv 2412.06410, §3): of all positive pre-activations of a batch the k · rows largest are active, of
 * equal ones the earlier. Encoding row by row later needs a threshold: a running mean of the batches' least
 * active value, in which the last twenty count most (the paper takes a plain mean over batches).
 *
 * <p>The search needs a floor to begin from: a little below that mean, or, in the first step, below what a few rows suggest. Too high a
 * floor finds too few and is lowered; what is selected does not depend on it.
 */
final class BatchTopK implements Selection {
    private static final float ROOM = 0.93f;
    private static final float RATE = 0.05f;
    private static final int SAMPLE = 128;

    /** In the sample, active latents of a row at most, as a multiple of k. */
    private static final int SPREAD = 4;

    /** Floors tried before 0, below which nothing may be active. */
    private static final int TRIES = 4;

    private final int k;
    private final LatentSearch search;
    private float[] floors = new float[0];

    BatchTopK(int k, LatentSearch search) {
        this.k = k;
        this.search = search;
    }

    @Override
    public void select(Matrix centred, Sae sae, ActiveRows out) {
        float[] threshold = ((Activation.JumpRelu) sae.activation()).threshold();
        boolean first = threshold[0] == 0;
        float floor = ROOM * (first ? sampled(centred, sae, out) : threshold[0]);
        int wanted = Math.multiplyExact(k, centred.rows());
        if (floors.length != sae.latents()) {
            floors = new float[sae.latents()];
        }
        for (int attempt = 1; ; attempt++) {
            Arrays.fill(floors, floor);
            search.search(centred, sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Above(floors), out);
            if (out.entries() >= wanted || floor == 0) {
                break;
            }
            floor = attempt < TRIES ? floor * ROOM * ROOM : 0;
        }
        float least = out.keepLargest(wanted);
        Arrays.fill(threshold, first ? least : threshold[0] + RATE * (least - threshold[0]));
    }

    private float sampled(Matrix centred, Sae sae, ActiveRows out) {
        Matrix rows = centred.head(Math.min(SAMPLE, centred.rows()));
        search.search(rows, sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Largest(SPREAD * k), out);
        return out.keepLargest(k * rows.rows());
    }
}
