package org.loupe.experiment.question;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
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
import org.loupe.sae.SaeFolder;

/** What each quarter of every latent's activations is worth. */
final class LowActivationsQuestion implements Experiment {
    static final List<String> ARCHITECTURES = List.of("ReLU", "TopK", "JumpReLU");
    static final String ON_MODEL = " on SmolLM2, block 11";
    static final String ON_WORLD = " on known features";

    static final String WHOLE = "as it is";
    static final String RANDOM = "random quarter";

    static final Quantity SHARE = new Quantity("share", "share of activations", "", "activations changed, of all");
    static final Quantity ENERGY = new Quantity("energy", "share of f²", "", "Σ f² of those changed, of all");
    static final Quantity FVU_RISE =
            new Quantity("fvu_rise", "FVU rise, zeroed", "", "FVU with them zeroed − FVU as it is");
    static final Quantity CE_RISE = new Quantity(
            "ce_rise", "CE rise, zeroed", "nats/token", "cross-entropy with them zeroed − that of the SAE as it is");
    static final Quantity KL_RISE = new Quantity(
            "kl_rise",
            "KL rise, zeroed",
            "nats/token",
            "KL(clean ‖ spliced) with them zeroed − that of the SAE as it is");
    static final Quantity KL_PER_FVU = new Quantity(
            "kl_per_fvu", "KL rise per FVU rise", "nats/token", "KL rise over the rise of the FVU, both zeroed");
    static final Quantity FVU_AVERAGED = new Quantity(
            "fvu_averaged",
            "FVU rise, averaged",
            "",
            "the same where each has its latent’s mean of that quarter instead");
    static final Quantity CE_AVERAGED =
            new Quantity("ce_averaged", "CE rise, averaged", "nats/token", "the same of the cross-entropy");
    static final Quantity KL_AVERAGED =
            new Quantity("kl_averaged", "KL rise, averaged", "nats/token", "the same of the KL");
    static final Quantity FVU_ALONE =
            new Quantity("fvu_alone", "FVU, alone", "", "FVU where all other activations are zeroed");
    static final Quantity CE_ALONE = new Quantity(
            "ce_alone", "CE increase, alone", "nats/token", "the same of the cross-entropy, over the clean model’s");
    static final Quantity KL_ALONE = new Quantity("kl_alone", "KL, alone", "nats/token", "the same of the KL");
    static final Quantity EFFECT_RATIO = new Quantity(
            "effect_ratio",
            "effect share / f² share",
            "",
            "median over latents of the quarter’s share of the latent’s effect, Σ ½ (f ⟨d, g⟩)² with gradients of labels drawn from the"
                    + " model, over its share of the latent’s f²");
    static final Quantity LABELLED = new Quantity(
            "labelled",
            "latents with a clear category",
            "",
            "share of latents whose documents of that quarter have an enriched WordNet category (lift > 3, p < 1e-6 / categories)");
    static final Quantity CHANCE = new Quantity(
            "labelled_chance", "the same by chance", "", "with the categories dealt out anew among the documents");
    static final Quantity LIFT = new Quantity(
            "lift",
            "lift of the strongest quarter’s category",
            "",
            "hits over expected hits, summed over latents, of the category that half of the strongest quarter’s documents suggests");
    static final Quantity LOOKED = new Quantity(
            "labelled_latents", "latents looked at", "", "those with 20 documents or more in every quarter");
    static final Quantity TRUE_FIRING = new Quantity(
            "true_firing",
            "true firings",
            "",
            "share of the activations on whose rows the latent’s feature fires, of features that are recovered");

    static final String RATIO_CURVE = "effect_ratio";

    @Override
    public String name() {
        return "low-activations";
    }

    @Override
    public String question() {
        return "Do a latent’s weak activations matter?";
    }

