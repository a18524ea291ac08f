package org.loupe.index;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.Comparison;
import org.loupe.causal.DrawnText;
import org.loupe.causal.EffectConfig;
import org.loupe.causal.EffectMeasurement;
import org.loupe.causal.Effects;
import org.loupe.io.Json;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.Encoder;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;

/** One build of a feature index: encode, sort by latent, profile latent by latent, write. */
final class IndexBuild {
    /** Latents profiled before they are written: bounds memory. */
    private static final int CHUNK = 512;

    /** Sequences that the model runs at a time on one thread. */
    private static final int SEQUENCES = 4;

    private final SaeFolder.Loaded loaded;
    private final ActivationStore store;
    private final IndexConfig config;
    private final @Nullable EffectConfig effects;
    private final Workers workers;
    private final Consumer<IndexEvent> listener;
    private final Vocabulary vocabulary;
    private final Map<String, Double> seconds = new LinkedHashMap<>();

    IndexBuild(
            SaeFolder.Loaded loaded,
            ActivationStore store,
            Vocabulary vocabulary,
            IndexConfig config,
            @Nullable EffectConfig effects,
            Workers workers,
            Consumer<IndexEvent> listener) {
        this.loaded = loaded;
        this.store = store;
        this.vocabulary = vocabulary;
        this.config = config;
        this.effects = effects;
        this.workers = workers;
        this.listener = listener;
    }

