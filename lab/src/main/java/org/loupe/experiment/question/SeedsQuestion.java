package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.causal.Ranks;
import org.loupe.eval.Assignment;
import org.loupe.eval.MaxCosine;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Rows;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Spread;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.sae.Sae;
import org.loupe.synth.Truth;
import org.loupe.tensor.Matrix;

/** The same latents again with another seed? */
final class SeedsQuestion implements Experiment {
    static final String REAL = "SmolLM2, block 11";
    static final String CAUSES = "known causes, mixed";
    static final String TOPK = "TopK";
    static final String METRIC = "TopK, Fisher metric";
    static final String JUMP = "JumpReLU";
    static final String RELU = "ReLU";

    private static final double SAME = 0.9;
    private static final String COSINES = "cosines";
    private static final int BINS = 40;

    static final Quantity MATCHED = new Quantity(
            "matched",
            "latents found again",
            "",
            "share of latents whose partner in another seed’s SAE has cosine ≥ 0.9");
    static final Quantity LIVE = new Quantity("live", "live latents", "", "latents that fire");
    static final Quantity COSINE =
            new Quantity("mean_cosine", "mean cosine", "", "mean over latents of the cosine with their partner");
    static final Quantity EFFECTS = new Quantity(
            "effect_agreement",
            "agreement of effects",
            "",
            "Spearman’s ρ of Σ ½ (f ⟨d, g⟩)² over partners with cosine ≥ 0.9");
    static final Quantity OTHERS = new Quantity(
            "effect_agreement_rest", "the same below 0.9", "", "Spearman’s ρ of the effects over all other partners");
    static final Quantity SHARE = new Quantity(
            "effect_share",
            "effect found again",
            "",
            "share of all effect that latents with a partner of cosine ≥ 0.9 have");
    static final Quantity TRUTH = new Quantity(
            "matched_true",
            "of those, true",
            "",
            "share of the latents found again that have a true feature of cosine ≥ 0.9");

    @Override
    public String name() {
        return "seeds";
    }

    @Override
    public String question() {
        return "Are they the same latents again with another seed, and do they do the same?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(MATCHED, LIVE, COSINE, EFFECTS, OTHERS, SHARE, TRUTH);
    }

    @Override
    public void measure(Laboratory lab) {
        int steps = lab.scale().of(300, 1_500);
        KnownCauses causes = new KnownCauses(false, 0, lab.workers());
        pairs(
                lab,
                CAUSES,
                causes.rows,
                List.of("latents=256", "k=5", "l0=5", "batch=1024", "tokens=" + steps * 1024L),
                Truth.of(causes.world().directions()));
        ActivationStore store =
                lab.real().storeWithGradients(RealModel.HOOK, lab.scale().of(8_000L, 100_000L));
        pairs(
                lab,
                REAL,
                store,
                List.of(
                        "latents=" + lab.scale().of(512, 2_048),
                        "k=" + lab.scale().of(16, 32),
                        "l0=" + lab.scale().of(16, 32),
                        "batch=" + lab.scale().of(512, 1_024),
                        "passes=" + lab.scale().of(6, 10)),
                null);
    }

    /** Neighbouring seeds, one pair a trial: one more SAE than there are trials. */
    private static void pairs(Laboratory lab, String part, RowSource rows, List<String> base, @Nullable Truth truth) {
        Map<String, List<String>> variants = new LinkedHashMap<>();
        variants.put(TOPK, List.of("architecture=topk"));
        variants.put(METRIC, List.of("architecture=topk", "objective=gradient_weighted"));
        variants.put(JUMP, List.of("architecture=jumprelu"));
        variants.put(RELU, List.of("architecture=relu"));
        variants.forEach((variant, settings) -> {
            Map<Integer, Seen> trained = new HashMap<>();
            IntFunction<Seen> sae = seed -> trained.computeIfAbsent(seed, _ -> {
                List<String> all = new ArrayList<>(base);
                all.addAll(settings);
                all.add("seed=" + seed);
                Sae made =
                        lab.train(lab.sae(part, variant, seed), rows, null, all).sae();
                return new Seen(made, FisherEffects.of(made, rows, 1 << 15, lab.workers()));
            });
            lab.trials(part, variant, seed -> compare(sae.apply(seed), sae.apply(seed + 1), truth, lab));
        });
    }

    /** An SAE, and what its latents do. */
    private record Seen(Sae sae, FisherEffects effects) {}

