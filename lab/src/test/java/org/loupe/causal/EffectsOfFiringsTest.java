package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.sae.Encoder;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Attribution and exact ablation against whole runs of the model with moved rows, summed in double. */
class EffectsOfFiringsTest {
    private static final HookPoint MID = HookPoint.residPost(0);
    private static final HookPoint READ = new HookPoint(1, Site.LN2_NORMALIZED);
    private static final HookPoint WRITE = new HookPoint(1, Site.MLP_OUT);
    private static final int LENGTH = 14;

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static Workers workers;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2);
        workers = new Workers(1);
    }

    @AfterAll
    static void close() {
        workers.close();
        model.close();
    }

    private static TokenBatch packed() {
        int[] ids = new SplittableRandom(3).ints(2L * LENGTH, 0, 300).toArray();
        int[] segments = {0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, -1, -1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        return new TokenBatch(ids, 2, LENGTH, segments);
    }

    /** An SAE, where it writes, and everything that was measured with it. */
    private record Case(Sae sae, HookPoint written, Attribution attribution, Firings firings, Matrix h) {
        static Case autoencoder() {
            return of(RandomSae.of(3, true), MID, MID);
        }

        static Case transcoder() {
            return of(RandomSae.of(4, false), READ, WRITE);
        }

        private static Case of(Sae sae, HookPoint in, HookPoint out) {
            SaeFolder.Loaded loaded = RandomSae.loaded(model, sae, in, out);
            Attribution attribution = new Attribution(model, loaded, Map.of());
            Firings firings = attribution.firings(packed(), new OutputLoss.CrossEntropy(), 1);
            return new Case(sae, out, attribution, firings, model.activations(packed(), out));
        }

        /** The rows with one moved by {@code by} along a latent's dictionary row. */
        Matrix moved(int row, int latent, double by) {
            return moved(h, row, latent, by);
        }

        Matrix moved(Matrix rows, int row, int latent, double by) {
            Matrix out = new Matrix(rows.rows(), rows.cols(), rows.data().clone());
            for (int c = 0; c < rows.cols(); c++) {
                out.data()[out.offset(row) + c] += (float) (by * sae.decoder().at(latent, c));
            }
            return out;
        }

        /** log p [tokens][vocabulary] with rows in place of the model's. */
        double[][] run(Matrix rows) {
            try (PointerScope _ = new PointerScope()) {
                Matrix logits = Tensors.matrix(model.logits(
                        packed(), Map.of(written, (_, _) -> Tensors.tensor(rows.data(), 2, LENGTH, rows.cols()))));
                double[][] p = new double[logits.rows()][logits.cols()];
                for (int r = 0; r < p.length; r++) {
                    double sum = 0;
                    for (int t = 0; t < p[r].length; t++) {
                        sum += Math.exp(logits.at(r, t));
                    }
                    for (int t = 0; t < p[r].length; t++) {
                        p[r][t] = logits.at(r, t) - Math.log(sum);
                    }
                }
                return p;
            }
        }
    }

    private static double crossEntropy(double[][] logP) {
        double sum = 0;
        for (int row : packed().predicting()) {
            sum -= logP[row][packed().ids()[row + 1]];
        }
        return sum;
    }

    private static double kl(double[] p, double[] q) {
        return IntStream.range(0, p.length)
                .mapToDouble(t -> Math.exp(p[t]) * (p[t] - q[t]))
                .sum();
    }

    @Test
    void firingsAreThoseOfDocumentsWithATokenToCome() {
        for (Case one : List.of(Case.autoencoder(), Case.transcoder())) {
            int[] rows = Arrays.stream(one.firings.row()).distinct().toArray();
            assertArrayEquals(
                    new int[] {1, 2, 3, 4, 6, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26}, rows);
            assertEquals(8 * rows.length, one.firings.count());
        }
    }

    @Test
    void theEffectIsTheSlopeOfTheLossAlongTheLatent() {
        for (Case one : List.of(Case.autoencoder(), Case.transcoder())) {
            double largest =
                    Arrays.stream(one.firings.effect()).map(Math::abs).max().orElseThrow();
            assertTrue(largest > 1e-3);
            for (int i = 0; i < one.firings.count(); i += 11) {
                int row = one.firings.row()[i];
                int latent = one.firings.latent()[i];
                double f = one.firings.activation()[i];
                double step = 0.02;
                double slope = (crossEntropy(one.run(one.moved(row, latent, -step * f)))
                                - crossEntropy(one.run(one.moved(row, latent, step * f))))
                        / (2 * step);
                assertEquals(slope, one.firings.effect()[i], 0.01 * largest, "firing " + i);
            }
        }
    }

    @Test
    void integratedGradientsAddUpToWhatAllLatentsTogetherDo() {
        List<OutputLoss> losses = List.of(
                new OutputLoss.CrossEntropy(),
                new OutputLoss.KullbackLeibler(),
                new OutputLoss.LogitDifference(26, 17, 130));
        for (Case one : List.of(Case.autoencoder(), Case.transcoder())) {
            Matrix none = new Matrix(one.h.rows(), one.h.cols(), one.h.data().clone());
            for (int i = 0; i < one.firings.count(); i++) {
                for (int c = 0; c < none.cols(); c++) {
                    none.data()[none.offset(one.firings.row()[i]) + c] -= one.firings
                                    .activation()[i]
                            * one.sae.decoder().at(one.firings.latent()[i], c);
                }
            }
            double[][] p = one.run(one.h);
            double[][] q = one.run(none);
            double kl = IntStream.of(packed().predicting())
                    .mapToDouble(row -> kl(p[row], q[row]))
                    .sum();
            double difference = (q[26][130] - q[26][17]) - (p[26][130] - p[26][17]);
            double[] expected = {crossEntropy(q) - crossEntropy(p), kl, difference};
            double[] sums = new double[losses.size()];
            model.sideBySide(
                    sums.length,
                    l -> sums[l] = Arrays.stream(one.attribution
                                    .firings(packed(), losses.get(l), 80)
                                    .effect())
                            .sum());
            for (int l = 0; l < losses.size(); l++) {
                assertEquals(
                        expected[l],
                        sums[l],
                        0.01 * Math.abs(expected[l]) + 1e-3,
                        losses.get(l).toString());
                assertTrue(Math.abs(expected[l]) > 0.05, losses.get(l).toString());
            }
        }
    }

    @Test
    void anAblatedFiringIsAWholeRunWithoutIt() {
        for (Case one : List.of(Case.autoencoder(), Case.transcoder())) {
            float[] strongest = new float[RandomSae.LATENTS];
            Arrays.fill(strongest, 2.5f);
            int[] which = IntStream.range(0, one.firings.count())
                    .filter(i -> i % 5 == 0)
                    .toArray();
            List<Ablated> measured;
            try (PointerScope _ = new PointerScope()) {
                Attribution.Result run = one.attribution.run(
                        packed(), new OutputLoss.CrossEntropy(), 1, new Encoder(one.sae, workers), List.of());
                measured = new Ablations(model, one.sae, packed(), one.written, run).of(which, strongest);
            }
            double[][] p = one.run(one.h);
            for (int n = 0; n < which.length; n++) {
                Ablated ablated = measured.get(n);
                int row = one.firings.row()[which[n]];
                int latent = one.firings.latent()[which[n]];
                double[][] q = one.run(one.moved(row, latent, -one.firings.activation()[which[n]]));
                double[][] more = one.run(one.moved(row, latent, 2.5));
                double kl = IntStream.of(packed().predicting())
                        .mapToDouble(r -> kl(p[r], q[r]))
                        .sum();
                assertEquals(latent, ablated.latent());
                assertEquals(one.firings.effect()[which[n]], ablated.attribution(), 1e-6);
                assertEquals(crossEntropy(q) - crossEntropy(p), ablated.increase(), 1e-4);
                assertEquals(kl, ablated.kl(), 1e-5 + 1e-3 * kl);
                assertEquals(kl(p[row], more[row]), ablated.amplifiedKl(), 1e-5 + 1e-3 * ablated.amplifiedKl());
                assertEquals(confidence(more[row]) - confidence(p[row]), ablated.confidence(), 1e-4);
                int up = furthest(p[row], q[row]);
                assertEquals(up, ablated.raised().getFirst().id());
                assertEquals(
                        Math.exp(p[row][up]) - Math.exp(q[row][up]),
                        ablated.raised().getFirst().by(),
                        1e-6);
                assertEquals(
                        furthest(q[row], p[row]), ablated.lowered().getFirst().id());
            }
            assertTrue(measured.stream().mapToDouble(Ablated::kl).max().orElse(0) > 1e-3);
        }
    }

    @Test
    void aTextIsAttributedToTheFiringsThatReachWhatIsJudged() {
        int last = 2 * LENGTH - 1;
        for (Case one : List.of(Case.autoencoder(), Case.transcoder())) {
            double[][] p = one.run(one.h);
            for (OutputLoss loss : List.of(
                    new OutputLoss.CrossEntropy(),
                    new OutputLoss.KullbackLeibler(),
                    new OutputLoss.LogitDifference(last, 17, 130))) {
                SaeFolder.Loaded loaded =
                        RandomSae.loaded(model, one.sae, one.written.equals(MID) ? MID : READ, one.written);
                TextAttribution found = TextAttribution.of(model, loaded, Map.of(), packed(), loss, 3, 9);
                assertEquals(value(loss, p, p), found.loss(), 1e-4, loss.toString());
                assertEquals(9, found.strongest().length);
                for (int s = 0; s < 9; s++) {
                    int i = found.strongest()[s];
                    double[][] q = one.run(one.moved(
                            found.firings().row()[i],
                            found.firings().latent()[i],
                            -found.firings().activation()[i]));
                    assertEquals(value(loss, q, p) - value(loss, p, p), found.exact()[s], 1e-4, loss.toString());
                    if (s > 0) {
                        assertTrue(Math.abs(found.firings().effect()[i])
                                <= Math.abs(found.firings().effect()[found.strongest()[s - 1]]));
                    }
                }
                Matrix none = one.h;
                for (int i = 0; i < found.firings().count(); i++) {
                    none = one.moved(
                            none,
                            found.firings().row()[i],
                            found.firings().latent()[i],
                            -found.firings().activation()[i]);
                }
                assertEquals(value(loss, one.run(none), p) - value(loss, p, p), found.together(), 1e-3);
                if (loss instanceof OutputLoss.LogitDifference) {
                    assertArrayEquals(
                            IntStream.rangeClosed(15, last).toArray(),
                            Arrays.stream(found.firings().row()).distinct().toArray(),
                            "the last token and those before it in its document");
                }
            }
        }
    }

    private static double value(OutputLoss loss, double[][] q, double[][] p) {
        return switch (loss) {
            case OutputLoss.CrossEntropy _ -> crossEntropy(q);
            case OutputLoss.KullbackLeibler _ ->
                IntStream.of(packed().predicting())
                        .mapToDouble(r -> kl(p[r], q[r]))
                        .sum();
            case OutputLoss.LogitDifference d -> q[d.row()][d.other()] - q[d.row()][d.token()];
            case OutputLoss.Drawn _ -> throw new IllegalArgumentException();
        };
    }

    @Test
    void theNextTokensComparedAreTheLikeliestUnlessNamed() {
        TokenBatch text = new TokenBatch(new int[] {0, 5, 9, 31}, 1, 4, new int[] {0, 1, 1, 1});
        List<Integer> order;
        try (PointerScope _ = new PointerScope()) {
            Matrix logits = Tensors.matrix(model.logits(text, Map.of()));
            order = IntStream.range(0, logits.cols())
                    .boxed()
                    .sorted(Comparator.comparingDouble(t -> -logits.at(3, t)))
                    .toList();
        }
        OptionalInt none = OptionalInt.empty();
        OptionalInt best = OptionalInt.of(order.getFirst());
        assertEquals(
                new OutputLoss.LogitDifference(3, order.get(0), order.get(1)),
                OutputLoss.LogitDifference.afterLast(model, text, none, none));
        assertEquals(
                new OutputLoss.LogitDifference(3, 7, order.getFirst()),
                OutputLoss.LogitDifference.afterLast(model, text, OptionalInt.of(7), none));
        assertEquals(
                new OutputLoss.LogitDifference(3, order.get(1), order.get(0)),
                OutputLoss.LogitDifference.afterLast(model, text, none, best));
    }

    private static double confidence(double[] logP) {
        double[] sorted = logP.clone();
        Arrays.sort(sorted);
        return -Arrays.stream(sorted, sorted.length - Ablated.CONFIDENT, sorted.length)
                .average()
                .orElseThrow();
    }

    private static int furthest(double[] p, double[] q) {
        int best = 0;
        for (int t = 1; t < p.length; t++) {
            best = Math.exp(p[t]) - Math.exp(q[t]) > Math.exp(p[best]) - Math.exp(q[best]) ? t : best;
        }
        return best;
    }

    @Test
    void sideBySideGivesTheSameBits() {
        Case one = Case.autoencoder();
        double[][] effects = new double[4][];
        model.sideBySide(
                4,
                i -> effects[i] = one.attribution
                        .firings(packed(), new OutputLoss.CrossEntropy(), 1)
                        .effect());
        for (double[] effect : effects) {
            assertArrayEquals(effects[0], Objects.requireNonNull(effect));
        }
        assertArrayEquals(one.firings.effect(), effects[0], 1e-6);
    }
}
