package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.index.Enrichment;
import org.loupe.index.StoreText;

/**
 * How well the documents of each band go by a category. A document is of the band that a latent's strongest activation in it has; as many
 * documents are drawn from each band as the band with the fewest has, {@value #MOST} at most; latents with fewer than {@value #FEWEST} are
 * left out.
 *
 * @param latents that were looked at
 * @param labelled share of them with a clear category, by band; the last: documents of any band
 * @param chance the same with the categories dealt out anew among the documents
 * @param lift of the category that one half of the strongest band's documents suggests: hits over the hits that the category's
 *     frequency makes one expect, summed over latents; in the strongest band on the other half
 */
record BandLabels(int latents, double[] labelled, double[] chance, double[] lift) {
    private static final int MOST = 50;
    private static final int FEWEST = 20;
    private static final int ANY = Bands.COUNT;

    static BandLabels of(FiringLists firings, Bands bands, StoreText text, long seed) {
        Enrichment.Base base =
                Enrichment.Base.of(text.category(), text.categories().size());
        int[] dealt = dealt(text.category(), new SplittableRandom(seed));
        double[] labelled = new double[ANY + 1];
        double[] chance = new double[ANY + 1];
        double[] hits = new double[ANY + 1];
        double[] expected = new double[ANY + 1];
        int looked = 0;
        for (int i = 0; i < firings.latents(); i++) {
            int[][] drawn = drawn(firings, bands, text.document(), i, new SplittableRandom(seed * 1_000_003 + i));
            if (drawn.length == 0) {
                continue;
            }
            looked++;
            int top = Bands.COUNT - 1;
            int half = drawn[top].length / 2;
            Enrichment.Best suggested = Enrichment.best(Arrays.copyOf(drawn[top], half), text.category(), base);
            for (int b = 0; b <= ANY; b++) {
                labelled[b] += clear(Enrichment.best(drawn[b], text.category(), base), text) ? 1 : 0;
                chance[b] += clear(Enrichment.best(drawn[b], dealt, base), text) ? 1 : 0;
                if (suggested != null) {
                    for (int d = b == top ? half : 0; d < drawn[b].length; d++) {
                        int category = text.category()[drawn[b][d]];
                        hits[b] += category == suggested.category() ? 1 : 0;
                        expected[b] += category >= 0 ? suggested.enrichment().base() : 0;
                    }
                }
            }
        }
        for (int b = 0; b <= ANY; b++) {
            labelled[b] /= looked;
            chance[b] /= looked;
            hits[b] /= expected[b];
        }
        return new BandLabels(looked, labelled, chance, hits);
    }

    private static boolean clear(Enrichment.@Nullable Best best, StoreText text) {
        return best != null && best.enrichment().clear(text.categories().size());
    }

    /** The categories dealt out anew among the documents that have one. */
    private static int[] dealt(int[] category, SplittableRandom random) {
        int[] documents = IntStream.range(0, category.length)
                .filter(d -> category[d] >= 0)
                .toArray();
        int[] order = documents.clone();
        shuffle(order, random);
        int[] dealt = category.clone();
        for (int i = 0; i < order.length; i++) {
            dealt[documents[i]] = category[order[i]];
        }
        return dealt;
    }

    /** Documents of each band, then of any, as many of each; none where they are too few. */
    private static int[][] drawn(
            FiringLists firings, Bands bands, int[] document, int latent, SplittableRandom random) {
        List<List<Integer>> byBand = new ArrayList<>();
        IntStream.rangeClosed(0, ANY).forEach(_ -> byBand.add(new ArrayList<>()));
        int[] row = firings.row()[latent];
        float[] value = firings.value()[latent];
        for (int from = 0; from < row.length; ) {
            int of = document[row[from]];
            float peak = value[from];
            for (; from < row.length && document[row[from]] == of; from++) {
                peak = Math.max(peak, value[from]);
            }
            byBand.get(bands.of(latent, peak)).add(of);
            byBand.get(ANY).add(of);
        }
        int count = Math.min(MOST, byBand.stream().mapToInt(List::size).min().orElse(0));
        if (count < FEWEST) {
            return new int[0][];
        }
        return byBand.stream()
                .map(all -> {
                    int[] documents = all.stream().mapToInt(d -> d).toArray();
                    shuffle(documents, random);
                    return Arrays.copyOf(documents, count);
                })
                .toArray(int[][]::new);
    }

    private static void shuffle(int[] values, SplittableRandom random) {
        for (int i = values.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int held = values[i];
            values[i] = values[j];
            values[j] = held;
        }
    }
}
