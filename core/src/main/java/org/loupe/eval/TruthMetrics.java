package org.loupe.eval;

import java.util.List;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.synth.Codes;
import org.loupe.synth.Truth;
import org.loupe.tensor.Workers;

/** An SAE against what made the rows: its dictionary against the directions and, where their codes are known, its latents. */
final class TruthMetrics {
    private final Truth truth;
    private final Sae sae;
    private final Occurrences.Builder features;
    private final Occurrences.Builder latents;

    TruthMetrics(Truth truth, Sae sae) {
        this.truth = truth;
        this.sae = sae;
        this.features = new Occurrences.Builder(truth.directions().rows());
        this.latents = new Occurrences.Builder(sae.latents());
    }

    /**
     * What was measured.
     *
     * @param features one line a true feature; empty where only directions are known
     */
    record Result(Scores scores, List<TrueFeature> features) {
        static final Result NONE = new Result(Scores.NONE, List.of());
    }

    /**
     * Adds the latents of a batch of rows.
     *
     * @param first row of the source that the batch begins with
     */
    void add(long first, Latents batch) {
        Truth.Activity activity = truth.activity();
        if (activity == null) {
            return;
        }
        Codes codes = activity.codes();
        for (int r = 0; r < batch.rows(); r++) {
            int row = (int) first + r;
            features.row(codes.index(), codes.value(), codes.starts()[row], codes.starts()[row + 1]);
            latents.row(batch.index(), batch.value(), batch.starts()[r], batch.starts()[r + 1]);
        }
    }

    /** Matches features and latents; figures that need the match are absent where there are too many pairs. */
    Result result(Workers workers) {
        Scores scores = Scores.NONE
                .with(Metric.MMCS, Evaluation.mean(MaxCosine.between(truth.directions(), sae.decoder(), workers)))
                .with(
                        Metric.MMCS_LATENTS,
                        Evaluation.mean(MaxCosine.between(sae.decoder(), truth.directions(), workers)));
        if (!TruthMatch.fits(truth.directions(), sae.decoder())) {
            return new Result(scores, List.of());
        }
        TruthMatch match = TruthMatch.of(
                truth.directions(), sae.decoder(), sae.activation().signed(), workers);
        scores = scores.with(match.scores());
        Truth.Activity activity = truth.activity();
        if (activity == null) {
            return new Result(scores, List.of());
        }
        TruthFirings firings =
                new TruthFirings(match, truth.directions(), sae.decoder(), activity, features.build(), latents.build());
        return new Result(scores.with(firings.scores()), firings.table());
    }
}
