package org.loupe.experiment.question;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.eval.Metric;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Scale;
import org.loupe.experiment.SyntheticWorld;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;

/** What of JumpReLU's θ can a bias replace? */
final class ThresholdQuestion implements Experiment {
    static final String REAL = "SmolLM2, block 11";
    static final String WORLD = "known features";

    static final String RELU = "ReLU";
    static final String GATED = "Gated";
    static final String JUMP = "JumpReLU";
    static final String BIAS = "θ as a bias";
    static final String STEP = "gate alone, rescaled";
    static final String RESCALED = ", rescaled";

    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity L0 = Quantity.of(Metric.L0);
    static final Quantity DIVERGENCE = Quantity.of(Metric.KL);
    static final Quantity TRUE_SLOPE = Quantity.of(Metric.TRUTH_SHRINKAGE);
    static final Quantity KEPT = new Quantity(
            "kept_median",
            "activation / best activation",
            "",
            "median over latents of 1/a, a the factor of the best joint rescaling; below 1 is shrinkage");
    static final Quantity KEPT_LOW =
            new Quantity("kept_low", "the same, 10 % quantile", "", "a tenth of the latents has a smaller 1/a");
    static final Quantity KEPT_HIGH =
            new Quantity("kept_high", "the same, 90 % quantile", "", "a tenth of the latents has a larger 1/a");
    static final Quantity OPENING = new Quantity(
            "opening_median",
            "opening / mean activation",
            "",
            "median over latents of the smallest activation that a latent can have (ReLU 0, JumpReLU θ) over its mean activation");
    static final Quantity STEP_SHARE = new Quantity(
            "step_share",
            "share of activation that is the step",
            "",
            "Σ opening / Σ f over all activations: what relu(z − θ) takes away");

    static final String KEPT_CURVE = "kept";
    static final String OPENING_CURVE = "opening";

    private static final List<Metric> OF_WORLD =
            List.of(Metric.FVU, Metric.L0, Metric.RELATIVE_BIAS, Metric.TRUTH_SHRINKAGE, Metric.TRUTH_F1);

    @Override
    public String name() {
        return "threshold-or-bias";
    }

    @Override
    public String question() {
        return "Is JumpReLU’s threshold θ just one more bias?";
    }

    @Override
    public List<Quantity> quantities() {
        return Stream.concat(
                        Stream.of(FVU, L0, DIVERGENCE),
                        Stream.concat(
                                Stream.of(
                                                Metric.CE_INCREASE,
                                                Metric.CE_RECOVERED_MEAN,
                                                Metric.TOP1_AGREEMENT,
                                                Metric.RELATIVE_BIAS,
                                                Metric.TRUTH_SHRINKAGE,
                                                Metric.TRUTH_F1)
                                        .map(Quantity::of),
                                Stream.of(KEPT, KEPT_LOW, KEPT_HIGH, OPENING, STEP_SHARE)))
                .toList();
    }

