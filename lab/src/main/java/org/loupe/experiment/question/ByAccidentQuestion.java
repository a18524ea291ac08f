package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.ToDoubleFunction;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.EffectConfig;
import org.loupe.causal.Ranks;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Contrast;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Spread;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.index.LatentCard;

/** Is it an accident when an SAE that looks at activations alone finds latents that matter? */
final class ByAccidentQuestion implements Experiment {
    static final String REAL = "SmolLM2, block 11";
    static final String APART = "known causes, apart";
    static final String MIXED = "known causes, mixed";
    static final String LOCAL = "local";
    static final String METRIC = "Fisher metric";
    static final String UNTRAINED = "random dictionary";

    /** Half of a 95 % interval of a difference of ρ from which on nothing can be said. */
    private static final double WIDE = 0.1;

    static final Quantity ENERGY = rho("rho_energy", "ρ with energy", "Σ f²‖d‖²");
    static final Quantity MASS = rho("rho_mass", "ρ with mass", "activation mass Σ |f|");
    static final Quantity FREQUENCY = rho("rho_frequency", "ρ with frequency", "the number of firings");
    static final Quantity FISHER =
            rho("rho_fisher", "ρ with gradients", "Σ ½ (f ⟨d, g⟩)², which takes one backward pass");
    static final Quantity EACH = new Quantity(
            "rho_each",
            "ρ of one firing",
            "",
            "Spearman’s ρ over latents of the exact effect of a firing with the mean activation");
    static final Quantity TOLD_MASS = told("told_by_mass", "told by mass", "activation mass");
    static final Quantity TOLD_FISHER = told("told_by_gradients", "told by gradients", "Σ ½ (f ⟨d, g⟩)²");
    static final Quantity FEW = new Quantity(
            "latents_90",
            "latents for 90 % of the effect",
            "",
            "smallest share of live latents that has 90 % of the exact effect");
    static final Quantity FEW_ENERGY = new Quantity(
            "energy_90",
            "latents for 90 % of the energy",
            "",
            "smallest share of live latents that has 90 % of Σ f²‖d‖²");

    private static Quantity rho(String key, String label, String with) {
        return new Quantity(key, label, "", "Spearman’s ρ over live latents of the exact total effect with " + with);
    }

    private static Quantity told(String key, String label, String by) {
        return new Quantity(
                key,
                label,
                "",
                "how often, of a latent on a causal feature and one on an inert feature, the first has more " + by
                        + "; ½ is chance");
    }

    @Override
    public String name() {
        return "by-accident";
    }

    @Override
    public String question() {
        return "Do SAEs find causally relevant latents by accident?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(ENERGY, MASS, FREQUENCY, FISHER, EACH, TOLD_MASS, TOLD_FISHER, FEW, FEW_ENERGY);
    }

