package org.loupe.app;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.StoreInfo;
import org.loupe.causal.EffectConfig;
import org.loupe.index.FeatureIndex;
import org.loupe.index.IndexConfig;
import org.loupe.index.IndexEvent;
import org.loupe.index.IndexInfo;
import org.loupe.index.Vocabulary;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;

/** Builds the feature index with progress and one line of result. */
final class IndexStage {
    private IndexStage() {}

    /**
     * Builds an index, or says that it is complete. One of other weights, or older than its SAE or its store, is built anew.
     *
     * @param model for the tokens' text and the logit lens; null for none
     * @param effects how latents' effects are measured; null: not at all
     * @param fresh build even where the index is complete
     */
    static IndexInfo run(
            Terminal terminal,
            Path sae,
            ActivationStore store,
            @Nullable LanguageModel model,
            IndexConfig config,
            @Nullable EffectConfig effects,
            Path out,
            boolean fresh,
            Workers workers) {
        SaeFolder.Loaded loaded = SaeFolder.load(sae);
        EffectConfig measured = measured(terminal, loaded, model, effects);
        Path description = out.resolve(IndexInfo.FILE);
        if (!Files.isRegularFile(description)) {
            Freshness.requireEmpty(out, "feature index");
        } else if (!fresh) {
            IndexInfo there = IndexInfo.read(description);
            String stranger = there.strangerTo(loaded.weightsSha256());
            if (stranger != null) {
                terminal.say("index: built anew, as the one in " + out + " " + stranger);
            } else if (same(there, loaded, store, config, measured)
                    && Freshness.newer(
                            description,
                            sae.resolve(SaeFolder.INFO),
                            store.folder().resolve(StoreInfo.FILE))) {
                terminal.say("index: complete already, " + line(there, out));
                return there;
            }
        }
        long start = System.nanoTime();
        IndexInfo info;
        try (Progress progress = new Progress(terminal)) {
            info = FeatureIndex.build(
                    loaded,
                    store,
                    model == null ? Vocabulary.unknown() : Vocabulary.of(model),
                    config,
                    measured,
                    out,
                    workers,
                    event -> progress.at(
                            "index: " + event.stage().text(), unit(event.stage()), event.done(), event.total(), ""));
        }
        terminal.say("index: " + line(info, out) + " in " + Progress.clock((System.nanoTime() - start) / 1e9));
        return info;
    }

    /** What can be measured of what is asked for. */
    private static @Nullable EffectConfig measured(
            Terminal terminal, SaeFolder.Loaded sae, @Nullable LanguageModel model, @Nullable EffectConfig effects) {
        if (model == null || effects == null || sae.info().hookIn().isEmpty()) {
            return null;
        }
        if (HookPoint.parseAll(sae.info().hookIn()).size() > 1) {
            terminal.say("index: without effects, which are not measured of a crosscoder");
            return null;
        }
        return effects;
    }

    private static boolean same(
            IndexInfo there,
            SaeFolder.Loaded sae,
            ActivationStore store,
            IndexConfig config,
            @Nullable EffectConfig effects) {
        return there.sae().equals(sae.info().provenance())
                && there.store().equals(store.info().provenance())
                && there.latents() == sae.sae().latents()
                && there.rows() == store.rows()
                && there.config().equals(config)
                && Objects.equals(
                        there.effects() == null ? null : there.effects().config(), effects);
    }

    private static String unit(IndexEvent.Stage stage) {
        return switch (stage) {
            case ENCODE, SORT -> "rows";
            case EFFECTS -> "tokens";
            case PROFILE, WRITE -> "latents";
        };
    }

    private static String line(IndexInfo info, Path out) {
        IndexInfo.Counts counts = info.counts();
        return String.format(
                Locale.ROOT,
                "%,d of %,d latents live, %,d with a clear label (%,d under permuted categories) → %s",
                counts.live(),
                info.latents(),
                counts.labelled(),
                counts.labelledPermuted(),
                out);
    }
}
