package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.HeldOutText;
import org.loupe.causal.SpliceEval;
import org.loupe.causal.SplicePoints;
import org.loupe.causal.SpliceResult;
import org.loupe.eval.Evaluation;
import org.loupe.eval.Metric;
import org.loupe.eval.Reconstruction;
import org.loupe.eval.TrueFeature;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.SyntheticWorld;
import org.loupe.experiment.Trial;
import org.loupe.index.StoreText;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.Codes;
import org.loupe.tensor.Matrix;

/** What one SAE loses where bands of its activations are changed: on rows with known features, and in the language model. */
final class BandMeasures {
    private BandMeasures() {}

    /** What is put in the rows' place, by name. */
    private static Map<String, BandEdit> edits(Laboratory lab, Sae sae, Bands bands, int seed) {
        Map<String, BandEdit> edits = new LinkedHashMap<>();
        edits.put(LowActivationsQuestion.WHOLE, new BandEdit(sae, BandEdit.Rule.NONE, lab.workers()));
        edits.put(LowActivationsQuestion.RANDOM, new BandEdit(sae, BandEdit.Rule.random(seed), lab.workers()));
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
        BandEdit whole = edit(edits, LowActivationsQuestion.WHOLE);
        Map<String, Double> values = new LinkedHashMap<>();
        RealModel.put(values, Metric.FVU, whole.fvu());
        RealModel.put(values, Metric.L0, whole.l0());
        all.put(LowActivationsQuestion.WHOLE, values);
        Stream.concat(Bands.NAMES.stream(), Stream.of(LowActivationsQuestion.RANDOM))
                .forEach(variant -> {
                    BandEdit zeroed = edit(edits, variant);
                    Map<String, Double> own = new LinkedHashMap<>();
                    own.put(LowActivationsQuestion.SHARE.key(), zeroed.share());
                    own.put(LowActivationsQuestion.ENERGY.key(), zeroed.energyShare());
                    own.put(LowActivationsQuestion.FVU_RISE.key(), zeroed.fvu() - whole.fvu());
                    if (!variant.equals(LowActivationsQuestion.RANDOM)) {
                        own.put(
                                LowActivationsQuestion.FVU_AVERAGED.key(),
                                edit(edits, averaged(variant)).fvu() - whole.fvu());
                        own.put(
                                LowActivationsQuestion.FVU_ALONE.key(),
                                edit(edits, alone(variant)).fvu());
                    }
                    all.put(variant, own);
                });
        return all;
    }

    private static BandEdit edit(Map<String, BandEdit> edits, String name) {
        return Objects.requireNonNull(edits.get(name));
    }

    static Map<String, Trial.Outcome> onWorld(
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
            Objects.requireNonNull(values.get(Bands.NAMES.get(b)))
                    .put(LowActivationsQuestion.TRUE_FIRING.key(), share[b]);
        }
        Objects.requireNonNull(values.get(LowActivationsQuestion.RANDOM))
                .put(LowActivationsQuestion.TRUE_FIRING.key(), share[Bands.COUNT]);
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

    static Map<String, Trial.Outcome> onModel(
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
                lab.real().model(), lab.real().corpus(), store, lab.scale().of(256L, 2_048L));
        SpliceResult result = new SpliceEval(lab.real().model(), points)
                .run(
                        text,
                        new LinkedHashMap<String, Reconstruction>(edits),
                        (stage, done, total) -> lab.progress(stage, "tokens", done, total));
        Map<String, Map<String, Double>> values = onRows(edits);
        SpliceResult.Effect whole = effect(result, LowActivationsQuestion.WHOLE);
        RealModel.put(own(values, LowActivationsQuestion.WHOLE), Metric.KL, whole.kl());
        RealModel.put(own(values, LowActivationsQuestion.WHOLE), Metric.CE_INCREASE, whole.increase());
        BandLabels labels = BandLabels.of(firings, bands, StoreText.read(store), seed);
        own(values, LowActivationsQuestion.WHOLE).put(LowActivationsQuestion.LOOKED.key(), (double) labels.latents());
        BandEffects effects = BandEffects.of(sae, bands, store, 1 << 16, lab.workers());
        Map<String, Trial.Outcome> outcomes = new HashMap<>();
        outcomes.put(LowActivationsQuestion.WHOLE, Trial.Outcome.of(own(values, LowActivationsQuestion.WHOLE)));
        for (int b = 0; b <= Bands.COUNT; b++) {
            String variant = b < Bands.COUNT ? Bands.NAMES.get(b) : LowActivationsQuestion.RANDOM;
            Map<String, Double> own = own(values, variant);
            SpliceResult.Effect zeroed = effect(result, variant);
            own.put(LowActivationsQuestion.CE_RISE.key(), zeroed.ce() - whole.ce());
            own.put(LowActivationsQuestion.KL_RISE.key(), zeroed.kl() - whole.kl());
            own.put(
                    LowActivationsQuestion.KL_PER_FVU.key(),
                    (zeroed.kl() - whole.kl()) / own(own, LowActivationsQuestion.FVU_RISE));
            own.put(LowActivationsQuestion.LABELLED.key(), labels.labelled()[b]);
            own.put(LowActivationsQuestion.CHANCE.key(), labels.chance()[b]);
            own.put(LowActivationsQuestion.LIFT.key(), labels.lift()[b]);
            if (b == Bands.COUNT) {
                outcomes.put(variant, Trial.Outcome.of(own));
                continue;
            }
            own.put(
                    LowActivationsQuestion.CE_AVERAGED.key(),
                    effect(result, averaged(variant)).ce() - whole.ce());
            own.put(
                    LowActivationsQuestion.KL_AVERAGED.key(),
                    effect(result, averaged(variant)).kl() - whole.kl());
            own.put(
                    LowActivationsQuestion.CE_ALONE.key(),
                    effect(result, alone(variant)).increase());
            own.put(
                    LowActivationsQuestion.KL_ALONE.key(),
                    effect(result, alone(variant)).kl());
            double[] ratios = effects.ratios(b);
            own.put(LowActivationsQuestion.EFFECT_RATIO.key(), Quantiles.median(ratios));
            outcomes.put(
                    variant,
                    new Trial.Outcome(own, Map.of(LowActivationsQuestion.RATIO_CURVE, Quantiles.curve(ratios))));
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
}
