package org.loupe.app.web;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.causal.Comparison;
import org.loupe.causal.EffectSummary;
import org.loupe.causal.LatentEffect;
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
            List<String> flags,
            @Nullable Effect effect) {
        static Row of(LatentList.Entry entry) {
            LatentProfile p = entry.profile();
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
                    entry.flags(),
                    entry.card() == null ? null : Effect.of(entry.card().effect()));
        }
    }

    /** What a latent does to the model's output, as {@link LatentEffect} defines it; null where it was not measured. */
    record Effect(
            long firings,
            int ablated,
            @Nullable Double kl,
            @Nullable Double klWithin,
            @Nullable Double total,
            @Nullable Double deltaCe,
            @Nullable Double deltaCeWithin,
            @Nullable Double attribution,
            @Nullable Double attributionSize,
            @Nullable Double signConsistency,
            @Nullable Double perEnergy,
            @Nullable Double perEnergyError,
            @Nullable Double deltaConfidence,
            @Nullable Double amplifiedKl) {
        static Effect of(LatentEffect e) {
            return new Effect(
                    e.firings(),
                    e.ablated(),
                    known(e.kl()),
                    known(e.klWithin()),
                    known(e.total()),
                    known(e.increase()),
                    known(e.increaseWithin()),
                    known(e.attribution()),
                    known(e.attributionSize()),
                    known(e.signConsistency()),
                    known(e.perEnergy()),
                    known(e.perEnergyError()),
                    known(e.confidence()),
                    known(e.amplifiedKl()));
        }
    }

    static List<@Nullable Double> known(List<Double> values) {
        List<@Nullable Double> known = new ArrayList<>();
        values.forEach(value -> known.add(known(value)));
        return known;
    }

    static @Nullable Double known(double value) {
        return Double.isFinite(value) ? value : null;
    }

    /**
     * All latents' effects at a glance.
     *
     * @param tokens that they were measured on
     * @param latent numbers of the live ones that were measured
     * @param density their densities
     * @param kl their effects, nats a firing
     */
    record Effects(
            long tokens,
            int ablations,
            EffectSummary summary,
            List<Row> busyIdle,
            List<Row> rareDecisive,
            int[] latent,
            double[] density,
            double[] kl) {}

    /** A page of a list. */
    record Page(int total, int from, List<Row> latents) {}

    /** A token with a score. */
    record Scored(String token, float score) {
        static List<Scored> of(List<String> tokens, List<Comparison.Moved> moved) {
            List<Scored> scored = new ArrayList<>();
            for (int i = 0; i < tokens.size(); i++) {
                scored.add(new Scored(tokens.get(i), (float) moved.get(i).by()));
            }
            return scored;
        }

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
            List<Scored> raised,
            List<Scored> lowered,
            List<@Nullable Double> bandSize,
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
