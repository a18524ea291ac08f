package org.loupe.experiment;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.GradientLoss;
import org.loupe.causal.EffectConfig;
import org.loupe.causal.HeldOutText;
import org.loupe.causal.SpliceEval;
import org.loupe.causal.SplicePoints;
import org.loupe.causal.SpliceResult;
import org.loupe.eval.LatentMetrics;
import org.loupe.eval.Metric;
import org.loupe.eval.Reconstruction;
import org.loupe.eval.RowMetrics;
import org.loupe.harvest.Harvest;
import org.loupe.harvest.HarvestConfig;
import org.loupe.harvest.HarvestHooks;
import org.loupe.index.FeatureIndex;
import org.loupe.index.IndexConfig;
import org.loupe.index.IndexInfo;
import org.loupe.index.LatentCard;
import org.loupe.index.LatentProfile;
import org.loupe.index.Vocabulary;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import org.loupe.text.Corpus;

/** The default language model over WordNet: activations that experiments share, and what SAEs do to its predictions of unseen text. */
public final class RealModel implements AutoCloseable {
    /** Where experiments look that need one place: the middle of the model, where the demo looks too. */
    public static final HookPoint HOOK = HookPoint.parse("blocks.11.hook_resid_post");

    private static final String TEXT = "wordnet";
    private static final String MEAN = "mean";

    private final Laboratory.Models models;
    private final Path stores;
    private final Scale scale;
    private final Workers workers;
    private final Laboratory.Listener listener;
    private final Corpus corpus = Corpus.of(List.of(TEXT), Corpus.Fields.DEFAULT);
    private final Map<String, ActivationStore> open = new HashMap<>();
    private final Map<String, List<TokenBatch>> unseen = new HashMap<>();
    private final Map<String, Double> ceMean = new HashMap<>();
    private @Nullable LanguageModel model;

    RealModel(Laboratory.Models models, Path stores, Scale scale, Workers workers, Laboratory.Listener listener) {
        this.models = models;
        this.stores = stores;
        this.scale = scale;
        this.workers = workers;
        this.listener = listener;
    }

    /** In f32. */
    public LanguageModel model() {
        if (model == null) {
            model = models.load(Precision.F32);
        }
        return model;
    }

    public Corpus corpus() {
        return corpus;
    }

    /** Rows at a hook point. */
    public ActivationStore store(HookPoint hook, long tokens) {
        return store(new HarvestHooks(List.of(hook), null), tokens);
    }

    /** Rows at a hook point with the gradient of −log p of labels drawn from the model by each. */
    public ActivationStore storeWithGradients(HookPoint hook, long tokens) {
        return store(new HarvestHooks(List.of(hook), null, GradientLoss.KL), tokens);
    }

    /** Rows of one hook point as inputs, of another as targets. */
    public ActivationStore pairs(HookPoint in, HookPoint out, long tokens) {
        return store(new HarvestHooks(List.of(in), out), tokens);
    }

    /** A store that all experiments of this folder share; harvested where it is not there yet, in bf16. */
    private ActivationStore store(HarvestHooks hooks, long tokens) {
        String name = HookPoint.join(hooks.all()) + (hooks.gradients() == null ? "" : "-gradients") + "-" + tokens;
        return open.computeIfAbsent(name, key -> {
            Path folder = stores.resolve(key.replaceAll("[^A-Za-z0-9._-]+", "_"));
            try (LanguageModel fast = models.load(Precision.BF16)) {
                Harvest.run(
                        fast,
                        corpus,
                        HarvestConfig.of(hooks, tokens),
                        folder,
                        event -> listener.at("harvest " + key, "tokens", event.done(), event.total()));
            }
            return ActivationStore.open(folder);
        });
    }

    /** Held-out text of a store: tokens that no store of the same size or a smaller one has seen. */
    public List<TokenBatch> heldOut(ActivationStore store) {
        return unseen.computeIfAbsent(
                store.name(), _ -> HeldOutText.batches(model(), corpus, store, scale.of(512L, 4_096L)));
    }

    /**
     * Splices an SAE into the model on held-out text.
     *
     * @return fvu and l0 of the rows there, ce_increase, ce_recovered_mean, kl, top1_agreement
     */
    public Map<String, Double> splice(SaeFolder.Loaded loaded, ActivationStore store) {
        return Objects.requireNonNull(splice(Map.of("sae", loaded), store).get("sae"));
    }

