package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.RowSource;
import org.loupe.eval.TrueFeature;
import org.loupe.index.StoreText;
import org.loupe.sae.Activation;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.synth.Codes;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

final class BandsTest {
    private static final int N = 5_000;
    private static final int D = 6;
    private static final int M = 9;

    private final SplittableRandom random = new SplittableRandom(11);
    private final Matrix x = gaussian(N, D);
    private final Matrix g = gaussian(N, D);
    private final Sae sae =
            new Sae(gaussian(M, D), new float[M], gaussian(M, D), gaussian(1, D).data(), new Activation.TopK(3), true);

    private Matrix gaussian(int rows, int cols) {
        Matrix all = Matrix.zeros(rows, cols);
        for (int i = 0; i < rows * cols; i++) {
            all.data()[i] = (float) random.nextGaussian();
        }
        return all;
    }

    private static FiringLists lists(float... values) {
        return new FiringLists(new int[][] {IntStream.range(0, values.length).toArray()}, new float[][] {values});
    }

    @Test
    void aQuarterOfTheActivationsIsInEach() {
        Bands bands = Bands.of(lists(8, 1, 7, 2, 6, 3, 5, 4));
        int[] of = IntStream.rangeClosed(1, 8).map(v -> bands.of(0, v)).toArray();
        assertArrayEquals(new int[] {0, 0, 1, 1, 2, 2, 3, 3}, of);
        assertArrayEquals(new float[] {1.5f, 3.5f, 5.5f, 7.5f}, bands.means()[0]);
    }

    @Test
    void everyActivationOfTheRowsIsListed() {
        try (Workers workers = new Workers(2)) {
            FiringLists lists = FiringLists.of(sae, new MatrixRows(x), workers);
            Latents f = new Encoder(sae, workers).encode(x);
            assertEquals(
                    f.entries(),
                    Arrays.stream(lists.row()).mapToInt(r -> r.length).sum());
            for (int i = 0; i < M; i++) {
                for (int n = 0; n < lists.row()[i].length; n++) {
                    assertEquals(f.activation(lists.row()[i][n], i), lists.value()[i][n]);
                    assertTrue(n == 0 || lists.row()[i][n] > lists.row()[i][n - 1]);
                }
            }
        }
    }

    /** Against the decoder's sum written out, entry by entry. */
    @Test
    void editsChangeTheirBandAndNothingElse() {
        try (Workers workers = new Workers(2)) {
            Bands bands = Bands.of(FiringLists.of(sae, new MatrixRows(x), workers));
            Latents f = new Encoder(sae, workers).encode(x);
            BandEdit.Rule[] rules = {
                BandEdit.Rule.zeroed(bands, 0), BandEdit.Rule.averaged(bands, 1), BandEdit.Rule.alone(bands, 3)
            };
            for (int n = 0; n < rules.length; n++) {
                BandEdit edit = new BandEdit(sae, rules[n], workers);
                Matrix out = Matrix.zeros(N, D);
                edit.apply(x, out);
                int changed = 0;
                for (int r = 0; r < N; r++) {
                    double[] expected = new double[D];
                    for (int c = 0; c < D; c++) {
                        expected[c] = sae.decoderBias()[c];
                    }
                    for (int i = 0; i < M; i++) {
                        float value = f.activation(r, i);
                        if (value == 0) {
                            continue;
                        }
                        int band = bands.of(i, value);
                        float kept = switch (n) {
                            case 0 -> band == 0 ? 0 : value;
                            case 1 -> band == 1 ? bands.means()[i][1] : value;
                            default -> band == 3 ? value : 0;
                        };
                        changed += kept == value ? 0 : 1;
                        for (int c = 0; c < D; c++) {
                            expected[c] += kept * sae.decoder().at(i, c);
                        }
                    }
                    for (int c = 0; c < D; c++) {
                        assertEquals(expected[c], out.at(r, c), 1e-4);
                    }
                }
                assertEquals((double) changed / f.entries(), edit.share(), 1e-12);
            }
        }
    }