    /** Builds in a folder beside {@code out}, which replaces {@code out} when it is complete. */
    IndexInfo run(Path out) {
        Path target = out.toAbsolutePath();
        Path aside = target.resolveSibling("." + target.getFileName() + ".part");
        try {
            deleteTree(aside);
            Files.createDirectories(aside);
            IndexInfo info = write(aside);
            deleteTree(target);
            Files.move(aside, target);
            return info;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + out + ": " + e.getMessage(), e);
        } finally {
            deleteQuietly(aside);
        }
    }

    private IndexInfo write(Path folder) {
        long start = System.nanoTime();
        int latents = loaded.sae().latents();
        StoreText text = StoreText.read(store);
        try (Postings postings = Postings.build(
                new Encoder(loaded.sae(), workers),
                latents,
                store.inputs(),
                folder,
                done -> tell(IndexEvent.Stage.ENCODE, done, store.rows()),
                (done, total) -> tell(IndexEvent.Stage.SORT, done, total))) {
            seconds.put("encode", secondsSince(start));
            start = System.nanoTime();
            IndexInfo.Counts counts;
            EffectInfo measured;
            try (IndexWriter writer = new IndexWriter(folder)) {
                counts = profile(postings, text, writer);
                seconds.put("profile", secondsSince(start));
                start = System.nanoTime();
                measured = effects(postings, writer);
                if (measured != null) {
                    seconds.put("effects", secondsSince(start));
                }
                tell(IndexEvent.Stage.WRITE, 0, latents);
                writer.finish();
                tell(IndexEvent.Stage.WRITE, latents, latents);
            }
            deleteQuietly(folder.resolve(IndexWriter.SCRATCH));
            IndexInfo info = new IndexInfo(
                    store.info().provenance(),
                    loaded.info().provenance(),
                    loaded.weightsSha256(),
                    loaded.info().hookIn(),
                    loaded.info().hookOut(),
                    store.info().prefix(),
                    config,
                    latents,
                    store.rows(),
                    text.documents(),
                    text.categories(),
                    counts,
                    measured,
                    seconds,
                    meaning(measured != null));
            Json.write(folder.resolve(IndexInfo.FILE), info);
            return info;
        }
    }

    private IndexInfo.Counts profile(Postings postings, StoreText text, IndexWriter writer) {
        int latents = loaded.sae().latents();
        Profiler profiler = new Profiler(text, vocabulary.pieces(), config, permuted(text.category(), config.seed()));
        DecoderLens lens = new DecoderLens(loaded.sae(), loaded.info().hookOut(), vocabulary, workers);
        Tally tally = new Tally();
        for (int from = 0; from < latents; from += CHUNK) {
            int first = from;
            Profiler.Result[] results = new Profiler.Result[Math.min(CHUNK, latents - from)];
            workers.forEach(results.length, 1, (a, b, worker) -> {
                for (int i = a; i < b; i++) {
                    results[i] = profiler.profile(first + i, postings.of(first + i));
                }
            });
            lens.complete(Arrays.stream(results).map(Profiler.Result::profile).toList())
                    .forEach(writer::write);
            for (Profiler.Result result : results) {
                tally.add(result);
                result.examples().forEach(writer::write);
            }
            tell(IndexEvent.Stage.PROFILE, from + results.length, latents);
        }
        return tally.counts();
    }

    private static Map<String, Map<String, String>> meaning(boolean withEffects) {
        Map<String, Map<String, String>> meaning = new TreeMap<>();
        IndexTable.ALL.forEach(table -> meaning.put(table.file(), table.meaning()));
        if (withEffects) {
            meaning.put(IndexTable.EFFECTS.file(), IndexTable.EFFECTS.meaning());
        }
        return meaning;
    }

    /** Measures and writes what the latents do to the model's output, where there is a model and that is asked for. */
    private @Nullable EffectInfo effects(Postings postings, IndexWriter writer) {
        LanguageModel model = vocabulary.model();
        if (model == null || effects == null) {
            return null;
        }
        Effects measured = EffectMeasurement.run(
                model,
                loaded,
                DrawnText.batches(store.info(), store.documents(), effects.tokens(), SEQUENCES, effects.seed()),
                effects,
                known(postings),
                store.info().normLimits(),
                (_, done, total) -> tell(IndexEvent.Stage.EFFECTS, done, total));
        Set<Integer> dead = new HashSet<>(measured.summary().causallyDead());
        writer.write(measured.latents().stream()
                .map(effect -> new LatentCard(
                        effect, texts(effect.raised()), texts(effect.lowered()), dead.contains(effect.latent())))
                .toList());
        return new EffectInfo(effects, measured.tokens(), measured.summary());
    }

    private List<String> texts(List<Comparison.Moved> moved) {
        return moved.stream().map(m -> vocabulary.pieces().apply(m.id())).toList();
    }

    private EffectMeasurement.Known known(Postings postings) {
        int latents = loaded.sae().latents();
        long[] count = new long[latents];
        float[] strongest = new float[latents];
        float[][] bands = new float[latents][];
        workers.forEach(latents, CHUNK, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                float[] values = postings.of(i).value();
                int n = values.length;
                for (int v = 0; v < n; v++) {
                    values[v] = Math.abs(values[v]);
                }
                Arrays.sort(values);
                count[i] = n;
                strongest[i] = n == 0 ? 0 : values[n - 1];
                bands[i] = n == 0
                        ? new float[3]
                        : new float[] {values[(n - 1) / 4], values[(n - 1) / 2], values[3 * (n - 1) / 4]};
            }
        });
        return new EffectMeasurement.Known(count, store.rows(), strongest, bands);
    }

    /** The categories dealt out anew among the documents that have one. */
    static int[] permuted(int[] category, long seed) {
        int[] labelled = java.util.stream.IntStream.range(0, category.length)
                .filter(d -> category[d] >= 0)
                .toArray();
        int[] dealt = category.clone();
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = labelled.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swap = dealt[labelled[i]];
            dealt[labelled[i]] = dealt[labelled[j]];
            dealt[labelled[j]] = swap;
        }
        return dealt;
    }

    /** Counts over the latents. */
    private static final class Tally {
        private int live;
        private int labelled;
        private int unflagged;
        private int permuted;
        private int singleToken;
        private int position;

        void add(Profiler.Result result) {
            LatentProfile profile = result.profile();
            boolean clear = !profile.label().isEmpty();
            live += profile.count() > 0 ? 1 : 0;
            labelled += clear ? 1 : 0;
            unflagged += clear && profile.flags().isEmpty() ? 1 : 0;
            permuted += result.nullClear() ? 1 : 0;
            singleToken += profile.flags().contains(LatentProfile.Flag.SINGLE_TOKEN) ? 1 : 0;
            position += profile.flags().contains(LatentProfile.Flag.POSITION) ? 1 : 0;
        }

        IndexInfo.Counts counts() {
            return new IndexInfo.Counts(live, labelled, unflagged, permuted, singleToken, position);
        }
    }

    private void tell(IndexEvent.Stage stage, long done, long total) {
        listener.accept(new IndexEvent(stage, done, total));
    }

    private static double secondsSince(long nanos) {
        return Math.round((System.nanoTime() - nanos) / 1e7) / 100.0;
    }

    private static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root)) {
            return;
        }
        List<Path> found = new ArrayList<>();
        try (Stream<Path> tree = Files.walk(root)) {
            tree.sorted(Comparator.reverseOrder()).forEach(found::add);
        }
        for (Path path : found) {
            Files.delete(path);
        }
    }

    private static void deleteQuietly(Path path) {
        try {
            deleteTree(path);
        } catch (IOException e) {
            // What is left over is deleted by the next build.
            return;
        }
    }
}
