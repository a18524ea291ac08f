package org.loupe.train;

import org.loupe.sae.ActiveRows;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;

/**
 * How high pre-activations of an untrained SAE must be for a row to have so many latents above them. What a penalty would make sparse otherwise
 * begins with half of all latents active, and its first steps cost many times what later ones do.
 */
final class SparseStart {
    /** Rows of the first batch that decide. */
    private static final int SAMPLE = 128;

    private final double wanted;

    SparseStart(TrainConfig config) {
        this.wanted = config.arch().penalty().begin() * config.wantedL0();
    }

    /** Whether the batch is the first of a run that is to begin so. */
    boolean due(double progress) {
        return progress == 0 && wanted > 0;
    }

    /** The value above which that many pre-activations of a row lie, in the mean; at least 0. */
    float level(Batch batch, Sae sae, LatentSearch search) {
        int rows = Math.min(SAMPLE, batch.rows);
        int each = (int) Math.ceil(Math.min(wanted, 0.5 * sae.latents()));
        LatentSearch.Rule.Largest most = new LatentSearch.Rule.Largest(Math.min(sae.latents(), 4 * each));
        ActiveRows found = new ActiveRows();
        search.search(batch.centred().head(rows), sae.encoder(), sae.encoderBias(), most, found);
        return found.keepLargest(each * rows);
    }

    /** Lowers all biases. */
    static void lower(float[] bias, float by) {
        for (int i = 0; i < bias.length; i++) {
            bias[i] -= by;
        }
    }
}
