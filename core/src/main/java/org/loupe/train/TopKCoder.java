package org.loupe.train;

import org.jspecify.annotations.Nullable;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.sae.SignedSearch;
import org.loupe.sae.WeightedSearch;

/** topk, hierarchical_topk and abstopk: the k largest of each row, of topk by gradients where asked for, f = z. */
final class TopKCoder implements Coder {
    private final Architecture architecture;
    private final KSchedule schedule;
    private final LatentSearch search;
    private final SignedSearch signed;
    private final @Nullable WeightedSearch weighted;
    private final double beta;
    private int[] cuts = new int[0];

    TopKCoder(Architecture architecture, KSchedule schedule, LatentSearch search) {
        this(architecture, schedule, search, null, 0);
    }

    /** @param beta of the gradients' part in the selection, where there is a search that has one */
    TopKCoder(
            Architecture architecture,
            KSchedule schedule,
            LatentSearch search,
            @Nullable WeightedSearch weighted,
            double beta) {
        this.architecture = architecture;
        this.schedule = schedule;
        this.search = search;
        this.signed = new SignedSearch(search);
        this.weighted = weighted;
        this.beta = beta;
    }

    /** Levels of hierarchical_topk: k, k/2, k/4, … down to 1. */
    static int levels(int k) {
        return Integer.SIZE - Integer.numberOfLeadingZeros(k);
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        int k = schedule.whole(wanted, progress);
        if (architecture == Architecture.ABSTOPK) {
            signed.search(batch.centred(), sae.encoder(), sae.encoderBias(), k, batch.active);
        } else if (weighted != null) {
            weighted.search(
                    batch.centred(),
                    sae.encoder(),
                    sae.encoderBias(),
                    batch.modelGradient,
                    sae.decoder(),
                    beta,
                    k,
                    batch.active);
        } else {
            search.search(
                    batch.centred(), sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Largest(k), batch.active);
        }
        batch.linear();
        if (architecture == Architecture.HIERARCHICAL_TOPK) {
            batch.active.orderByValue();
            cutByRank(batch, k);
        }
    }

    /** Run l ends with a row's (k >> (levels − 1 − l))-th entry. */
    private void cutByRank(Batch batch, int k) {
        int levels = batch.levels;
        if (cuts.length != batch.rows * levels + 1) {
            cuts = new int[batch.rows * levels + 1];
        }
        int[] starts = batch.active.starts();
        for (int r = 0; r < batch.rows; r++) {
            for (int l = 0; l < levels; l++) {
                int end = l == levels - 1 ? Integer.MAX_VALUE : k >> (levels - 1 - l);
                cuts[r * levels + l + 1] = (int) Math.min((long) starts[r] + end, starts[r + 1]);
            }
        }
        batch.cuts = cuts;
    }
}
