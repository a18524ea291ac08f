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
 * active value, in which the last twenty count most (the paper takes a plain mean over batches). With several prefixes it is
 * Matryoshka BatchTopK (Bussmann et al. 2025, arXiv 2503.17547): an entry belongs to the shortest prefix that holds its latent.
 *
 * <p>The search needs a floor to begin from: a little below that mean, or, in the first step, below what a few rows suggest. Too high a
 * floor finds too few and is lowered; what is selected does not depend on it.
 */
final class BatchTopKCoder implements Coder {
    private static final float ROOM = 0.93f;
    private static final float RATE = 0.05f;
    private static final int SAMPLE = 128;

    /** In the sample, active latents of a row at most, as a multiple of k. */
    private static final int SPREAD = 4;

    /** Floors tried before 0, below which nothing may be active. */
    private static final int TRIES = 4;

    private final KSchedule schedule;
    private final LatentSearch search;
    private float[] floors = new float[0];
    private int[] cuts = new int[0];

    BatchTopKCoder(KSchedule schedule, LatentSearch search) {
        this.schedule = schedule;
        this.search = search;
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        double k = schedule.at(wanted, progress);
        select(batch.centred(), sae, k, batch.active);
        batch.linear();
        if (batch.levels > 1) {
            cutByPrefix(batch, sae.latents());
        }
    }

    /** Selects, and moves the threshold. */
    void select(Matrix centred, Sae sae, double k, ActiveRows out) {
        float[] threshold = ((Activation.JumpRelu) sae.activation()).threshold();
        boolean first = threshold[0] == 0;
        float floor = ROOM * (first ? sampled(centred, sae, k, out) : threshold[0]);
        int selected = Math.toIntExact(Math.max(1, Math.round(k * centred.rows())));
        if (floors.length != sae.latents()) {
            floors = new float[sae.latents()];
        }
        for (int attempt = 1; ; attempt++) {
            Arrays.fill(floors, floor);
            search.search(centred, sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Above(floors), out);
            if (out.entries() >= selected || floor == 0) {
                break;
            }
            floor = attempt < TRIES ? floor * ROOM * ROOM : 0;
        }
        float least = out.keepLargest(selected);
        Arrays.fill(threshold, first ? least : threshold[0] + RATE * (least - threshold[0]));
    }

    private float sampled(Matrix centred, Sae sae, double k, ActiveRows out) {
        Matrix rows = centred.head(Math.min(SAMPLE, centred.rows()));
        int most = (int) Math.ceil(SPREAD * k);
        search.search(rows, sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Largest(most), out);
        return out.keepLargest((int) Math.max(1, Math.round(k * rows.rows())));
    }

    /** Prefix l holds the latents below m / 2^(levels − 1 − l); entries of a row are in the order of latents. */
    private void cutByPrefix(Batch batch, int latents) {
        int levels = batch.levels;
        if (cuts.length != batch.rows * levels + 1) {
            cuts = new int[batch.rows * levels + 1];
        }
        int[] starts = batch.active.starts();
        int[] index = batch.active.index();
        for (int r = 0; r < batch.rows; r++) {
            int e = starts[r];
            for (int l = 0; l < levels; l++) {
                int end = latents >> (levels - 1 - l);
                while (e < starts[r + 1] && index[e] < end) {
                    e++;
                }
                cuts[r * levels + l + 1] = e;
            }
        }
        batch.cuts = cuts;
    }
}