    /** The same of several SAEs of one hook point, side by side: the model as it is runs once for all. */
    public Map<String, Map<String, Double>> splice(Map<String, SaeFolder.Loaded> saes, ActivationStore store) {
        SplicePoints points = SplicePoints.of(
                saes.values().iterator().next(), model(), store.info().normLimits());
        Map<String, Spliced> spliced = new LinkedHashMap<>();
        saes.forEach((name, loaded) -> spliced.put(name, new Spliced(loaded.sae(), points.firstReplaced() > 0)));
        SpliceResult result = splice(points, store, new LinkedHashMap<>(spliced));
        double mean = meanIncrease(points, store);
        Map<String, Map<String, Double>> all = new LinkedHashMap<>();
        spliced.forEach((name, sae) -> {
            SpliceResult.Effect effect = Objects.requireNonNull(result.effects().get(name));
            Map<String, Double> values = new LinkedHashMap<>();
            put(values, Metric.FVU, sae.rows.scores().value(Metric.FVU));
            put(values, Metric.L0, sae.usage.scores().value(Metric.L0));
            put(values, Metric.CE_INCREASE, effect.increase());
            put(values, Metric.KL, effect.kl());
            put(values, Metric.CE_RECOVERED_MEAN, 1 - effect.increase() / mean);
            put(values, Metric.TOP1_AGREEMENT, effect.top1());
            all.put(name, values);
        });
        return all;
    }

    /** An SAE in place of rows, which remembers how it did. */
    private final class Spliced implements Reconstruction {
        private final Sae sae;
        private final boolean pairs;
        private final Encoder encoder;
        private final RowMetrics rows;
        private final LatentMetrics usage;

        Spliced(Sae sae, boolean pairs) {
            this.sae = sae;
            this.pairs = pairs;
            this.encoder = new Encoder(sae, workers);
            this.rows = new RowMetrics(sae.dOut());
            this.usage = new LatentMetrics(sae.latents());
        }

        @Override
        public void apply(Matrix both, Matrix out) {
            Matrix x = pairs ? both.columns(0, sae.dIn()) : both;
            Latents latents = encoder.encode(x);
            Decoder.decode(sae, latents, out, workers);
            Decoder.addSkip(sae, x, out, workers);
            rows.add(pairs ? both.columns(sae.dIn(), sae.dOut()) : both, out, workers);
            usage.add(latents);
        }
    }

    /** Puts what stands in for rows into the model, one after the other, on held-out text. */
    public SpliceResult splice(SplicePoints points, ActivationStore store, Map<String, Reconstruction> replacements) {
        return splice(points, store, replacements, (_, _, _, _, _) -> {});
    }

    /** The same, token by token. */
    public SpliceResult splice(
            SplicePoints points,
            ActivationStore store,
            Map<String, Reconstruction> replacements,
            SpliceEval.TokenSink sink) {
        return new SpliceEval(model(), points)
                .run(
                        heldOut(store),
                        replacements,
                        (stage, done, total) -> listener.at(stage, "tokens", done, total),
                        sink);
    }

    /**
     * What latents fire on and do.
     *
     * @param profiles in order of the latents
     * @param cards likewise
     */
    public record Indexed(IndexInfo info, List<LatentProfile> profiles, List<LatentCard> cards) {}

    /** Builds a feature index with effects beside an SAE, in its folder's neighbour; {@code loupe explore} shows it. */
    public Indexed index(Laboratory.Trained trained, ActivationStore store, EffectConfig effects) {
        Path out = trained.folder().resolveSibling(trained.folder().getFileName() + "-index");
        FeatureIndex.build(
                trained.loaded(),
                store,
                Vocabulary.of(model()),
                IndexConfig.DEFAULT,
                effects,
                out,
                workers,
                event -> listener.at("index: " + event.stage().text(), "", event.done(), event.total()));
        try (FeatureIndex index = FeatureIndex.open(out)) {
            return new Indexed(index.info(), index.summaries(), index.cards());
        }
    }

    /** What the mean row in place of each row adds to the cross-entropy; measured once a hook point. */
    private double meanIncrease(SplicePoints points, ActivationStore store) {
        return ceMean.computeIfAbsent(points.replaced() + store.folder().toString(), _ -> {
            SpliceResult result = splice(points, store, Map.of(MEAN, Reconstruction.constant(mean(store))));
            return Objects.requireNonNull(result.effects().get(MEAN)).increase();
        });
    }

    /** Mean of a store's targets, or of its rows where they are their own. */
    public static float[] mean(ActivationStore store) {
        int width = store.width();
        int from = store.targetWidth() > 0 ? width - store.targetWidth() : 0;
        double[] sum = new double[width];
        Matrix rows = Matrix.zeros(4096, width);
        for (long first = 0; first < store.rows(); first += rows.rows()) {
            int count = (int) Math.min(rows.rows(), store.rows() - first);
            store.read(first, count, rows, 0);
            for (int r = 0; r < count; r++) {
                for (int c = 0; c < width; c++) {
                    sum[c] += rows.at(r, c);
                }
            }
        }
        float[] mean = new float[width - from];
        for (int c = from; c < width; c++) {
            mean[c - from] = (float) (sum[c] / store.rows());
        }
        return mean;
    }

    /** Adds a figure under its key. */
    public static void put(Map<String, Double> values, Metric metric, double value) {
        values.put(Quantity.of(metric).key(), value);
    }

    @Override
    public void close() {
        open.values().forEach(ActivationStore::close);
        if (model != null) {
            model.close();
        }
    }
}
