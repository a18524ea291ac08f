package org.loupe.train;

import org.loupe.sae.ActiveRows;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

/** Which latents are active in a step of training; what encodes later is the SAE's activation function. */
interface Selection {
    /**
     * Selects for a batch.
     *
     * @param centred [rows × d], x − b_in
     * @param out overwritten
     */
    void select(Matrix centred, Sae sae, ActiveRows out);

    /** The selection of an architecture. */
    static Selection of(TrainConfig config, LatentSearch search) {
        return switch (config.architecture()) {
            case TOPK ->
                (centred, sae, out) -> search.search(centred, sae.encoder(), sae.encoderBias(), sae.rule(), out);
            case BATCHTOPK -> new BatchTopK(config.k(), search);
        };
    }
}