    @Override
    public List<Quantity> quantities() {
        return Stream.concat(
                        Stream.of(Metric.FVU, Metric.L0, Metric.KL, Metric.CE_INCREASE)
                                .map(Quantity::of),
                        Stream.of(
                                SHARE,
                                ENERGY,
                                FVU_RISE,
                                CE_RISE,
                                KL_RISE,
                                KL_PER_FVU,
                                FVU_AVERAGED,
                                CE_AVERAGED,
                                KL_AVERAGED,
                                FVU_ALONE,
                                CE_ALONE,
                                KL_ALONE,
                                EFFECT_RATIO,
                                TRUE_FIRING,
                                LABELLED,
                                CHANCE,
                                LIFT,
                                LOOKED))
                .toList();
    }

    @Override
    public void measure(Laboratory lab) {
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            for (String architecture : ARCHITECTURES) {
                world(lab, architecture, seed);
                real(lab, architecture, seed);
            }
        }
    }

    private static void world(Laboratory lab, String architecture, int seed) {
        Scale scale = lab.scale();
        try (SyntheticWorld world = lab.world(Worlds.features(false, scale.of(65_536L, 196_608L), seed))) {
            new Study(lab, architecture + ON_WORLD, seed, world.train()) {
                @Override
                Map<String, Trial.Outcome> measure(SaeFolder.Loaded loaded, Bands bands, FiringLists firings) {
                    return BandMeasures.onWorld(lab, world, loaded, bands, seed);
                }
            }.run(settings(architecture, 5), "latents=256", "batch=1024", "tokens=" + scale.of(400, 3_000) * 1_024L);
        }
    }

    private static void real(Laboratory lab, String architecture, int seed) {
        Scale scale = lab.scale();
        ActivationStore store = lab.real().storeWithGradients(RealModel.HOOK, scale.of(8_000L, 100_000L));
        new Study(lab, architecture + ON_MODEL, seed, store) {
            @Override
            Map<String, Trial.Outcome> measure(SaeFolder.Loaded loaded, Bands bands, FiringLists firings) {
                return BandMeasures.onModel(lab, store, loaded, bands, firings, seed);
            }
        }.run(
                settings(architecture, scale.of(16, 32)),
                "latents=" + scale.of(512, 2_048),
                "batch=" + scale.of(512, 1_024),
                "passes=" + scale.of(4, 10));
    }

    private static List<String> settings(String architecture, int active) {
        return List.of(
                "architecture=" + architecture.toLowerCase(Locale.ROOT),
                (architecture.equals("TopK") ? "k=" : "l0=") + active);
    }

    /** An SAE of one part with one seed, measured once for all variants. */
    private abstract static class Study {
        private final Laboratory lab;
        private final String part;
        private final int seed;
        private final RowSource rows;
        private final Map<String, Trial.Outcome> measured = new HashMap<>();

        Study(Laboratory lab, String part, int seed, RowSource rows) {
            this.lab = lab;
            this.part = part;
            this.seed = seed;
            this.rows = rows;
        }

        abstract Map<String, Trial.Outcome> measure(SaeFolder.Loaded loaded, Bands bands, FiringLists firings);

        void run(List<String> architecture, String... base) {
            lab.trial(part, WHOLE, seed, _ -> {
                List<String> settings = Stream.of(architecture.stream(), Stream.of(base), Stream.of("seed=" + seed))
                        .flatMap(s -> s)
                        .toList();
                lab.train(lab.sae(part, WHOLE, seed), rows, null, settings);
                return outcome(WHOLE);
            });
            Stream.concat(Bands.NAMES.stream(), Stream.of(RANDOM))
                    .forEach(variant -> lab.trial(part, variant, seed, _ -> outcome(variant)));
        }

        private Trial.Outcome outcome(String variant) {
            if (measured.isEmpty()) {
                SaeFolder.Loaded loaded = SaeFolder.load(lab.sae(part, WHOLE, seed));
                FiringLists firings = FiringLists.of(loaded.sae(), rows.inputs(), lab.workers());
                measured.putAll(measure(loaded, Bands.of(firings), firings));
            }
            return Objects.requireNonNull(measured.get(variant));
        }
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return LowActivationsAnswer.of(trials, scale, quantities());
    }
}
