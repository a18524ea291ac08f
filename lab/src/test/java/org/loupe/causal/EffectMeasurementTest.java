package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;

/** The figures of latents against sums over their firings, taken anew. */
class EffectMeasurementTest {
    private static final HookPoint MID = HookPoint.residPost(0);
    private static final int LENGTH = 12;

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static SaeFolder.Loaded loaded;
    private static List<TokenBatch> batches;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2);
        loaded = RandomSae.loaded(model, RandomSae.of(3, true), MID, MID);
        batches = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(8);
        for (int b = 0; b < 5; b++) {
            batches.add(TokenBatch.causal(random.ints(2L * LENGTH, 0, 300).toArray(), 2, LENGTH));
        }
    }

    @AfterAll
    static void close() {
        model.close();
    }

    /** As a store would know the latents, whose rows are the same ones. */
    private static EffectMeasurement.Known known() {
        long[] count = new long[RandomSae.LATENTS];
        float[] strongest = new float[RandomSae.LATENTS];
        float[][] bands = new float[RandomSae.LATENTS][3];
        List<List<Float>> values = IntStream.range(0, RandomSae.LATENTS)
                .mapToObj(_ -> (List<Float>) new ArrayList<Float>())
                .toList();
        for (Firings firings : firings()) {
            for (int i = 0; i < firings.count(); i++) {
                values.get(firings.latent()[i]).add(firings.activation()[i]);
            }
        }
        for (int l = 0; l < count.length; l++) {
            List<Float> sorted = values.get(l).stream().sorted().toList();
            count[l] = sorted.size();
            for (int b = 0; b < 3 && !sorted.isEmpty(); b++) {
                bands[l][b] = sorted.get((b + 1) * (sorted.size() - 1) / 4);
            }
            strongest[l] = sorted.isEmpty() ? 0 : sorted.getLast();
        }
        return new EffectMeasurement.Known(count, 10L * (LENGTH - 1), strongest, bands);
    }

    private static List<Firings> firings() {
        Attribution attribution = new Attribution(model, loaded, Map.of());
        return batches.stream()
                .map(batch -> attribution.firings(batch, new OutputLoss.CrossEntropy(), 1))
                .toList();
    }

    private static Effects measure(int exact, LanguageModel on) {
        return EffectMeasurement.run(
                on, loaded, batches, new EffectConfig(1000, exact, 1, 7), known(), Map.of(), Progress.NONE);
    }

    @Test
    void figuresAreThoseOfTheFirings() {
        Effects effects = measure(1000, model);
        List<Firings> all = firings();
        assertEquals(10 * (LENGTH - 1), effects.tokens());
        for (LatentEffect latent : effects.latents()) {
            double effect = 0;
            double size = 0;
            double energy = 0;
            double up = 0;
            double n = 0;
            List<double[]> sequences = new ArrayList<>();
            for (Firings firings : all) {
                double[][] own = new double[2][2];
                for (int i = 0; i < firings.count(); i++) {
                    if (firings.latent()[i] == latent.latent()) {
                        double a = firings.effect()[i];
                        double e = firings.activation()[i] * firings.activation()[i] * 2.25; // ‖d‖ = 1.5
                        effect += a;
                        size += Math.abs(a);
                        energy += e;
                        up += a > 0 ? 1 : 0;
                        n++;
                        own[firings.row()[i] / LENGTH][0] += Math.abs(a);
                        own[firings.row()[i] / LENGTH][1] += e;
                    }
                }
                sequences.addAll(Arrays.asList(own));
            }
            assertEquals(Math.round(n), latent.firings());
            assertEquals(n, latent.ablated(), "every firing is ablated where as many are asked for");
            if (n > 0) {
                double ratio = size / energy;
                double rest = sequences.stream()
                        .mapToDouble(s -> (s[0] - ratio * s[1]) * (s[0] - ratio * s[1]))
                        .sum();
                assertEquals(effect / n, latent.attribution(), 1e-9);
                assertEquals(size / n, latent.attributionSize(), 1e-9);
                assertEquals(Math.max(up, n - up) / n, latent.signConsistency(), 1e-12);
                assertEquals(ratio, latent.perEnergy(), 1e-5 * ratio);
                assertEquals(Math.sqrt(rest * 10 / 9) / energy, latent.perEnergyError(), 1e-4 * ratio);
                assertEquals(latent.kl() * n, latent.total(), 1e-12);
            }
        }
        EffectSummary summary = effects.summary();
        assertEquals(all.stream().mapToInt(Firings::count).sum(), (int) summary.firings());
        assertEquals(summary.firings(), summary.ablated());
        for (ToDoubleFunction<EffectSummary.Band> share : List.<ToDoubleFunction<EffectSummary.Band>>of(
                EffectSummary.Band::energy, EffectSummary.Band::attribution, EffectSummary.Band::kl)) {
            assertEquals(1, summary.bands().stream().mapToDouble(share).sum(), 1e-9);
        }
        assertTrue(
                summary.bands().getFirst().energy() < summary.bands().getLast().energy());
    }

    @Test
    void someFiringsAreDrawnAndTheSameOnesByAnyNumberOfThreads() {
        Effects two = measure(3, model);
        try (LanguageModel single = LanguageModel.load(ToyModel.write(folder), Precision.F32, 1)) {
            assertEquals(two.toString(), measure(3, single).toString());
        }
        double drawn = two.latents().stream().mapToInt(LatentEffect::ablated).sum();
        double wanted =
                two.latents().stream().mapToLong(l -> Math.min(3, l.firings())).sum();
        assertEquals(wanted, drawn, 4 * Math.sqrt(wanted), "as many as asked for, but for chance");
        assertEquals(0, measure(0, model).summary().ablated());
    }

    /** The first batch's documents have one token each. */
    @Test
    void aTextMayBeginWithNothingToPredict() {
        int[] ids = batches.getFirst().ids();
        int[] segments = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            segments[i] = i % LENGTH;
        }
        List<TokenBatch> text = new ArrayList<>(batches);
        text.addFirst(new TokenBatch(ids, 2, LENGTH, segments));
        Effects effects = EffectMeasurement.run(
                model, loaded, text, new EffectConfig(1000, 0, 1, 7), known(), Map.of(), Progress.NONE);
        assertEquals(measure(0, model).summary().firings(), effects.summary().firings());
        assertEquals(
                firings().stream().mapToInt(f -> f.count() / 8).sum(),
                effects.summary().dimension().rows());
        assertTrue(effects.summary().dimension().effectiveRank() > 1);
    }

    /** Where firings move the rows by little, first order is nearly exact; where by much (‖d‖ = 1.5), it is not. */
    @Test
    void theAgreementIsThatOfFirstOrderWithExact() {
        Sae coarse = RandomSae.of(3, true);
        Matrix fine = new Matrix(RandomSae.LATENTS, 32, coarse.decoder().data().clone());
        for (int i = 0; i < fine.data().length; i++) {
            fine.data()[i] *= 0.02f;
        }
        Sae small =
                new Sae(coarse.encoder(), coarse.encoderBias(), fine, coarse.decoderBias(), coarse.activation(), true);
        EffectSummary.Agreement agreement = EffectMeasurement.run(
                        model,
                        RandomSae.loaded(model, small, MID, MID),
                        batches,
                        new EffectConfig(1000, 1000, 1, 7),
                        known(),
                        Map.of(),
                        Progress.NONE)
                .summary()
                .agreement();
        assertTrue(agreement.spearmanFirings() > 0.99, agreement.toString());
        assertTrue(agreement.spearmanLatents() > 0.99, agreement.toString());
        assertTrue(agreement.sameSign() > 0.97, agreement.toString());
        double far = measure(1000, model).summary().agreement().spearmanFirings();
        assertTrue(far > 0.3 && far < 0.9, String.valueOf(far));
    }

    @Test
    void aShareIsCarriedByTheLargestFew() {
        assertEquals(0.25, EffectSummary.carry(new double[] {1, 7, 1, 1}, 0.7));
        assertEquals(0.75, EffectSummary.carry(new double[] {1, 7, 1, 1}, 0.9));
    }

    @Test
    void whatCannotBeMeasuredIsRefused() {
        assertThrows(BadInput.class, () -> new EffectConfig(0, 1, 1, 0));
        assertThrows(BadInput.class, () -> new EffectConfig(1, 1, 0, 0));
        SaeFolder.Loaded other = RandomSae.loaded(model, RandomSae.of(3, true), MID, MID);
        SaeFolder.Loaded elsewhere = new SaeFolder.Loaded(
                other.sae(),
                new SaeInfo(
                        Provenance.here("other", "abc", "a", MID.toString(), 5),
                        MID.toString(),
                        MID.toString(),
                        Map.of(),
                        Map.of()));
        assertThrows(BadInput.class, () -> new Attribution(model, elsewhere, Map.of()));
    }
}
