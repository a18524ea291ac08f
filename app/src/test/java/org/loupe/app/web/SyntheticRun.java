package org.loupe.app.web;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.DocumentTable;
import org.loupe.activations.StoreInfo;
import org.loupe.activations.StoreWriter;
import org.loupe.causal.Firings;
import org.loupe.index.FeatureIndex;
import org.loupe.index.IndexConfig;
import org.loupe.index.Vocabulary;
import org.loupe.io.Dtype;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * A run folder with no language model behind it: documents of words from eight topics; the row of a word is its own vector
 * plus its topic's; the latents are topics' vectors, words' vectors and random ones. The index is built by the real code.
 */
public final class SyntheticRun {
    static final int WIDTH = 32;
    private static final int DOCUMENT_WORDS = 14;
    private static final Map<String, String> TOPICS = topics();
    private static final List<String> WORDS = TOPICS.values().stream()
            .flatMap(words -> Arrays.stream(words.split(" ", -1)))
            .toList();

    private SyntheticRun() {}

    private static Map<String, String> topics() {
        Map<String, String> topics = new LinkedHashMap<>();
        topics.put("noun.animal", "tiger whale sparrow beetle salmon wolf horse lizard");
        topics.put("noun.plant", "oak fern moss orchid thistle willow clover reed");
        topics.put("noun.food", "bread butter soup cheese apple rice pepper wine");
        topics.put("noun.location", "river coast valley city island harbour desert ridge");
        topics.put("noun.person", "painter senator nurse farmer admiral tailor monk pilot");
        topics.put("verb.motion", "runs climbs swims falls turns glides leaps drifts");
        topics.put("verb.communication", "asks tells shouts writes argues sings warns replies");
        topics.put("adj.all", "small bright cold ancient heavy smooth quiet narrow");
        return topics;
    }

    /** The vector of a word: its own and its topic's direction. */
    private static float[] row(int word) {
        float[] row = direction(1000 + word);
        float[] topic = direction(word / 8);
        for (int c = 0; c < WIDTH; c++) {
            row[c] = 2 * row[c] + 3 * topic[c];
        }
        return row;
    }

    private static float[] direction(int seed) {
        Random random = new Random(seed);
        float[] direction = new float[WIDTH];
        double square = 0;
        for (int c = 0; c < WIDTH; c++) {
            direction[c] = (float) random.nextGaussian();
            square += direction[c] * direction[c];
        }
        for (int c = 0; c < WIDTH; c++) {
            direction[c] /= (float) Math.sqrt(square);
        }
        return direction;
    }

    /** Writes {@code sae/}, {@code store/}, {@code index/} and {@code eval.json}. */
    public static void write(Path folder, int latents, int documents) {
        Sae sae = sae(latents);
        Provenance provenance = Provenance.here("synthetic", "", "eight topics", "", 0);
        SaeInfo info = new SaeInfo(provenance, "", "", Map.of(), Map.of());
        SaeFolder.save(folder.resolve("sae"), sae, info);
        Json.write(folder.resolve("eval.json"), Map.of("fvu", 0.144, "l0", 32.0, "window", Map.of("rows", 9)));
        try (ActivationStore store = store(folder.resolve("store"), documents, provenance);
                Workers workers = new Workers(2)) {
            FeatureIndex.build(
                    SaeFolder.load(folder.resolve("sae")),
                    store,
                    new Vocabulary(SyntheticRun::piece, null),
                    IndexConfig.DEFAULT,
                    null,
                    folder.resolve("index"),
                    workers,
                    event -> {});
        }
    }

    /** The first latents are the eight topics, then the words, then random directions; the last one never fires. */
    private static Sae sae(int latents) {
        Matrix weights = Matrix.zeros(latents, WIDTH);
        float[] bias = new float[latents];
        for (int l = 0; l < latents; l++) {
            float[] direction =
                    l < 8 ? direction(l) : l < 8 + WORDS.size() ? direction(1000 + l - 8) : direction(5000 + l);
            System.arraycopy(direction, 0, weights.data(), l * WIDTH, WIDTH);
            bias[l] = l < 8 ? 1 : 0;
        }
        bias[latents - 1] = -100;
        return new Sae(weights, bias, weights, new float[WIDTH], new Activation.TopK(16), false);
    }

    private static ActivationStore store(Path folder, int documents, Provenance provenance) {
        Random random = new Random(1);
        int rows = documents * DOCUMENT_WORDS;
        Matrix x = Matrix.zeros(rows, WIDTH);
        int[] token = new int[rows];
        int[] position = new int[rows];
        int[] document = new int[rows];
        List<DocumentTable.Document> table = new ArrayList<>();
        List<String> names = List.copyOf(TOPICS.keySet());
        for (int d = 0; d < documents; d++) {
            int topic = d % names.size();
            int[] ids = new int[DOCUMENT_WORDS];
            for (int t = 0; t < DOCUMENT_WORDS; t++) {
                int r = d * DOCUMENT_WORDS + t;
                ids[t] = random.nextInt(10) < 6 ? topic * 8 + random.nextInt(8) : random.nextInt(WORDS.size());
                float[] row = row(ids[t]);
                for (int c = 0; c < WIDTH; c++) {
                    x.data()[r * WIDTH + c] = row[c] + 0.3f * (float) random.nextGaussian();
                }
                token[r] = ids[t];
                position[r] = t + 1;
                document[r] = d;
            }
            table.add(new DocumentTable.Document("document " + d, names.get(topic), ids));
        }
        StoreInfo.Shard shard =
                StoreWriter.writeShard(folder, 0, Dtype.F32, new StoreWriter.Rows(x, token, position, document));
        DocumentTable.write(folder.resolve(DocumentTable.FILE), table.iterator());
        StoreWriter.finish(
                folder,
                new StoreInfo(
                        provenance,
                        WIDTH,
                        Dtype.F32,
                        rows,
                        List.of(1),
                        0,
                        Map.of(),
                        Map.of(),
                        DocumentTable.FILE,
                        documents,
                        List.of(shard)));
        return ActivationStore.open(folder);
    }

    private static String piece(int id) {
        return " " + WORDS.get(id);
    }

    /** Stands in for a language model: a word's row is its vector, whatever surrounds it; other words are left out. */
    static final class Words implements TextModel {
        @Override
        public int[] encode(String text) {
            return Arrays.stream(text.split("\\W+", -1))
                    .mapToInt(WORDS::indexOf)
                    .filter(id -> id >= 0)
                    .toArray();
        }

        @Override
        public String piece(int id) {
            return SyntheticRun.piece(id);
        }

        @Override
        public Matrix rows(int[] ids) {
            Matrix rows = Matrix.zeros(ids.length, WIDTH);
            for (int i = 0; i < ids.length; i++) {
                System.arraycopy(row(ids[i]), 0, rows.data(), i * WIDTH, WIDTH);
            }
            return rows;
        }

        /** Latent 2 does 0.5 nats on every token but the last one, latent 7 −0.25. */
        @Override
        public Firings effects(int[] ids) {
            int n = Math.max(0, ids.length - 1);
            return new Firings(
                    IntStream.range(0, 2 * n).map(i -> i % 2 == 0 ? 2 : 7).toArray(),
                    IntStream.range(0, 2 * n).map(i -> i / 2).toArray(),
                    new float[2 * n],
                    IntStream.range(0, 2 * n)
                            .mapToDouble(i -> i % 2 == 0 ? 0.5 : -0.25)
                            .toArray());
        }

        @Override
        public int limit() {
            return 12;
        }

        @Override
        public void close() {}
    }
}
