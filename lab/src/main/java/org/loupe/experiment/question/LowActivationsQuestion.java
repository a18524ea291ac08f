package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.causal.HeldOutText;
import org.loupe.causal.SpliceEval;
import org.loupe.causal.SplicePoints;
import org.loupe.causal.SpliceResult;
import org.loupe.eval.Evaluation;
import org.loupe.eval.Metric;
import org.loupe.eval.Reconstruction;
import org.loupe.eval.TrueFeature;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Scale;
import org.loupe.experiment.SyntheticWorld;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.index.StoreText;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.Codes;
import org.loupe.tensor.Matrix;

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
    static final Quantity KL_PER_ENERGY = new Quantity(
            "kl_per_energy", "KL rise per share of f²", "nats/token", "KL rise over the share of f² that was zeroed");
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
                                KL_PER_ENERGY,
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
                    return onWorld(lab, world, loaded, bands, seed);
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
                return onModel(lab, store, loaded, bands, firings, seed);
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

    /** What is put in the rows' place, by name. */
    private static Map<String, BandEdit> edits(Laboratory lab, Sae sae, Bands bands, int seed) {
        Map<String, BandEdit> edits = new LinkedHashMap<>();
        edits.put(WHOLE, new BandEdit(sae, BandEdit.Rule.NONE, lab.workers()));
        edits.put(RANDOM, new BandEdit(sae, BandEdit.Rule.random(seed), lab.workers()));
        for (int b = 0; b < Bands.COUNT; b++) {
            String band = Bands.NAMES.get(b);
            edits.put(band, new BandEdit(sae, BandEdit.Rule.zeroed(bands, b), lab.workers()));
            edits.put(averaged(band), new BandEdit(sae, BandEdit.Rule.averaged(bands, b), lab.workers()));
            edits.put(alone(band), new BandEdit(sae, BandEdit.Rule.alone(bands, b), lab.workers()));
        }
        return edits;
    }

    private static String averaged(String band) {
        return band + ", averaged";
    }

    private static String alone(String band) {
        return band + ", alone";
    }

    /** What the rows alone say, by variant. */
    private static Map<String, Map<String, Double>> onRows(Map<String, BandEdit> edits) {
        Map<String, Map<String, Double>> all = new LinkedHashMap<>();
        BandEdit whole = edit(edits, WHOLE);
        Map<String, Double> values = new LinkedHashMap<>();
        RealModel.put(values, Metric.FVU, whole.fvu());
        RealModel.put(values, Metric.L0, whole.l0());
        all.put(WHOLE, values);
        Stream.concat(Bands.NAMES.stream(), Stream.of(RANDOM)).forEach(variant -> {
            BandEdit zeroed = edit(edits, variant);
            Map<String, Double> own = new LinkedHashMap<>();
            own.put(SHARE.key(), zeroed.share());
            own.put(ENERGY.key(), zeroed.energyShare());
            own.put(FVU_RISE.key(), zeroed.fvu() - whole.fvu());
            if (!variant.equals(RANDOM)) {
                own.put(FVU_AVERAGED.key(), edit(edits, averaged(variant)).fvu() - whole.fvu());
                own.put(FVU_ALONE.key(), edit(edits, alone(variant)).fvu());
            }
            all.put(variant, own);
        });
        return all;
    }

    private static BandEdit edit(Map<String, BandEdit> edits, String name) {
        return Objects.requireNonNull(edits.get(name));
    }

    private static Map<String, Trial.Outcome> onWorld(
            Laboratory lab, SyntheticWorld world, SaeFolder.Loaded loaded, Bands bands, int seed) {
        Sae sae = loaded.sae();
        Matrix x = Matrix.zeros((int) world.eval().rows(), world.eval().width());
        world.eval().read(0, x.rows(), x, 0);
        Map<String, BandEdit> edits = edits(lab, sae, bands, seed);
        Matrix out = Matrix.zeros(x.rows(), x.cols());
        edits.values().forEach(edit -> edit.apply(x, out));
        List<TrueFeature> features = Evaluation.rows(
                        loaded,
                        world.eval(),
                        Evaluation.Options.DEFAULT.withTruth(world.truth()),
                        lab.workers(),
                        Evaluation.Progress.NONE)
                .features();
        double[] share = trueFirings(
                new Encoder(sae, lab.workers()).encode(x),
                bands,
                features,
                Objects.requireNonNull(world.truth().activity()).codes());
        Map<String, Map<String, Double>> values = onRows(edits);
        for (int b = 0; b < Bands.COUNT; b++) {
            Objects.requireNonNull(values.get(Bands.NAMES.get(b))).put(TRUE_FIRING.key(), share[b]);
        }
        Objects.requireNonNull(values.get(RANDOM)).put(TRUE_FIRING.key(), share[Bands.COUNT]);
        Map<String, Trial.Outcome> outcomes = new HashMap<>();
        values.forEach((name, own) -> outcomes.put(name, Trial.Outcome.of(own)));
        return outcomes;
    }

    /** Share of each band's activations on whose rows the latent's recovered feature fires; the last: of all activations. */
    static double[] trueFirings(Latents f, Bands bands, List<TrueFeature> features, Codes codes) {
        int[] feature = new int[f.latents()];
        Arrays.fill(feature, -1);
        features.stream()
                .filter(t -> t.latent() >= 0 && t.cosine() > KnownCauses.FOUND)
                .forEach(t -> feature[t.latent()] = t.feature());
        double[] hits = new double[Bands.COUNT + 1];
        double[] all = new double[Bands.COUNT + 1];
        for (int r = 0; r < f.rows(); r++) {
            for (int e = f.starts()[r]; e < f.starts()[r + 1]; e++) {
                int latent = f.index()[e];
                if (feature[latent] >= 0) {
                    boolean fires = Arrays.binarySearch(
                                    codes.index(), codes.starts()[r], codes.starts()[r + 1], feature[latent])
                            >= 0;
                    for (int b : new int[] {bands.of(latent, f.value()[e]), Bands.COUNT}) {
                        hits[b] += fires ? 1 : 0;
                        all[b]++;
                    }
                }
            }
        }
        for (int b = 0; b < hits.length; b++) {
            hits[b] /= all[b];
        }
        return hits;
    }

    private static Map<String, Trial.Outcome> onModel(
            Laboratory lab,
            ActivationStore store,
            SaeFolder.Loaded loaded,
            Bands bands,
            FiringLists firings,
            int seed) {
        Sae sae = loaded.sae();
        Map<String, BandEdit> edits = edits(lab, sae, bands, seed);
        SplicePoints points =
                SplicePoints.of(loaded, lab.real().model(), store.info().normLimits());
        List<TokenBatch> text = HeldOutText.batches(
                lab.real().model(),
                lab.real().corpus(),
                store.info(),
                lab.scale().of(256L, 2_048L));
        SpliceResult result = new SpliceEval(lab.real().model(), points)
                .run(
                        text,
                        new LinkedHashMap<String, Reconstruction>(edits),
                        (stage, done, total) -> lab.progress(stage, "tokens", done, total));
        Map<String, Map<String, Double>> values = onRows(edits);
        SpliceResult.Effect whole = effect(result, WHOLE);
        RealModel.put(own(values, WHOLE), Metric.KL, whole.kl());
        RealModel.put(own(values, WHOLE), Metric.CE_INCREASE, whole.increase());
        BandLabels labels = BandLabels.of(firings, bands, StoreText.read(store), seed);
        own(values, WHOLE).put(LOOKED.key(), (double) labels.latents());
        BandEffects effects = BandEffects.of(sae, bands, store, 1 << 16, lab.workers());
        Map<String, Trial.Outcome> outcomes = new HashMap<>();
        outcomes.put(WHOLE, Trial.Outcome.of(own(values, WHOLE)));
        for (int b = 0; b <= Bands.COUNT; b++) {
            String variant = b < Bands.COUNT ? Bands.NAMES.get(b) : RANDOM;
            Map<String, Double> own = own(values, variant);
            SpliceResult.Effect zeroed = effect(result, variant);
            own.put(CE_RISE.key(), zeroed.ce() - whole.ce());
            own.put(KL_RISE.key(), zeroed.kl() - whole.kl());
            own.put(KL_PER_ENERGY.key(), (zeroed.kl() - whole.kl()) / own(own, ENERGY));
            own.put(LABELLED.key(), labels.labelled()[b]);
            own.put(CHANCE.key(), labels.chance()[b]);
            own.put(LIFT.key(), labels.lift()[b]);
            if (b == Bands.COUNT) {
                outcomes.put(variant, Trial.Outcome.of(own));
                continue;
            }
            own.put(CE_AVERAGED.key(), effect(result, averaged(variant)).ce() - whole.ce());
            own.put(KL_AVERAGED.key(), effect(result, averaged(variant)).kl() - whole.kl());
            own.put(CE_ALONE.key(), effect(result, alone(variant)).increase());
            own.put(KL_ALONE.key(), effect(result, alone(variant)).kl());
            double[] ratios = effects.ratios(b);
            own.put(EFFECT_RATIO.key(), Quantiles.median(ratios));
            outcomes.put(variant, new Trial.Outcome(own, Map.of(RATIO_CURVE, Quantiles.curve(ratios))));
        }
        return outcomes;
    }

    private static Map<String, Double> own(Map<String, Map<String, Double>> values, String variant) {
        return Objects.requireNonNull(values.get(variant));
    }

    private static double own(Map<String, Double> values, Quantity quantity) {
        return Objects.requireNonNull(values.get(quantity.key()));
    }

    private static SpliceResult.Effect effect(SpliceResult result, String name) {
        return Objects.requireNonNull(result.effects().get(name));
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return LowActivationsAnswer.of(trials, scale, quantities());
    }
}
