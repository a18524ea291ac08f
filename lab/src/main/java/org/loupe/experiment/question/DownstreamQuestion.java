package org.loupe.experiment.question;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.causal.Downstream;
import org.loupe.eval.Metric;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;

/** Do objectives that look downstream give better SAEs than the local error, at equal L0? */
final class DownstreamQuestion implements Experiment {
    static final String REAL = "SmolLM2, block 11";
    static final String APART = "known causes, apart";
    static final String MIXED = "known causes, mixed";
    static final String NETWORK = "the features themselves";

    static final String LOCAL = "local";
    static final String METRIC = "Fisher metric";
    static final String TOKEN = "per-token gradients";
    static final String SELECT = "selection by gradients";
    static final String KL = "end-to-end KL";
    static final String LATER = "downstream MSE";
    static final String HYBRID = "hybrid";
    static final String TUNED = "local, then hybrid";
    static final String CONTROL = "local, then local";
    static final String LONGER = "local, equal time";
    static final String BOTH = "metric, then hybrid";

    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity CE = Quantity.of(Metric.CE_INCREASE);
    static final Quantity DIVERGENCE = Quantity.of(Metric.KL);
    static final Quantity CAUSAL = new Quantity(
            "causal_found", "causal features found", "", "share of causal features with a latent of cosine ≥ 0.9");
    static final Quantity INERT = new Quantity(
            "inert_found", "inert features found", "", "share of inert features with a latent of cosine ≥ 0.9");
    static final Quantity ON_CAUSES = new Quantity(
            "latents_causal",
            "latents on causes",
            "",
            "share of latents whose nearest true feature is a causal one; one half is chance");

    @Override
    public String name() {
        return "downstream";
    }

