package org.loupe.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.StoreInfo;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class FeatureIndexTest {
    @TempDir
    static Path folder;

    private static IndexInfo built;
    private static FeatureIndex index;
    private static final List<IndexEvent> EVENTS = new ArrayList<>();

    @BeforeAll
    static void build() {
        built = build("index", 2, 0, EVENTS);
        index = FeatureIndex.open(folder.resolve("index"));
    }

    private static IndexInfo build(String name, int threads, long seed, List<IndexEvent> events) {
        IndexConfig config = new IndexConfig(20, 5, 4, 50, seed);
        try (ActivationStore store = SyntheticStore.write(folder.resolve("store"));
                Workers workers = new Workers(threads)) {
            return FeatureIndex.build(
                    SyntheticStore.sae(),
                    store,
                    Vocabulary.unknown(),
                    config,
                    null,
                    folder.resolve(name),
                    workers,
                    events::add);
        }
    }

    @AfterAll
    static void close() {
        index.close();
    }

    @Test
    void statisticsEqualThoseOfTheConstruction() {
        long rows = 0;
        for (int l = 0; l < SyntheticStore.LATENTS; l++) {
            List<Float> values = new ArrayList<>();
            rows = 0;
            for (int d = 0; d < SyntheticStore.DOCUMENTS; d++) {
                for (int t = 0; t < SyntheticStore.TOKENS; t++) {
                    float a = SyntheticStore.activation(l, d, t);
                    if (!SyntheticStore.dropped(d, t)) {
                        rows++;
                        if (a > 0) {
                            values.add(a);
                        }
                    }
                }
            }
            LatentProfile profile = index.profile(l);
            assertEquals(l, profile.latent());
            assertEquals(values.size(), profile.count(), "latent " + l);
            assertEquals((double) values.size() / rows, profile.density(), 1e-12);
            assertEquals(values.stream().mapToDouble(v -> v).average().orElse(0), profile.mean(), 1e-5);
            assertEquals(values.stream().mapToDouble(v -> v).max().orElse(0), profile.max());
            assertEquals(values.size(), Arrays.stream(profile.histogram()).sum());
            for (int bin = 0; bin < profile.histogram().length; bin++) {
                double low = profile.max() * (double) bin / profile.histogram().length;
                double high = profile.max() * (double) (bin + 1) / profile.histogram().length;
                long expected =
                        values.stream().filter(v -> v > low && v <= high).count();
                assertTrue(Math.abs(expected - profile.histogram()[bin]) <= 1, "latent " + l + " bin " + bin);
            }
        }
        assertEquals(rows, built.rows());
    }

    /** The same encoder with half of its rows turned round, under AbsTopK: the same firings with the other sign. */
    @Test
    void negativeActivationsCountByTheirSize() {
        Sae sae = SyntheticStore.sae().sae();
        Matrix turned =
                new Matrix(sae.latents(), sae.dIn(), sae.encoder().data().clone());
        for (int l = 0; l < sae.latents(); l += 2) {
            turned.data()[l * sae.dIn() + l] = -1;
        }
        SaeFolder.Loaded signed = new SaeFolder.Loaded(
                new Sae(turned, sae.encoderBias(), sae.decoder(), sae.decoderBias(), new Activation.AbsTopK(5), false),
                SyntheticStore.sae().info());
        Path out = folder.resolve("signed");
        try (ActivationStore store = SyntheticStore.write(folder.resolve("signed-store"));
                Workers workers = new Workers(2)) {
            FeatureIndex.build(
                    signed, store, Vocabulary.unknown(), new IndexConfig(20, 5, 4, 50, 0), null, out, workers, _ -> {});
        }
        try (FeatureIndex other = FeatureIndex.open(out)) {
            for (int l = 0; l < SyntheticStore.LATENTS; l++) {
                int sign = l % 2 == 0 ? -1 : 1;
                LatentProfile expected = index.profile(l);
                LatentProfile found = other.profile(l);
                assertEquals(expected.count(), found.count());
                assertEquals(expected.mean(), found.mean());
                assertEquals(expected.max(), found.max());
                assertEquals(expected.label(), found.label());
                assertEquals(expected.flags(), found.flags());
                assertArrayEquals(expected.histogram(), found.histogram());
                assertEquals(
                        index.examples(l).stream()
                                .map(e -> sign * e.activation())
                                .toList(),
                        other.examples(l).stream().map(Example::activation).toList());
            }
        }
    }

    /** A transcoder of the same encoder, on a store of pairs: its latents fire on the inputs, whatever the targets are. */
    @Test
    void aTranscodersLatentsFireOnTheInputs() {
        Sae sae = SyntheticStore.sae().sae();
        Sae transcoder = new Sae(
                sae.encoder(), sae.encoderBias(), sae.decoder().columns(0, 5), new float[5], sae.activation(), false);
        SaeFolder.Loaded loaded = new SaeFolder.Loaded(
                transcoder,
                new SaeInfo(SyntheticStore.sae().info().provenance(), "", "blocks.0.hook_mlp_out", Map.of(), Map.of()));
        Path out = folder.resolve("transcoder");
        try (ActivationStore store = SyntheticStore.write(folder.resolve("pairs"), 5);
                Workers workers = new Workers(2)) {
            assertEquals(SyntheticStore.LATENTS + 5, store.width());
            FeatureIndex.build(
                    loaded, store, Vocabulary.unknown(), new IndexConfig(20, 5, 4, 50, 0), null, out, workers, _ -> {});
        }
        try (FeatureIndex pairs = FeatureIndex.open(out)) {
            assertEquals("blocks.0.hook_mlp_out", pairs.info().hookOut());
            for (int l = 0; l < SyntheticStore.LATENTS; l++) {
                assertEquals(index.profile(l).count(), pairs.profile(l).count());
                assertEquals(index.profile(l).label(), pairs.profile(l).label());
                assertArrayEquals(index.profile(l).histogram(), pairs.profile(l).histogram());
                assertEquals(
                        index.examples(l).stream().map(Example::tokens).toList(),
                        pairs.examples(l).stream().map(Example::tokens).toList());
            }
        }
    }

    /** The same rows taken for two hook points side by side. */
    @Test
    void aCrosscodersLatentsAreThoseOfItsRows() {
        List<StoreInfo.Part> parts = List.of(
                new StoreInfo.Part("blocks.0.hook_resid_post", 5, 1),
                new StoreInfo.Part("blocks.1.hook_resid_post", SyntheticStore.LATENTS - 5, 1));
        String hook = "blocks.0.hook_resid_post+blocks.1.hook_resid_post";
        SaeFolder.Loaded crosscoder = new SaeFolder.Loaded(
                SyntheticStore.sae().sae(),
                new SaeInfo(Provenance.here("synthetic", "", "", hook, 0), hook, hook, Map.of(), Map.of()));
        Path out = folder.resolve("crosscoder");
        try (ActivationStore store = SyntheticStore.write(folder.resolve("hooks"), parts);
                Workers workers = new Workers(2)) {
            FeatureIndex.build(
                    crosscoder,
                    store,
                    Vocabulary.unknown(),
                    new IndexConfig(20, 5, 4, 50, 0),
                    null,
                    out,
                    workers,
                    _ -> {});
        }
        try (FeatureIndex both = FeatureIndex.open(out)) {
            assertEquals(hook, both.info().hookIn());
            for (int l = 0; l < SyntheticStore.LATENTS; l++) {
                assertEquals(index.profile(l).count(), both.profile(l).count());
                assertEquals(index.profile(l).label(), both.profile(l).label());
                assertArrayEquals(index.profile(l).neighbours(), both.profile(l).neighbours());
            }
        }
    }

    @Test
    void categoryLatentsGetTheirCategoryAndTheOthersNone() {
        for (int l = 0; l < 8; l++) {
            LatentProfile profile = index.profile(l);
            assertEquals("noun.kind" + l, profile.category());
            assertTrue(profile.label().startsWith("noun.kind" + l + " · #"), profile.label());
            Enrichment best = profile.best();
            assertNotNull(best);
            assertEquals(50, best.hits());
            assertEquals(50, best.drawn());
            assertEquals(8, best.lift(), 1e-12);
        }
        for (int l = 8; l < SyntheticStore.LATENTS; l++) {
            assertEquals("", index.profile(l).label());
        }
        assertEquals(8, built.counts().labelled());
        assertEquals(0, built.counts().labelledPermuted());
        assertEquals(11, built.counts().live());
    }

    @Test
    void flagsFollowTheirRules() {
        assertEquals(List.of(LatentProfile.Flag.SINGLE_TOKEN), index.profile(8).flags());
        assertEquals("#99", index.profile(8).topTokens().getFirst());
        assertEquals(50, index.profile(8).topTokenCounts().getFirst());
        assertEquals(List.of(LatentProfile.Flag.POSITION), index.profile(9).flags());
        assertEquals(List.of(LatentProfile.Flag.DEAD), index.profile(10).flags());
        assertEquals(List.of(), index.profile(11).flags());
        assertEquals(1, built.counts().singleToken());
        assertEquals(1 + 8, built.counts().position(), "latents 0 to 7 fire at token 3 only");
    }

    @Test
    void topExamplesAreTheStrongestDocumentsInOrder() {
        List<Example> top =
                index.examples(9).stream().filter(e -> e.interval() < 0).toList();
        assertEquals(20, top.size());
        for (int rank = 0; rank < 20; rank++) {
            Example e = top.get(rank);
            assertEquals(SyntheticStore.DOCUMENTS - 1 - rank, e.document());
            assertEquals(rank, e.rank());
            assertEquals("noun.kind" + e.document() % 8, e.category());
            assertEquals(1, e.position());
            assertEquals(0, e.at());
            assertEquals(e.activation(), e.activations()[e.at()]);
        }
    }

    @Test
    void anExampleShowsItsDocumentWithEveryActivation() {
        Example e = index.examples(11).stream()
                .filter(x -> x.document() % 10 == 0)
                .findFirst()
                .orElseThrow();
        assertEquals(SyntheticStore.TOKENS, e.tokens().size());
        assertFalse(e.cutBefore());
        assertFalse(e.cutAfter());
        for (int t = 0; t < SyntheticStore.TOKENS; t++) {
            assertEquals(
                    "#" + SyntheticStore.tokenId(e.document(), t), e.tokens().get(t));
            if (SyntheticStore.dropped(e.document(), t)) {
                assertTrue(Float.isNaN(e.activations()[t]), "the store has no row for it");
            } else {
                assertEquals(SyntheticStore.activation(11, e.document(), t), e.activations()[t]);
            }
        }
    }

    @Test
    void sampledExamplesLieInTheirIntervalsAndRepeatNoDocument() {
        for (int l = 0; l < SyntheticStore.LATENTS; l++) {
            List<Example> examples = index.examples(l);
            float max = index.profile(l).max();
            HashSet<Integer> documents = new HashSet<>();
            int[] perInterval = new int[5];
            for (Example e : examples) {
                assertTrue(documents.add(e.document()), "latent " + l + " shows document " + e.document() + " twice");
                if (e.interval() >= 0) {
                    perInterval[e.interval()]++;
                    assertTrue(e.activation() > max * e.interval() / 5 - 1e-6);
                    assertTrue(e.activation() <= max * (e.interval() + 1) / 5 + 1e-6);
                }
            }
            assertTrue(Arrays.stream(perInterval).allMatch(n -> n <= 4));
        }
        assertTrue(index.examples(10).isEmpty());
        assertEquals(
                4, index.examples(11).stream().filter(e -> e.interval() == 3).count());
    }

    @Test
    void neighboursAreThoseOfBruteForce() {
        float[] decoder = SyntheticStore.sae().sae().decoder().data();
        int n = SyntheticStore.LATENTS;
        for (int l = 0; l < n; l++) {
            int latent = l;
            double[] cosine = new double[n];
            for (int o = 0; o < n; o++) {
                double dot = 0;
                double a = 0;
                double b = 0;
                for (int c = 0; c < n; c++) {
                    dot += decoder[l * n + c] * decoder[o * n + c];
                    a += decoder[l * n + c] * decoder[l * n + c];
                    b += decoder[o * n + c] * decoder[o * n + c];
                }
                cosine[o] = dot / Math.sqrt(a * b);
            }
            int[] expected = IntStream.range(0, n)
                    .filter(o -> o != latent && cosine[o] > 1e-6)
                    .boxed()
                    .sorted(Comparator.comparingDouble(o -> -cosine[o]))
                    .limit(8)
                    .mapToInt(o -> o)
                    .toArray();
            LatentProfile profile = index.profile(l);
            assertArrayEquals(expected, profile.neighbours(), "latent " + l);
            for (int i = 0; i < expected.length; i++) {
                assertEquals(cosine[expected[i]], profile.cosines()[i], 1e-6);
            }
        }
    }

    @Test
    void theSameSeedGivesTheSameIndexWhateverTheThreads() {
        build("one", 1, 0, new ArrayList<>());
        build("other", 2, 1, new ArrayList<>());
        try (FeatureIndex one = FeatureIndex.open(folder.resolve("one"));
                FeatureIndex other = FeatureIndex.open(folder.resolve("other"))) {
            int moved = 0;
            for (int l = 0; l < SyntheticStore.LATENTS; l++) {
                assertEquals(show(index.examples(l)), show(one.examples(l)));
                moved += show(index.examples(l)).equals(show(other.examples(l))) ? 0 : 1;
            }
            assertTrue(moved >= 2, "another seed samples other documents");
        }
    }

    private static List<String> show(List<Example> examples) {
        return examples.stream()
                .map(e -> e.interval() + "/" + e.rank() + "/" + e.document() + "/" + Arrays.toString(e.activations()))
                .toList();
    }

    @Test
    void summariesListEveryLatentOnce() {
        List<LatentProfile> all = index.summaries();
        assertEquals(SyntheticStore.LATENTS, all.size());
        for (int l = 0; l < all.size(); l++) {
            assertEquals(l, all.get(l).latent());
            assertEquals(index.profile(l).label(), all.get(l).label());
            assertEquals(index.profile(l).topTokens(), all.get(l).topTokens());
        }
    }

    @Test
    void nothingIsLeftBesideTheFiles() throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve("index"))) {
            assertEquals(
                    List.of("examples.parquet", "index.json", "latents.parquet"),
                    files.map(f -> f.getFileName().toString()).sorted().toList());
        }
        assertEquals(
                List.of(
                        IndexEvent.Stage.ENCODE,
                        IndexEvent.Stage.SORT,
                        IndexEvent.Stage.PROFILE,
                        IndexEvent.Stage.WRITE),
                EVENTS.stream().map(IndexEvent::stage).distinct().toList());
        assertEquals(IndexTable.LATENTS.meaning(), built.columns().get("latents.parquet"));
    }

    @Test
    void anotherFolderIsRefused() {
        BadInput none = assertThrows(BadInput.class, () -> FeatureIndex.open(folder.resolve("store")));
        assertEquals(folder.resolve("store") + ": is not a feature index: it has no index.json", none.getMessage());
        BadInput latent = assertThrows(BadInput.class, () -> index.profile(12));
        assertEquals("there is no latent 12; this SAE has latents 0 to 11", latent.getMessage());
    }
}