    @Override
    public void measure(Laboratory lab) {
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            world(lab, seed);
            real(lab, seed);
        }
    }

    private static void world(Laboratory lab, int seed) {
        Scale scale = lab.scale();
        try (SyntheticWorld world = lab.world(Worlds.features(false, scale.of(65_536L, 196_608L), seed))) {
            new Study(lab, WORLD, seed, world.train(), saes -> {
                        Map<String, Map<String, Double>> all = new LinkedHashMap<>();
                        saes.forEach((name, sae) -> all.put(name, world.evaluate(sae, OF_WORLD, lab.workers())));
                        return all;
                    })
                    .all("latents=256", "l0=5", "batch=1024", "tokens=" + scale.of(400, 3_000) * 1_024L);
        }
    }

    private static void real(Laboratory lab, int seed) {
        Scale scale = lab.scale();
        ActivationStore store = lab.real().store(RealModel.HOOK, scale.of(8_000L, 200_000L));
        new Study(lab, REAL, seed, store, saes -> lab.real().splice(saes, store))
                .all(
                        "latents=" + scale.of(512, 2_048),
                        "l0=" + scale.of(16, 32),
                        "batch=" + scale.of(512, 1_024),
                        "passes=" + scale.of(8, 6));
    }

    /** One part with one seed. */
    private record Study(
            Laboratory lab,
            String part,
            int seed,
            RowSource rows,
            Function<Map<String, SaeFolder.Loaded>, Map<String, Map<String, Double>>> evaluate) {
        private static final long FITTED_ON = 65_536;

        void all(String... base) {
            trained(RELU, "relu", base);
            trained(GATED, "gated", base);
            trained(JUMP, "jumprelu", base);
            Map<String, Map<String, Double>> measured = new HashMap<>();
            List.of(BIAS, RELU + RESCALED, GATED + RESCALED, JUMP + RESCALED, BIAS + RESCALED, STEP)
                    .forEach(variant -> lab.trial(part, variant, seed, _ -> {
                        if (measured.isEmpty()) {
                            measured.putAll(evaluate.apply(derived()));
                        }
                        return outcome(variant, Objects.requireNonNull(measured.get(variant)));
                    }));
        }

        /** What becomes of the trained ones without training. */
        private Map<String, SaeFolder.Loaded> derived() {
            Map<String, SaeFolder.Loaded> all = new LinkedHashMap<>();
            for (String trained : List.of(RELU, GATED, JUMP)) {
                all.put(trained + RESCALED, changed(trained, this::rescaled));
            }
            all.put(BIAS, changed(JUMP, Threshold::asBias));
            all.put(BIAS + RESCALED, changed(JUMP, sae -> rescaled(Threshold.asBias(sae))));
            all.put(STEP, changed(JUMP, sae -> rescaled(Threshold.stepAlone(sae))));
            return all;
        }

        private SaeFolder.Loaded changed(String trained, UnaryOperator<Sae> change) {
            SaeFolder.Loaded loaded = SaeFolder.load(lab.sae(part, trained, seed));
            return new SaeFolder.Loaded(change.apply(loaded.sae()), loaded.info());
        }

        private Trial.Outcome outcome(String variant, Map<String, Double> measured) {
            Map<String, Double> values = new LinkedHashMap<>(measured);
            if (!variant.equals(BIAS)) {
                return Trial.Outcome.of(values);
            }
            Rescaling best = fit(changed(JUMP, Threshold::asBias).sae());
            put(values, best);
            return new Trial.Outcome(values, Map.of(KEPT_CURVE, Quantiles.curve(best.kept())));
        }

        private void trained(String variant, String architecture, String... base) {
            lab.trial(part, variant, seed, _ -> {
                List<String> settings = Stream.concat(
                                Stream.of(base), Stream.of("architecture=" + architecture, "seed=" + seed))
                        .toList();
                Laboratory.Trained trained = lab.train(lab.sae(part, variant, seed), rows, null, settings);
                Map<String, Double> values = new LinkedHashMap<>(Objects.requireNonNull(
                        evaluate.apply(Map.of(variant, trained.loaded())).get(variant)));
                Rescaling best = fit(trained.sae());
                double[] opening = Threshold.opening(trained.sae());
                double steps = 0;
                double mass = 0;
                for (int i = 0; i < opening.length; i++) {
                    steps += opening[i] * best.firings()[i];
                    mass += best.mass()[i];
                    opening[i] /=
                            best.firings()[i] < Rescaling.FEWEST ? Double.NaN : best.mass()[i] / best.firings()[i];
                }
                values.put(OPENING.key(), Quantiles.median(opening));
                values.put(STEP_SHARE.key(), steps / mass);
                put(values, best);
                return new Trial.Outcome(
                        values,
                        Map.of(
                                KEPT_CURVE, Quantiles.curve(best.kept()),
                                OPENING_CURVE, Quantiles.curve(opening)));
            });
        }

        private Rescaling fit(Sae sae) {
            return Rescaling.fit(sae, rows, FITTED_ON, lab.workers());
        }

        private Sae rescaled(Sae sae) {
            return fit(sae).apply(sae);
        }

        private static void put(Map<String, Double> values, Rescaling best) {
            double[] kept = best.kept();
            values.put(KEPT.key(), Quantiles.median(kept));
            values.put(KEPT_LOW.key(), Quantiles.of(kept, 0.1));
            values.put(KEPT_HIGH.key(), Quantiles.of(kept, 0.9));
        }
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return ThresholdAnswer.of(trials, scale, quantities());
    }
}
