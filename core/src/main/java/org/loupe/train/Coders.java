package org.loupe.train;

import org.jspecify.annotations.Nullable;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.Sae;
import org.loupe.sae.WeightedSearch;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Workers;

/** The coder of each architecture. */
final class Coders {
    /** The f32 product runs in any case, so that its sums are worth taking from a lower share on than dense products are. */
    private static final double SEARCH = 0.5;

    private Coders() {}

    /** Reconstructions of a row that the loss judges, or steps that its reconstruction takes. */
    static int levels(TrainConfig config) {
        int k = config.count();
        return switch (config.architecture()) {
            case RELU,
                    P_ANNEAL,
                    TOPK,
                    GUMBEL_TOPK,
                    BATCHTOPK,
                    JUMPRELU,
                    GATED,
                    SIGN_AWARE_GATED,
                    ABSTOPK,
                    DICTIONARY_LEARNING -> 1;
            case HIERARCHICAL_TOPK -> TopKCoder.levels(k);
            case MATRYOSHKA ->
                Math.min(
                        config.arch().nested().prefixes(),
                        Integer.SIZE - Integer.numberOfLeadingZeros(config.latents()));
            case MATCHING_PURSUIT, VQ, RESIDUAL_VQ -> k;
        };
    }

    /**
     * The coder of a configuration.
     *
     * @param factor of the loss; see {@link Batch#factor}
     * @param dense share of active latents from which on a batch is dense
     */
    static Coder of(
            TrainConfig config,
            Sae sae,
            DataStatistics statistics,
            double factor,
            @Nullable LowPrecisionProduct product,
            SparseRows sparse,
            double dense,
            Kernels kernels,
            Workers workers) {
        LatentSearch search = new LatentSearch(kernels, workers, product, SEARCH * dense);
        DictionaryNorms norms = new DictionaryNorms(config.norms(), kernels, workers);
        KSchedule schedule = KSchedule.of(config);
        double spread = statistics.inputs().spread();
        return switch (config.architecture()) {
            case RELU, P_ANNEAL -> new ReluCoder(config, search, norms);
            case TOPK, HIERARCHICAL_TOPK -> {
                double select = config.gradient().select();
                WeightedSearch weighted = select > 0 ? new WeightedSearch(kernels, workers) : null;
                yield new TopKCoder(config.architecture(), schedule, search, weighted, select);
            }
            case ABSTOPK -> new TopKCoder(config.architecture(), schedule, new LatentSearch(kernels, workers));
            case GUMBEL_TOPK -> new GumbelCoder(config, spread, search, workers);
            case BATCHTOPK, MATRYOSHKA -> new BatchTopKCoder(schedule, search);
            case JUMPRELU -> new JumpReluCoder(config, sae, spread, search, norms, kernels, workers);
            case GATED -> new GatedCoder(config, sae, factor, search, norms, sparse, workers);
            case SIGN_AWARE_GATED ->
                new GatedCoder(
                        config,
                        sae,
                        factor,
                        new LatentSearch(kernels, workers, null, SEARCH * dense),
                        norms,
                        sparse,
                        workers);
            case MATCHING_PURSUIT -> new PursuitCoder(schedule, search, kernels, workers);
            case VQ, RESIDUAL_VQ -> new CodeCoder(config, sae, kernels, workers);
            case DICTIONARY_LEARNING ->
                new DictionaryCoder(config, sae, statistics.targets().centre(), kernels, workers);
        };
    }
}