    private static Trial.Outcome compare(Seen first, Seen second, @Nullable Truth truth, Laboratory lab) {
        Sae one = first.sae;
        Sae other = second.sae;
        FisherEffects effects = first.effects;
        FisherEffects otherEffects = second.effects;
        Matrix cosines = MaxCosine.all(one.decoder(), other.decoder(), lab.workers());
        int[] partner = Assignment.largest(cosines);
        // Latents that never fire are no latents of the SAE.
        int[] live = IntStream.range(0, partner.length)
                .filter(i -> effects.firings()[i] > 0)
                .toArray();
        double[] cosine =
                Arrays.stream(live).mapToDouble(i -> cosines.at(i, partner[i])).toArray();
        boolean[] same = new boolean[live.length];
        int[] bins = new int[BINS];
        for (int i = 0; i < live.length; i++) {
            same[i] = cosine[i] >= SAME;
            bins[Math.clamp((long) Math.floor(cosine[i] * BINS), 0, BINS - 1)]++;
        }
        Map<String, Double> values = new LinkedHashMap<>();
        values.put(MATCHED.key(), share(same));
        values.put(LIVE.key(), (double) live.length);
        values.put(COSINE.key(), Arrays.stream(cosine).average().orElse(Double.NaN));
        values.put(EFFECTS.key(), agreement(live, same, true, effects, otherEffects, partner));
        values.put(OTHERS.key(), agreement(live, same, false, effects, otherEffects, partner));
        double all = Arrays.stream(effects.effect()).sum();
        values.put(
                SHARE.key(),
                IntStream.range(0, live.length)
                                .filter(i -> same[i])
                                .mapToDouble(i -> effects.effect()[live[i]])
                                .sum()
                        / all);
        if (truth != null) {
            float[] nearest = MaxCosine.between(one.decoder(), truth.directions(), lab.workers());
            long again = IntStream.range(0, live.length).filter(i -> same[i]).count();
            long real = IntStream.range(0, live.length)
                    .filter(i -> same[i] && nearest[live[i]] >= SAME)
                    .count();
            values.put(TRUTH.key(), again == 0 ? Double.NaN : (double) real / again);
        }
        double[] places = new double[BINS];
        double[] shares = new double[BINS];
        for (int b = 0; b < BINS; b++) {
            places[b] = (b + 0.5) / BINS;
            shares[b] = (double) bins[b] / live.length;
        }
        return new Trial.Outcome(values, Map.of(COSINES, new Trial.Curve(places, shares)));
    }

    private static double share(boolean[] which) {
        int count = 0;
        for (boolean one : which) {
            count += one ? 1 : 0;
        }
        return (double) count / which.length;
    }