    @Override
    public String question() {
        return "Does training that looks at what the network does with a reconstruction give better SAEs?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(
                FVU,
                Quantity.of(Metric.L0),
                DIVERGENCE,
                CE,
                Quantity.of(Metric.CE_RECOVERED_MEAN),
                Quantity.of(Metric.TOP1_AGREEMENT),
                new Quantity(
                        "latents_90",
                        "latents for 90 % of the effect",
                        "",
                        "smallest share of the latents that fire which have 90 % of Σ ½ (f ⟨d, g⟩)², the second-order KL"),
                CAUSAL,
                INERT,
                ON_CAUSES,
                new Quantity(
                        "causal_effect",
                        "effect of a causal feature",
                        "nats",
                        "exact KL of the network’s output when a causal feature is taken out of a row on which it fires"),
                new Quantity("inert_effect", "effect of an inert feature", "nats", "the same of an inert feature"),
                Trainings.SECONDS);
    }

    @Override
    public void measure(Laboratory lab) {
        causes(lab, APART, true);
        causes(lab, MIXED, false);
        real(lab);
    }

    private static void causes(Laboratory lab, String part, boolean apart) {
        int steps = lab.scale().of(300, 1_500);
        int tuning = lab.scale().of(60, 300);
        List<String> base = List.of("architecture=topk", "latents=64", "k=3", "batch=1024", "tokens=" + steps * 1024L);
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            KnownCauses causes = new KnownCauses(apart, seed, lab.workers());
            Study study = new Study(lab, part, causes.rows, causes::judged, base, "tokens=" + tuning * 1024L) {
                @Override
                Map<String, Double> evaluate(Laboratory.Trained trained) {
                    return causes.evaluate(trained.sae());
                }
            };
            lab.trial(part, NETWORK, seed, _ -> Trial.Outcome.of(causes.effects()));
            study.anew(LOCAL, seed, "objective=local");
            study.anew(METRIC, seed, "objective=gradient_weighted", "gradient.beta=4");
            study.anew(TOKEN, seed, "objective=gradient_weighted", "gradient.form=token", "gradient.beta=1");
            study.anew(SELECT, seed, "gradient.select=1");
            study.judged(KL, seed, "objective=kl");
            study.judged(LATER, seed, "objective=downstream_mse");
            study.judged(HYBRID, seed, "objective=hybrid");
            study.tuned(CONTROL, LOCAL, seed, "objective=local");
            study.tuned(TUNED, LOCAL, seed, "objective=hybrid");
            study.tuned(BOTH, METRIC, seed, "objective=hybrid");
        }
    }

    private static void real(Laboratory lab) {
        Scale scale = lab.scale();
        long tokens = scale.of(8_000, 100_000);
        int passes = scale.of(4, 10);
        List<String> base = List.of(
                "architecture=topk",
                "latents=" + scale.of(512, 2_048),
                "k=" + scale.of(16, 32),
                "batch=" + scale.of(512, 1_024),
                "passes=" + passes);
        int batch = scale.of(256, 512);
        ActivationStore store = lab.real().storeWithGradients(RealModel.HOOK, tokens);
        String tuning = "tokens=" + scale.of(2, 24) * (long) batch;
        Study study =
                new Study(lab, REAL, store, config -> Downstream.of(lab.real().model(), store, config), base, tuning) {
                    @Override
                    Map<String, Double> evaluate(Laboratory.Trained trained) {
                        Map<String, Double> values = lab.real().splice(trained.loaded(), store);
                        values.put(
                                "latents_90",
                                FisherEffects.of(trained.sae(), store, 1 << 15, lab.workers())
                                        .latentsFor(0.9));
                        return values;
                    }
                };
        for (int seed = 0; seed < scale.seeds(); seed++) {
            study.anew(LOCAL, seed, "objective=local");
            study.anew(LONGER, seed, "objective=local", "passes=" + 3 * passes);
            study.anew(METRIC, seed, "objective=gradient_weighted", "gradient.beta=4");
            study.tuned(CONTROL, LOCAL, seed, "objective=local", "batch=" + batch);
            study.tuned(TUNED, LOCAL, seed, "objective=hybrid", "batch=" + batch);
            study.tuned(BOTH, METRIC, seed, "objective=hybrid", "batch=" + batch);
            study.judged(KL, seed, "objective=kl", "batch=" + batch, tuning);
            study.judged(HYBRID, seed, "objective=hybrid", "batch=" + batch, tuning);
        }
    }

    /** One part: where its rows, its judge and its evaluation come from. */
    private abstract static class Study {
        private final Laboratory lab;
        private final String part;
        private final RowSource rows;
        private final Laboratory.Judged judge;
        private final List<String> base;
        private final String tuning;

        Study(Laboratory lab, String part, RowSource rows, Laboratory.Judged judge, List<String> base, String tuning) {
            this.lab = lab;
            this.part = part;
            this.rows = rows;
            this.judge = judge;
            this.base = base;
            this.tuning = tuning;
        }

        abstract Map<String, Double> evaluate(Laboratory.Trained trained);

        void anew(String variant, int seed, String... settings) {
            train(variant, seed, null, settings);
        }

        void judged(String variant, int seed, String... settings) {
            train(variant, seed, judge, settings);
        }

        private void train(String variant, int seed, Laboratory.@Nullable Judged judged, String... settings) {
            lab.trial(part, variant, seed, _ -> {
                List<String> all = new ArrayList<>(base);
                all.addAll(List.of(settings));
                all.add("seed=" + seed);
                return outcome(lab.train(lab.sae(part, variant, seed), rows, judged, all), 0);
            });
        }

        void tuned(String variant, String from, int seed, String... settings) {
            lab.trial(part, variant, seed, _ -> {
                Path start = lab.sae(part, from, seed);
                List<String> all = new ArrayList<>(List.of("batch=1024", tuning));
                all.addAll(List.of(settings));
                all.add("seed=" + (seed + 1_000));
                boolean runs = !all.contains("objective=local");
                Laboratory.Trained trained =
                        lab.fineTune(lab.sae(part, variant, seed), start, rows, runs ? judge : null, all);
                return outcome(trained, lab.value(part, from, seed, Trainings.SECONDS.key()));
            });
        }

        private Trial.Outcome outcome(Laboratory.Trained trained, double before) {
            Map<String, Double> values = new LinkedHashMap<>(evaluate(trained));
            values.put(Trainings.SECONDS.key(), before + trained.seconds());
            return Trial.Outcome.of(values);
        }
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return DownstreamAnswer.of(trials, scale, quantities());
    }
}
