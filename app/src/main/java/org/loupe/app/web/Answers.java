package org.loupe.app.web;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.index.Enrichment;
import org.loupe.index.Example;
import org.loupe.index.LatentProfile;

/** The JSON API's answers, as docs/explorer.md describes them. */
final class Answers {
    private Answers() {}

    /** One latent in a list. */
    record Row(
            int latent,
            String label,
            String category,
            boolean clear,
            @Nullable Enrichment evidence,
            long count,
            double density,
            float mean,
            float max,
            List<String> tokens,
            List<String> flags) {
        static Row of(LatentProfile p) {
            return new Row(
                    p.latent(),
                    p.label(),
                    p.category(),
                    !p.label().isEmpty(),
                    p.best(),
                    p.count(),
                    p.density(),
                    p.mean(),
                    p.max(),
                    p.topTokens(),
                    p.flags().stream().map(LatentProfile.Flag::text).toList());
        }
    }

    /** A page of a list. */
    record Page(int total, int from, List<Row> latents) {}

    /** A token with a score. */
    record Scored(String token, float score) {
        static List<Scored> of(List<String> tokens, float[] scores) {
            List<Scored> scored = new ArrayList<>();
            for (int i = 0; i < tokens.size(); i++) {
                scored.add(new Scored(tokens.get(i), scores[i]));
            }
            return scored;
        }
    }

    /** A latent with a cosine. */
    record Neighbour(Row latent, float cosine) {}

    /** An example; activations are null where the store has no row. */
    record Shown(
            int interval,
            int document,
            String category,
            float activation,
            int at,
            int position,
            boolean cutBefore,
            boolean cutAfter,
            List<String> tokens,
            List<@Nullable Float> activations) {
        static Shown of(Example e) {
            List<@Nullable Float> activations = new ArrayList<>();
            for (float a : e.activations()) {
                activations.add(Float.isNaN(a) ? null : a);
            }
            return new Shown(
                    e.interval(),
                    e.document(),
                    e.category(),
                    e.activation(),
                    e.at(),
                    e.position(),
                    e.cutBefore(),
                    e.cutAfter(),
                    e.tokens(),
                    activations);
        }
    }

    /** Everything about one latent, with its place in the order of the list it was opened from; null at the ends. */
    record Latent(
            Row latent,
            int documents,
            List<Integer> topTokenCounts,
            int[] histogram,
            List<Scored> promoted,
            List<Scored> suppressed,
            List<Neighbour> neighbours,
            List<Shown> examples,
            int intervals,
            @Nullable Integer previous,
            @Nullable Integer next,
            int place,
            int total) {}

    /** State of the text box's model: loading, ready or none; why where it is none. */
    record Model(String state, String reason, int limit) {}

    /** A text's tokens and the rows of all latents that fire on it. */
    record Text(List<TextProbe.Token> tokens, boolean cut, Map<Integer, Row> latents) {}

    /** What went wrong. */
    record Fault(String error) {}
}