    private static double agreement(
            int[] live, boolean[] same, boolean wanted, FisherEffects one, FisherEffects other, int[] partner) {
        int[] chosen = IntStream.range(0, live.length)
                .filter(i -> same[i] == wanted)
                .map(i -> live[i])
                .toArray();
        return Ranks.spearman(
                Arrays.stream(chosen).mapToDouble(i -> one.effect()[i]).toArray(),
                Arrays.stream(chosen)
                        .mapToDouble(i -> other.effect()[partner[i]])
                        .toArray());
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return new Answer(
                "SAEs trained on the same rows with different seeds, which decide initialisation and the order of rows, matched one to one with"
                        + " the largest total cosine of their dictionary rows (Hungarian method); neighbouring seeds make a pair. Known"
                        + " causes: 128 features in 64 dimensions, 256 latents, 5 active. Language model: SmolLM2-135M,"
                        + " blocks.11.hook_resid_post, "
                        + scale.of("512 latents, 16 active", "2,048 latents, 32 active")
                        + ". Effects are second-order, from gradients of labels drawn from the model.",
                figures(trials),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities()),
                        Answer.Table.of("Known causes", trials, CAUSES, quantities())),
                verdict(trials),
                "More training on more rows, which makes dictionaries more alike, and fewer latents; a match by what latents fire on instead of"
                        + " by their directions.");
    }

    private static List<Answer.Figure> figures(Trials trials) {
        Spread matched = trials.spread(REAL, TOPK, MATCHED);
        String again = Say.percent(matched.mean())
                + " of the latents of the language model’s TopK SAE are found again with another seed";
        Chart chart = Chart.of("cosine with the partner of another seed", "share of latents")
                .fromZero();
        for (String variant : trials.variants(REAL)) {
            chart.line(variant, trials.points(REAL, variant, COSINES));
        }
        String share = "Latents found again have " + Say.percent(trials.mean(REAL, TOPK, SHARE))
                + " of the effect, with " + Say.percent(matched.mean()) + " of the latents";
        String known = "With known causes " + Say.percent(trials.mean(CAUSES, TOPK, MATCHED))
                + " of TopK’s " + Say.number(trials.mean(CAUSES, TOPK, LIVE)) + " live latents are found again, "
                + Say.percent(trials.mean(CAUSES, JUMP, MATCHED)) + " of JumpReLU’s "
                + Say.number(trials.mean(CAUSES, JUMP, LIVE)) + "; there are 128 features";
        String agree = Double.isNaN(trials.mean(REAL, TOPK, EFFECTS))
                ? "On the language model too few latents are found again to compare effects; with known causes they agree with ρ = "
                        + Say.number(trials.mean(CAUSES, TOPK, EFFECTS))
                : "Effects of latents found again agree with ρ = " + Say.number(trials.mean(REAL, TOPK, EFFECTS))
                        + ", of the others’ partners with ρ = " + Say.number(trials.mean(REAL, TOPK, OTHERS));
        return List.of(
                Answer.Figure.of(
                        "cosines",
                        again,
                        "Language model: how near the matched partner in another seed’s SAE is, mean over pairs of seeds.",
                        chart.upright(SAME, "found again")),
                Answer.Figure.of(
                        "matched",
                        known,
                        "Share of live latents whose partner has cosine 0.9 or more; rings are pairs of seeds.",
                        Rows.of(MATCHED.axis())
                                .group(REAL, trials, REAL, MATCHED)
                                .group(CAUSES, trials, CAUSES, MATCHED)
                                .fromZero()),
                Answer.Figure.of(
                        "effect-share",
                        share,
                        "Share of all effect that latents with a partner of cosine 0.9 or more have.",
                        Rows.of(SHARE.axis())
                                .group(REAL, trials, REAL, SHARE)
                                .group(CAUSES, trials, CAUSES, SHARE)
                                .fromZero()),
                Answer.Figure.of(
                        "effect-agreement",
                        agree,
                        "Rank correlation of the effects of partners with cosine 0.9 or more.",
                        Rows.of(EFFECTS.axis())
                                .group(REAL, trials, REAL, EFFECTS)
                                .group(CAUSES, trials, CAUSES, EFFECTS)
                                .fromZero()));
    }

    private static String verdict(Trials trials) {
        Spread matched = trials.spread(REAL, TOPK, MATCHED);
        Spread share = trials.spread(REAL, TOPK, SHARE);
        Spread agree = trials.spread(REAL, TOPK, EFFECTS);
        Spread truth = trials.spread(CAUSES, TOPK, TRUTH);
        String how;
        if (matched.mean() > 0.8) {
            how = "Mostly yes: ";
        } else if (matched.mean() < 0.3) {
            how = "Mostly not: ";
        } else {
            how = "In part: ";
        }
        String first = how + Say.percent(matched.mean())
                + " of the latents of a TopK SAE on the language model are found again with another"
                + " seed (" + Say.spread(matched) + "), and they have " + Say.percent(share.mean())
                + " of the effect on the output, "
                + (share.mean() > matched.mean() + 0.05
                        ? "more than their share: what matters is found again more often"
                        : share.mean() < matched.mean() - 0.05
                                ? "less than their share: what matters is found again less often"
                                : "about their share")
                + "; of JumpReLU’s " + Say.percent(trials.mean(REAL, JUMP, MATCHED))
                + " are found again, with the Fisher metric "
                + Say.percent(trials.mean(REAL, METRIC, MATCHED)) + ", of ReLU’s "
                + Say.percent(trials.mean(REAL, RELU, MATCHED))
                + ". ";
        String second = Double.isNaN(agree.mean())
                ? "Too few are found again to compare what they do."
                : "What is found again "
                        + (agree.mean() > 0.9
                                ? "does the same"
                                : agree.mean() > 0.6 ? "does about the same" : "does not do the same")
                        + " (ρ of the effects " + Say.spread(agree) + ")";
        if (!Double.isNaN(agree.mean())) {
            second += Double.isNaN(truth.mean())
                    ? "."
                    : ", and where the truth is known " + Say.percent(truth.mean())
                            + " of what is found again is a true feature.";
        }
        return first
                + second
                + (matched.count() < 2 ? " One pair of seeds cannot tell how much these figures vary." : "");
    }
}
