package org.loupe.index;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/** Makes one latent's profile and examples from its activations. Thread-safe; a result depends on the latent alone. */
final class Profiler {
    private static final int SHOWN_TOKENS = 5;
    private static final int THEME_TOKENS = 3;
    private static final double CONCENTRATED = 0.8;
    private static final int FEWEST_FOR_FLAGS = 10;

    private final StoreText text;
    private final IntFunction<String> pieces;
    private final IndexConfig config;
    private final Enrichment.Base base;
    private final int[] permuted;

    /**
     * @param pieces the text of a token id, leading space kept
     * @param permuted the categories dealt out anew among the documents, for the null
     */
    Profiler(StoreText text, IntFunction<String> pieces, IndexConfig config, int[] permuted) {
        this.text = text;
        this.pieces = pieces;
        this.config = config;
        this.permuted = permuted;
        this.base = Enrichment.Base.of(text.category(), text.categories().size());
    }

    /**
     * @param nullClear whether the latent would have a clear label with the categories permuted
     */
    record Result(LatentProfile profile, List<Example> examples, boolean nullClear) {}

    /** A document in which the latent fires: entries [from, to) of its firings, the strongest at {@code peak}. */
    private record Hit(int document, int from, int to, int peak, float value) {}

    Result profile(int latent, Postings.Firings firings) {
        List<Hit> hits = hits(firings);
        List<Hit> strongest = hits.subList(0, Math.min(hits.size(), config.labelDocuments()));
        int[] documents = strongest.stream().mapToInt(Hit::document).toArray();
        int categories = text.categories().size();
        Enrichment.Best best = Enrichment.best(documents, text.category(), base);
        Enrichment.Best chance = Enrichment.best(documents, permuted, base);
        List<Map.Entry<String, Integer>> top = topTokens(firings, strongest);
        String label = best != null && best.enrichment().clear(categories)
                ? label(text.categories().get(best.category()), top)
                : "";
        float max = hits.isEmpty() ? 0 : Math.abs(hits.getFirst().value());
        double sum = 0;
        for (float v : firings.value()) {
            sum += Math.abs(v);
        }
        int count = firings.row().length;
        LatentProfile profile = new LatentProfile(
                latent,
                count,
                (double) count / Math.max(1, text.document().length),
                hits.size(),
                count == 0 ? 0 : (float) (sum / count),
                max,
                histogram(firings.value(), max),
                best == null ? null : best.enrichment(),
                best == null ? "" : text.categories().get(best.category()),
                label,
                top.stream().limit(SHOWN_TOKENS).map(Map.Entry::getKey).toList(),
                top.stream().limit(SHOWN_TOKENS).map(Map.Entry::getValue).toList(),
                flags(firings, strongest),
                LatentProfile.Lens.NONE,
                new int[0],
                new float[0]);
        return new Result(
                profile,
                examples(latent, firings, hits, max),
                chance != null && chance.enrichment().clear(categories));
    }

    /** The documents in which the latent fires, strongest first; of equal ones the earlier. */
    private List<Hit> hits(Postings.Firings firings) {
        List<Hit> hits = new ArrayList<>();
        int[] row = firings.row();
        for (int from = 0; from < row.length; ) {
            int document = text.document()[row[from]];
            int to = from;
            int peak = from;
            for (; to < row.length && text.document()[row[to]] == document; to++) {
                if (Math.abs(firings.value()[to]) > Math.abs(firings.value()[peak])) {
                    peak = to;
                }
            }
            hits.add(new Hit(document, from, to, peak, firings.value()[peak]));
            from = to;
        }
        // The bits of |f| ascend with it; documents ascend with the index.
        return ordered(hits, h -> ~Float.floatToRawIntBits(Math.abs(hits.get(h).value())));
    }

    /** Hits by an unsigned key, of equal ones the earlier: sorted as longs, which is much faster than by a comparator. */
    private static List<Hit> ordered(List<Hit> hits, IntUnaryOperator key) {
        long[] keys = new long[hits.size()];
        for (int h = 0; h < keys.length; h++) {
            keys[h] = ((long) (key.applyAsInt(h) ^ Integer.MIN_VALUE) << 32) | h;
        }
        Arrays.sort(keys);
        List<Hit> ordered = new ArrayList<>(keys.length);
        for (long k : keys) {
            ordered.add(hits.get((int) k));
        }
        return ordered;
    }

    private static int[] histogram(float[] values, float max) {
        int[] bins = new int[IndexConfig.HISTOGRAM_BINS];
        for (float v : values) {
            bins[interval(Math.abs(v), max, bins.length)]++;
        }
        return bins;
    }

    /** Which of {@code count} equal-width intervals of (0, max] a value lies in. */
    private static int interval(float value, float max, int count) {
        return Math.clamp((int) Math.ceil((double) value / max * count) - 1, 0, count - 1);
    }

    /** The strongest token of a document, stripped and in lower case; with a hyphen before it where it continues a word. */
    private String peakToken(Postings.Firings firings, Hit hit) {
        int at = text.tokenOf(firings.row()[hit.peak()]);
        if (at < 0) {
            return "";
        }
        int[] tokens = text.tokens()[hit.document()];
        String piece = pieces.apply(tokens[at]);
        String word = piece.strip().toLowerCase(Locale.ROOT);
        boolean goesOn = at > 0 && startsWithLetter(piece) && endsWithLetter(pieces.apply(tokens[at - 1]));
        return goesOn ? "-" + word : word;
    }

    private static boolean startsWithLetter(String piece) {
        return !piece.isEmpty() && Character.isLetter(piece.codePointAt(0));
    }