    @Override
    public void measure(Laboratory lab) {
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            causes(lab, APART, true, seed);
            causes(lab, MIXED, false, seed);
        }
        real(lab);
    }

    private static void causes(Laboratory lab, String part, boolean apart, int seed) {
        int steps = lab.scale().of(300, 1_500);
        KnownCauses causes = new KnownCauses(apart, seed, lab.workers());
        Map<String, String> objectives = new LinkedHashMap<>();
        objectives.put(LOCAL, "objective=local");
        objectives.put(METRIC, "objective=gradient_weighted");
        objectives.forEach((variant, objective) -> lab.trial(part, variant, seed, _ -> {
            Laboratory.Trained trained = lab.train(
                    lab.sae(part, variant, seed),
                    causes.rows,
                    null,
                    List.of("latents=128", "k=5", "batch=1024", "tokens=" + steps * 1024L, objective, "seed=" + seed));
            return Trial.Outcome.of(relevance(causes, trained, lab));
        }));
    }

    private static Map<String, Double> relevance(KnownCauses causes, Laboratory.Trained trained, Laboratory lab) {
        double[] exact = causes.totalEffects(trained.sae());
        FisherEffects seen = FisherEffects.of(trained.sae(), causes.rows, causes.rows.rows(), lab.workers());
        boolean[] causal = causes.onCauses(trained.sae());
        Map<String, Double> values = new LinkedHashMap<>();
        double[] frequency = new double[exact.length];
        double[] mean = new double[exact.length];
        double[] each = new double[exact.length];
        for (int i = 0; i < exact.length; i++) {
            double n = Math.max(1, seen.firings()[i]);
            frequency[i] = seen.firings()[i];
            mean[i] = seen.mass()[i] / n;
            each[i] = exact[i] / n;
        }
        values.put(ENERGY.key(), Ranks.spearman(exact, seen.energy()));
        values.put(MASS.key(), Ranks.spearman(exact, seen.mass()));
        values.put(FREQUENCY.key(), Ranks.spearman(exact, frequency));
        values.put(FISHER.key(), Ranks.spearman(exact, seen.effect()));
        values.put(EACH.key(), Ranks.spearman(each, mean));
        values.put(TOLD_MASS.key(), told(seen.mass(), causal));
        values.put(TOLD_FISHER.key(), told(seen.effect(), causal));
        return values;
    }

    /** The share of pairs of one of each kind in which the first has the larger value, ties counting half; NaN where a kind is missing. */
    static double told(double[] values, boolean[] first) {
        double more = 0;
        long pairs = 0;
        for (int i = 0; i < values.length; i++) {
            for (int j = 0; j < values.length; j++) {
                if (first[i] && !first[j]) {
                    pairs++;
                    more += values[i] > values[j] ? 1 : values[i] == values[j] ? 0.5 : 0;
                }
            }
        }
        return pairs == 0 ? Double.NaN : more / pairs;
    }

    private static void real(Laboratory lab) {
        Scale scale = lab.scale();
        ActivationStore store = lab.real().storeWithGradients(RealModel.HOOK, scale.of(8_000L, 100_000L));
        List<String> base =
                List.of("latents=" + scale.of(128, 2_048), "k=" + scale.of(8, 32), "batch=" + scale.of(512, 1_024));
        Map<String, List<String>> variants = new LinkedHashMap<>();
        variants.put(LOCAL, List.of("objective=local", "passes=" + scale.of(4, 8)));
        variants.put(METRIC, List.of("objective=gradient_weighted", "passes=" + scale.of(4, 8)));
        variants.put(UNTRAINED, List.of("objective=local", "tokens=" + scale.of(512, 1_024)));
        variants.forEach((variant, settings) -> lab.trials(REAL, variant, seed -> {
            List<String> all = new ArrayList<>(base);
            all.addAll(settings);
            all.add("seed=" + seed);
            Laboratory.Trained trained = lab.train(lab.sae(REAL, variant, seed), store, null, all);
            RealModel.Indexed indexed =
                    lab.real().index(trained, store, new EffectConfig(scale.of(512, 4_096), scale.of(1, 2), 1, seed));
            return Trial.Outcome.of(relevance(indexed, trained, store, lab));
        }));
    }

    private static Map<String, Double> relevance(
            RealModel.Indexed indexed, Laboratory.Trained trained, ActivationStore store, Laboratory lab) {
        var summary = Objects.requireNonNull(indexed.info().effects(), "effects were asked for")
                .summary();
        FisherEffects seen = FisherEffects.of(trained.sae(), store, store.rows(), lab.workers());
        List<LatentCard> live = indexed.cards().stream()
                .filter(card -> card.effect().ablated() > 0)
                .toList();
        ToDoubleFunction<LatentCard> total = card -> card.effect().total();
        Map<String, Double> values = new LinkedHashMap<>();
        values.put(ENERGY.key(), summary.relevance().totalEnergy());
        values.put(MASS.key(), summary.relevance().totalMass());
        values.put(FREQUENCY.key(), summary.relevance().totalFrequency());
        values.put(
                FISHER.key(),
                Ranks.spearman(
                        live.stream().mapToDouble(total).toArray(),
                        live.stream()
                                .mapToDouble(card -> seen.effect()[card.effect().latent()])
                                .toArray()));
        values.put(EACH.key(), summary.relevance().eachMean());
        values.put(FEW.key(), summary.concentration().most());
        values.put(FEW_ENERGY.key(), summary.concentration().mostEnergy());
        return values;
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return new Answer(
                "Known causes: 128 features in superposition in 64 dimensions that all fire alike; a small network reads 64 of them;"
                        + " TopK with 128 latents, 5 active, enough for every feature. The exact effect of a latent is the network’s KL"
                        + " when it is taken out, over all its firings. Language model: SmolLM2-135M, blocks.11.hook_resid_post, TopK with "
                        + scale.of("128 latents, 8 active", "2,048 latents, 32 active")
                        + "; exact effects from ablating "
                        + scale.of("one firing", "two firings")
                        + " of each latent, each the KL of the rest of its document, times its firings. A random dictionary stands for"
                        + " what any direction would show.",
                figures(trials),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities()),
                        Answer.Table.of("Known causes, at right angles to what is inert", trials, APART, quantities()),
                        Answer.Table.of("Known causes, in the same space", trials, MIXED, quantities())),
                verdict(trials),
                "More firings ablated for each latent: the noise of one or two makes every ρ on the language model smaller than it is."
                        + " Other layers, where activations and effects may be aligned otherwise.");
    }

    private List<Answer.Figure> figures(Trials trials) {
        List<Quantity> seen = List.of(ENERGY, MASS, FREQUENCY, FISHER);
        String message = "Where causes are known, energy ranks effects with ρ = "
                + Say.number(trials.mean(APART, LOCAL, ENERGY)) + ", gradients with "
                + Say.number(trials.mean(APART, LOCAL, FISHER)) + "; on the language model with "
                + Say.number(trials.mean(REAL, LOCAL, ENERGY)) + " and "
                + Say.number(trials.mean(REAL, LOCAL, FISHER));
        Chart chart = Chart.of("what is seen of a latent without ablating it", "Spearman’s ρ with the exact effect")
                .categories(List.of("energy", "mass", "frequency", "gradients"))
                .fromZero();
        for (String part : List.of(REAL, APART, MIXED)) {
            chart.marks(part + ", " + LOCAL, points(trials, part, LOCAL, seen));
        }
        chart.marks(REAL + ", " + METRIC, points(trials, REAL, METRIC, seen));
        chart.marks(REAL + ", " + UNTRAINED, points(trials, REAL, UNTRAINED, seen));
        String told = "Mass tells a latent on a cause from one on an inert feature in "
                + Say.percent(trials.mean(APART, LOCAL, TOLD_MASS)) + " of pairs, gradients in "
                + Say.percent(trials.mean(APART, LOCAL, TOLD_FISHER));
        Chart pairs = Chart.of("", "share of pairs told apart")
                .categories(List.of("apart: by mass", "apart: by gradients", "mixed: by mass", "mixed: by gradients"))
                .across(0.5, "chance")
                .fromZero();
        for (String variant : List.of(LOCAL, METRIC)) {
            pairs.marks(
                    variant,
                    List.of(
                            Chart.Point.of(0, trials.spread(APART, variant, TOLD_MASS)),
                            Chart.Point.of(1, trials.spread(APART, variant, TOLD_FISHER)),
                            Chart.Point.of(2, trials.spread(MIXED, variant, TOLD_MASS)),
                            Chart.Point.of(3, trials.spread(MIXED, variant, TOLD_FISHER))));
        }
        String few = Say.percent(trials.mean(REAL, LOCAL, FEW))
                + " of the latents have 90 % of the effect on the language model, "
                + Say.percent(trials.mean(REAL, LOCAL, FEW_ENERGY)) + " have 90 % of the energy";
        Chart share = Chart.of("", "share of live latents")
                .categories(List.of("90 % of the effect", "90 % of the energy"))
                .fromZero();
        for (String variant : List.of(LOCAL, METRIC, UNTRAINED)) {
            share.marks(variant, points(trials, REAL, variant, List.of(FEW, FEW_ENERGY)));
        }
        return List.of(
                Answer.Figure.of(
                        "relevance",
                        message,
                        "Rank correlation, latent by latent, of the exact total effect with what one sees of its activations, and with"
                                + " gradients; bars span the seeds.",
                        chart),
                Answer.Figure.of(
                        "told-apart",
                        told,
                        "Known causes: latents on causal features against latents on inert ones; bars span the seeds.",
                        pairs),
                Answer.Figure.of("few", few, "Language model; bars span the seeds.", share));
    }

    private static List<Chart.Point> points(Trials trials, String part, String variant, List<Quantity> quantities) {
        List<Chart.Point> points = new ArrayList<>();
        for (int i = 0; i < quantities.size(); i++) {
            points.add(Chart.Point.of(i, trials.spread(part, variant, quantities.get(i))));
        }
        return points;
    }

    /** What activations say of a single firing. */
    private static String onEach(Trials trials) {
        Contrast each = trials.contrast(REAL, LOCAL, UNTRAINED, EACH);
        return "of a single firing activations say "
                + switch (each.direction()) {
                    case MORE -> "more than those of random directions";
                    case LESS -> "less than those of random directions";
                    case UNCLEAR -> "as much as those of random directions, as far as one can tell";
                }
                + " (ρ " + Say.spread(trials.spread(REAL, LOCAL, EACH)) + "; " + each.text() + ").";
    }

    private static String verdict(Trials trials) {
        Spread known = trials.spread(APART, LOCAL, TOLD_MASS);
        Spread gradients = trials.spread(APART, LOCAL, TOLD_FISHER);
        Spread energy = trials.spread(REAL, LOCAL, ENERGY);
        String byDesign = "; of an SAE trained with the Fisher metric mass does in "
                + Say.spread(trials.spread(APART, METRIC, TOLD_MASS));
        String causes = "Where half of the features have no effect at all, "
                + switch (new Contrast(known.above(0.5)).direction()) {
                    case MORE -> "activations show it in part";
                    case LESS -> "activations say the opposite";
                    case UNCLEAR -> "activations do not show it beyond what chance would";
                }
                + ": mass tells causal latents from inert ones in " + Say.spread(known)
                + " of pairs, where chance is ½, gradients in " + Say.spread(gradients) + byDesign + ". ";
        if (Double.isNaN(energy.error())) {
            return causes + "On the language model ρ of the exact effect with energy is " + Say.number(energy.mean())
                    + " in one seed, which cannot tell how far that is from another’s.";
        }
        Contrast random = trials.contrast(REAL, LOCAL, UNTRAINED, ENERGY);
        String rho = "ρ of the exact effect with energy is " + Say.spread(energy) + ", in a random dictionary "
                + Say.spread(trials.spread(REAL, UNTRAINED, ENERGY)) + " (difference " + random.text() + ")";
        String model = switch (random.direction()) {
            case MORE -> "On the language model it is no mere accident: " + rho;
            case LESS ->
                "On the language model activations say less of what a latent does than those of random directions: "
                        + rho;
            case UNCLEAR ->
                random.difference().error() > WIDE
                        ? "On the language model we cannot tell at this size: " + rho
                        : "On the language model activations say, as far as these seeds tell, no more of what all of a latent’s firings do"
                                + " than those of random directions: " + rho;
        };
        model += ", gradients reach " + Say.spread(trials.spread(REAL, LOCAL, FISHER))
                + ", where the noise of few firings bounds them all";
        Contrast metric = trials.contrast(REAL, METRIC, LOCAL, ENERGY);
        return causes
                + model
                + switch (metric.direction()) {
                    case MORE -> "; training with the Fisher metric raises ρ";
                    case LESS -> "; training with the Fisher metric lowers ρ";
                    case UNCLEAR -> "; whether training with the Fisher metric changes ρ cannot be told";
                }
                + " (" + metric.text() + "); " + onEach(trials);
    }
}
