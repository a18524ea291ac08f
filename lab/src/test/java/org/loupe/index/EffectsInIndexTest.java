package org.loupe.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.DrawnText;
import org.loupe.causal.EffectConfig;
import org.loupe.causal.EffectMeasurement;
import org.loupe.causal.LatentEffect;
import org.loupe.causal.RandomSae;
import org.loupe.harvest.Harvest;
import org.loupe.harvest.HarvestConfig;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.ToyModel;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;
import org.loupe.text.Corpus;
import org.loupe.text.Document;

/** A toy model's rows, an index of them, and the effects in it. */
class EffectsInIndexTest {
    private static final HookPoint HOOK = HookPoint.residPost(1);
    private static final EffectConfig CONFIG = new EffectConfig(150, 3, 1, 4);

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static ActivationStore store;
    private static SaeFolder.Loaded loaded;

    @BeforeAll
    static void harvest() {
        model = LanguageModel.load(ToyModel.write(folder.resolve("toy")), Precision.F32, 2);
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            documents.add(new Document("the a in " + i * i + " thing " + i, ""));
        }
        HarvestConfig config = new HarvestConfig(HOOK, 400, 32, 4, Dtype.F32, 1000, false, 5);
        Harvest.run(model, new Corpus.InMemory("a", documents), config, folder.resolve("store"), _ -> {});
        store = ActivationStore.open(folder.resolve("store"));
        loaded = RandomSae.loaded(model, RandomSae.of(6, true), HOOK, HOOK);
    }

    @AfterAll
    static void close() {
        store.close();
        model.close();
    }

    private static IndexInfo build(Path out, int threads) {
        try (Workers workers = new Workers(threads)) {
            return FeatureIndex.build(
                    loaded, store, Vocabulary.of(model), IndexConfig.DEFAULT, CONFIG, out, workers, _ -> {});
        }
    }

    @Test
    void cardsComeBackAsTheyWereMeasured() {
        IndexInfo info = build(folder.resolve("index"), 2);
        assertEquals(CONFIG, Objects.requireNonNull(info.effects()).config());
        try (FeatureIndex index = FeatureIndex.open(folder.resolve("index"))) {
            assertEquals(info.effects(), index.info().effects());
            List<LatentCard> cards = index.cards();
            assertEquals(RandomSae.LATENTS, cards.size());
            long[] count =
                    index.summaries().stream().mapToLong(LatentProfile::count).toArray();
            int moved = 0;
            for (int i = 0; i < cards.size(); i++) {
                LatentEffect effect = cards.get(i).effect();
                assertEquals(i, effect.latent());
                if (effect.ablated() > 0) {
                    assertEquals(effect.kl() * count[i], effect.total(), 1e-9);
                    assertEquals(effect.raised().size(), cards.get(i).raised().size());
                    for (int t = 0; t < effect.raised().size(); t++) {
                        assertEquals(
                                model.tokenizer().token(effect.raised().get(t).id()),
                                cards.get(i).raised().get(t));
                        assertTrue(effect.raised().get(t).by() > 0);
                        moved++;
                    }
                    assertTrue(effect.lowered().stream().allMatch(m -> m.by() < 0));
                }
            }
            assertTrue(moved > 100);
            assertTrue(info.columns().containsKey("effects.parquet"));
        }
    }

    /** Measured once more from the store's own text: nothing is lost on the way through the file. */
    @Test
    void theFileHoldsWhatTheMeasurementGives() {
        build(folder.resolve("once"), 1);
        try (FeatureIndex index = FeatureIndex.open(folder.resolve("once"))) {
            long[] count = new long[RandomSae.LATENTS];
            float[] strongest = new float[RandomSae.LATENTS];
            for (LatentProfile profile : index.summaries()) {
                count[profile.latent()] = profile.count();
                strongest[profile.latent()] = profile.max();
            }
            List<LatentEffect> measured = EffectMeasurement.run(
                            model,
                            loaded,
                            DrawnText.batches(store.info(), store.documents(), CONFIG.tokens(), 4, CONFIG.seed()),
                            CONFIG,
                            new EffectMeasurement.Known(
                                    count, store.rows(), strongest, new float[RandomSae.LATENTS][3]),
                            store.info().normLimits(),
                            (_, _, _) -> {})
                    .latents();
            for (LatentCard card : index.cards()) {
                LatentEffect there = card.effect();
                LatentEffect here = measured.get(there.latent());
                assertEquals(here.firings(), there.firings());
                assertEquals(here.ablated(), there.ablated());
                assertEquals(here.kl(), there.kl());
                assertEquals(here.klError(), there.klError());
                assertEquals(here.increase(), there.increase());
                assertEquals(here.attribution(), there.attribution());
                assertEquals(here.perEnergyError(), there.perEnergyError());
                assertEquals(here.amplifiedKl(), there.amplifiedKl());
            }
        }
    }

    @Test
    void aMissingTableIsNamed() throws IOException {
        Path out = folder.resolve("broken");
        build(out, 2);
        Files.delete(out.resolve("effects.parquet"));
        String message = assertThrows(
                        BadInput.class, () -> FeatureIndex.open(out).close())
                .getMessage();
        assertTrue(message != null && message.contains("effects.parquet"), message);
    }
}
