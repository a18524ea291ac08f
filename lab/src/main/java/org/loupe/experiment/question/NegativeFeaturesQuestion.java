package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.eval.MaxCosine;
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
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** What it costs that a latent cannot be negative. */
final class NegativeFeaturesQuestion implements Experiment {
    static final String SIGNED = "features of either sign";
    static final String UNSIGNED = "features of one sign";
    static final String REAL = "SmolLM2, block 11";

    static final String TOPK = "TopK";
    static final String ABSTOPK = "AbsTopK";
    static final String RELU = "ReLU";

    /** Cosine of −1 times a latent to another from which on they are the two signs of one feature. */
    static final double ANTIPODAL = 0.9;

    /** The same on the language model, where no two rows at random come near it: of 576 dimensions a cosine of 0.5 is 12 deviations. */
    static final double NEARLY = 0.5;

    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity DIVERGENCE = Quantity.of(Metric.KL);
    static final Quantity LATENTS = new Quantity("latents", "latents", "", "latents of the dictionary, m");
    static final Quantity PAIRS = new Quantity(
            "antipodal", "latents in antipodal pairs", "", "share of latents with another of cosine −0.9 or less");
    static final Quantity NEAR_PAIRS = new Quantity(
            "antipodal_near", "the same, cosine ≤ −0.5", "", "share of latents with another of cosine −0.5 or less");
    static final Quantity ALIKE = new Quantity(
            "alike_near",
            "latents with one alike",
            "",
            "share of latents with another of cosine 0.5 or more, for comparison");
    static final Quantity BOTH = new Quantity(
            "both_signs",
            "features with both signs",
            "",
            "share of true features of which both signs have a latent (cosine ≥ 0.9): two latents, or one whose activations have signs");
    static final Quantity ANY = new Quantity(
            "any_sign",
            "features with a sign or both",
            "",
            "share of true features of which one sign at least has a latent");
    static final Quantity TWO_SIDED = new Quantity(
            "two_sided",
            "two-sided latents",
            "",
            "share of the latents that fire whose rarer sign has a tenth of their activations or more");

    static final String OPPOSITE_CURVE = "opposite";
    static final String ALIKE_CURVE = "alike";

    private static final long COUNTED = 16_384;

    static String variant(String architecture, int latents) {
        return architecture + ", " + latents + " latents";
    }

    @Override
    public String name() {
        return "negative-features";
    }