    private static boolean endsWithLetter(String piece) {
        return !piece.isEmpty() && Character.isLetter(piece.codePointBefore(piece.length()));
    }

    /** The strongest tokens of the documents, commonest first. */
    private List<Map.Entry<String, Integer>> topTokens(Postings.Firings firings, List<Hit> hits) {
        Map<String, Integer> counts = new HashMap<>();
        for (Hit hit : hits) {
            counts.merge(peakToken(firings, hit), 1, Integer::sum);
        }
        return counts.entrySet().stream()
                .sorted(Map.Entry.<String, Integer>comparingByValue(Comparator.reverseOrder())
                        .thenComparing(Map.Entry.comparingByKey()))
                .toList();
    }

    private static String label(String category, List<Map.Entry<String, Integer>> top) {
        String theme = String.join(
                ", ",
                top.stream()
                        .map(Map.Entry::getKey)
                        .filter(t -> !t.isEmpty())
                        .limit(THEME_TOKENS)
                        .toList());
        return theme.isEmpty() ? category : category + " · " + theme;
    }

    private List<LatentProfile.Flag> flags(Postings.Firings firings, List<Hit> strongest) {
        if (strongest.isEmpty()) {
            return List.of(LatentProfile.Flag.DEAD);
        }
        List<LatentProfile.Flag> flags = new ArrayList<>();
        if (strongest.size() < FEWEST_FOR_FLAGS) {
            return flags;
        }
        double enough = CONCENTRATED * strongest.size();
        if (topTokens(firings, strongest).getFirst().getValue() >= enough) {
            flags.add(LatentProfile.Flag.SINGLE_TOKEN);
        }
        Map<Integer, Integer> positions = new HashMap<>();
        for (Hit hit : strongest) {
            positions.merge(text.position()[firings.row()[hit.peak()]], 1, Integer::sum);
        }
        if (positions.entrySet().stream()
                .anyMatch(e -> e.getValue() + positions.getOrDefault(e.getKey() + 1, 0) >= enough)) {
            flags.add(LatentProfile.Flag.POSITION);
        }
        return flags;
    }

    private List<Example> examples(int latent, Postings.Firings firings, List<Hit> hits, float max) {
        List<Example> examples = new ArrayList<>();
        Set<List<String>> seen = new HashSet<>();
        List<List<Hit>> intervals = new ArrayList<>();
        for (int i = 0; i < config.intervals(); i++) {
            intervals.add(new ArrayList<>());
        }
        for (Hit hit : hits) {
            boolean shown = examples.size() < config.top()
                    && add(examples, seen, example(latent, -1, examples.size(), firings, hit));
            if (!shown) {
                intervals
                        .get(interval(Math.abs(hit.value()), max, config.intervals()))
                        .add(hit);
            }
        }
        for (int i = config.intervals() - 1; i >= 0; i--) {
            List<Hit> inside = intervals.get(i);
            List<Hit> members = ordered(inside, h -> mix(latent, inside.get(h).document()));
            List<Example> sampled = new ArrayList<>();
            for (int h = 0; h < members.size() && sampled.size() < config.perInterval(); h++) {
                add(sampled, seen, example(latent, i, 0, firings, members.get(h)));
            }
            sampled.sort(Comparator.comparingDouble((Example e) -> -Math.abs(e.activation()))
                    .thenComparingInt(Example::document));
            for (int rank = 0; rank < sampled.size(); rank++) {
                examples.add(sampled.get(rank).ranked(rank));
            }
        }
        return examples;
    }

    /** Adds an example unless one with the same text is there. */
    private static boolean add(List<Example> examples, Set<List<String>> seen, @Nullable Example example) {
        return example != null && seen.add(example.tokens()) && examples.add(example);
    }

    private @Nullable Example example(int latent, int interval, int rank, Postings.Firings firings, Hit hit) {
        int[] tokens = text.tokens()[hit.document()];
        int peakRow = firings.row()[hit.peak()];
        int peak = text.tokenOf(peakRow);
        if (peak < 0) {
            return null;
        }
        int from = Math.max(0, peak - IndexConfig.BEFORE);
        int to = Math.min(tokens.length, peak + 1 + IndexConfig.AFTER);
        float[] activations = new float[to - from];
        Arrays.fill(activations, Float.NaN);
        for (int row = peakRow;
                row >= 0 && text.document()[row] == hit.document() && text.tokenOf(row) >= from;
                row--) {
            activations[text.tokenOf(row) - from] = 0;
        }
        int rows = text.document().length;
        for (int row = peakRow; row < rows && text.document()[row] == hit.document() && text.tokenOf(row) < to; row++) {
            activations[text.tokenOf(row) - from] = 0;
        }
        for (int e = hit.from(); e < hit.to(); e++) {
            int at = text.tokenOf(firings.row()[e]) - from;
            if (at >= 0 && at < activations.length) {
                activations[at] = firings.value()[e];
            }
        }
        List<String> shown = Arrays.stream(tokens, from, to).mapToObj(pieces).toList();
        return new Example(
                latent,
                interval,
                rank,
                hit.document(),
                text.categoryOf(hit.document()),
                hit.value(),
                peak - from,
                text.position()[peakRow],
                from > 0,
                to < tokens.length,
                shown,
                activations);
    }

    /** A fixed random order of the documents for each latent (the finaliser of SplitMix64). */
    private int mix(int latent, int document) {
        long z = config.seed() * 0x9E3779B97F4A7C15L + ((long) latent << 32 | document) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return (int) ((z ^ (z >>> 31)) >>> 32);
    }
}