    @Test
    void aRandomQuarterIsAQuarterOfNumberAndEnergy() {
        try (Workers workers = new Workers(2)) {
            BandEdit edit = new BandEdit(sae, BandEdit.Rule.random(3), workers);
            edit.apply(x, Matrix.zeros(N, D));
            assertEquals(0.25, edit.share(), 0.015); // four deviations of 15,000 draws
            assertEquals(0.25, edit.energyShare(), 0.025);
        }
    }

    @Test
    void effectsOfAllBandsAddUpToTheLatents() {
        RowSource rows = new GradientRows(x, g);
        try (Workers workers = new Workers(2)) {
            Bands bands = Bands.of(FiringLists.of(sae, rows, workers));
            BandEffects byBand = BandEffects.of(sae, bands, rows, N, workers);
            FisherEffects whole = FisherEffects.of(sae, rows, N, workers);
            for (int i = 0; i < M; i++) {
                double effect = Arrays.stream(byBand.effect()[i]).sum();
                assertEquals(whole.effect()[i], effect, 1e-9 * effect);
                double weighed = 0;
                for (int b = 0; b < Bands.COUNT; b++) {
                    weighed += byBand.ratios(b)[i]
                            * byBand.energy()[i][b]
                            / Arrays.stream(byBand.energy()[i]).sum();
                }
                assertEquals(1, weighed, 1e-9);
            }
        }
    }

    @Test
    void trueFiringsAreThoseOnTheFeaturesRows() {
        Latents f = new Latents(new int[] {0, 2, 3, 4, 5}, new int[] {0, 1, 0, 0, 0}, new float[] {1, 9, 2, 3, 4}, 2);
        Bands bands = new Bands(new float[][] {{2, 3, 4}, {2, 3, 4}}, new float[2][4]);
        Codes codes = new Codes(new int[] {0, 1, 2, 2, 3}, new int[] {5, 7, 7}, new float[] {1, 1, 1});
        List<TrueFeature> features = List.of(feature(5, 1, 0.5), feature(7, 0, 0.95));
        assertArrayEquals(new double[] {0, 1, 0, 1, 0.5}, BandMeasures.trueFirings(f, bands, features, codes));
    }

    private static TrueFeature feature(int feature, int latent, double cosine) {
        return new TrueFeature(feature, -1, 0.1, 1, latent, cosine, 1, 1, 1, 1, 1, 0);
    }

    /** A latent whose strong documents are all of category 0, a tenth of all, and whose others are of any. */
    @Test
    void labelsAreFoundWhereTheyAre() {
        int documents = 2_000;
        int[] document = IntStream.range(0, documents).toArray();
        int[] category = IntStream.range(0, documents).map(d -> d % 10).toArray();
        float[] value = new float[documents];
        int strong = 0;
        for (int d = 0; d < documents; d++) {
            boolean high = category[d] == 0;
            value[d] = high ? 10 + strong++ : 1 + (float) random.nextDouble();
        }
        int[] fires = IntStream.range(0, documents)
                .filter(d -> category[d] == 0 || d % 3 == 0)
                .toArray();
        float[] values = new float[fires.length];
        for (int i = 0; i < fires.length; i++) {
            values[i] = value[fires[i]];
        }
        FiringLists lists = new FiringLists(new int[][] {fires, {}}, new float[][] {values, {}});
        StoreText text = new StoreText(
                document,
                new int[documents],
                0,
                new int[documents][],
                category,
                IntStream.range(0, 10).mapToObj(String::valueOf).toList());
        BandLabels labels = BandLabels.of(lists, Bands.of(lists), text, 1);
        assertEquals(1, labels.latents());
        assertEquals(1, labels.labelled()[3]);
        assertEquals(0, labels.labelled()[0]);
        assertEquals(0, labels.chance()[3]);
        assertEquals(10, labels.lift()[3], 1e-9);
        assertTrue(labels.lift()[0] < 1);
    }
}