    @Override
    public String question() {
        return "Do latents that cannot be negative spend two latents on one feature?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(
                LATENTS,
                FVU,
                Quantity.of(Metric.L0),
                DIVERGENCE,
                Quantity.of(Metric.CE_INCREASE),
                Quantity.of(Metric.CE_RECOVERED_MEAN),
                Quantity.of(Metric.TOP1_AGREEMENT),
                PAIRS,
                NEAR_PAIRS,
                ALIKE,
                TWO_SIDED,
                BOTH,
                ANY,
                Quantity.of(Metric.DEAD_FRACTION));
    }

    /** Latents of the dictionaries on the worlds, smallest first. */
    static List<Integer> onWorld(Scale scale) {
        return scale.of(List.of(128, 256, 512), List.of(128, 256, 512, 1_024));
    }

    /** The same on the language model; the middle one is what all architectures have. */
    static List<Integer> onModel(Scale scale) {
        return scale.of(List.of(128, 256, 512), List.of(1_024, 2_048, 4_096));
    }

    @Override
    public void measure(Laboratory lab) {
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            world(lab, SIGNED, true, seed);
            world(lab, UNSIGNED, false, seed);
            real(lab, seed);
        }
    }

    private static void world(Laboratory lab, String part, boolean signed, int seed) {
        Scale scale = lab.scale();
        try (SyntheticWorld world = lab.world(Worlds.features(signed, scale.of(65_536L, 196_608L), seed))) {
            Study study = new Study(
                    lab,
                    part,
                    seed,
                    world.train(),
                    List.of("batch=1024", "tokens=" + scale.of(400, 2_000) * 1_024L),
                    trained -> {
                        Map<String, Double> values = world.evaluate(
                                trained.loaded(), List.of(Metric.FVU, Metric.L0, Metric.DEAD_FRACTION), lab.workers());
                        found(world.truth().directions(), trained.sae(), lab.workers(), values);
                        return values;
                    });
            for (int latents : onWorld(scale)) {
                study.train(TOPK, latents, "k=5");
                study.train(ABSTOPK, latents, "k=5");
            }
            study.train(RELU, Worlds.FEATURES, "l0=5");
            study.train(RELU, 2 * Worlds.FEATURES, "l0=5");
        }
    }

    private static void real(Laboratory lab, int seed) {
        Scale scale = lab.scale();
        ActivationStore store = lab.real().store(RealModel.HOOK, scale.of(8_000L, 200_000L));
        Study study = new Study(
                lab,
                REAL,
                seed,
                store,
                List.of("batch=" + scale.of(512, 1_024), "passes=4"),
                trained -> lab.real().splice(trained.loaded(), store));
        int active = scale.of(16, 32);
        List<Integer> sizes = onModel(scale);
        sizes.forEach(latents -> study.train(TOPK, latents, "k=" + active));
        sizes.subList(0, 2).forEach(latents -> study.train(ABSTOPK, latents, "k=" + active));
        study.train(RELU, sizes.get(1), "l0=" + active);
    }

    /** Features of which one sign, or both, has a latent. */
    static void found(Matrix directions, Sae sae, Workers workers, Map<String, Double> values) {
        Matrix turned = new Matrix(
                directions.rows(), directions.cols(), directions.data().clone());
        for (int i = 0; i < turned.data().length; i++) {
            turned.data()[i] = -turned.data()[i];
        }
        float[] plus = MaxCosine.between(directions, sae.decoder(), workers);
        float[] minus = MaxCosine.between(turned, sae.decoder(), workers);
        int both = 0;
        int any = 0;
        for (int i = 0; i < plus.length; i++) {
            boolean one = Math.max(plus[i], minus[i]) >= ANTIPODAL;
            any += one ? 1 : 0;
            both += one && (sae.activation().signed() || Math.min(plus[i], minus[i]) >= ANTIPODAL) ? 1 : 0;
        }
        values.put(BOTH.key(), (double) both / plus.length);
        values.put(ANY.key(), (double) any / plus.length);
    }

    /** Share of the latents that fire whose rarer sign has a tenth of their activations or more. */
    static double twoSided(Latents f) {
        int[] positive = new int[f.latents()];
        int[] negative = new int[f.latents()];
        for (int e = 0; e < f.entries(); e++) {
            (f.value()[e] < 0 ? negative : positive)[f.index()[e]]++;
        }
        int fire = 0;
        int both = 0;
        for (int i = 0; i < positive.length; i++) {
            int all = positive[i] + negative[i];
            fire += all > 0 ? 1 : 0;
            both += all > 0 && 10 * Math.min(positive[i], negative[i]) >= all ? 1 : 0;
        }
        return (double) both / fire;
    }

    /** One part with one seed. */
    private record Study(
            Laboratory lab,
            String part,
            int seed,
            RowSource rows,
            List<String> base,
            Function<Laboratory.Trained, Map<String, Double>> evaluate) {
        void train(String architecture, int latents, String sparsity) {
            String variant = variant(architecture, latents);
            lab.trial(part, variant, seed, _ -> {
                List<String> settings = new ArrayList<>(base);
                Stream.of(
                                "architecture=" + architecture.toLowerCase(Locale.ROOT),
                                "latents=" + latents,
                                sparsity,
                                "seed=" + seed)
                        .forEach(settings::add);
                Laboratory.Trained trained = lab.train(lab.sae(part, variant, seed), rows, null, settings);
                Antipodes antipodes = Antipodes.of(trained.sae().decoder(), lab.workers());
                Map<String, Double> values = new LinkedHashMap<>();
                values.put(LATENTS.key(), (double) latents);
                values.putAll(evaluate.apply(trained));
                values.put(PAIRS.key(), Antipodes.share(antipodes.opposite(), ANTIPODAL));
                values.put(NEAR_PAIRS.key(), Antipodes.share(antipodes.opposite(), NEARLY));
                values.put(ALIKE.key(), Antipodes.share(antipodes.alike(), NEARLY));
                Matrix x = Matrix.zeros((int) Math.min(COUNTED, rows.rows()), rows.width());
                rows.read(0, x.rows(), x, 0);
                values.put(TWO_SIDED.key(), twoSided(new Encoder(trained.sae(), lab.workers()).encode(x)));
                return new Trial.Outcome(
                        values,
                        Map.of(
                                OPPOSITE_CURVE, Quantiles.curve(antipodes.opposite()),
                                ALIKE_CURVE, Quantiles.curve(antipodes.alike())));
            });
        }
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return NegativeFeaturesAnswer.of(trials, scale, quantities());
    }
}
