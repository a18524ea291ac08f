package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.lm.Continuation;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.Sampler;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.sae.Activation;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class InterventionTest {
    private static final HookPoint MID = HookPoint.residPost(0);
    private static final HookPoint READ = new HookPoint(1, Site.LN2_NORMALIZED);
    private static final HookPoint WRITE = new HookPoint(1, Site.MLP_OUT);

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static Workers workers;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2);
        workers = new Workers(2);
    }

    @AfterAll
    static void close() {
        workers.close();
        model.close();
    }

    private static Intervention at(HookPoint in, HookPoint out, boolean errorKept, Edit... edits) {
        return new Intervention(
                RandomSae.loaded(model, RandomSae.of(in.block() + 3, in.equals(out)), in, out),
                model,
                List.of(edits),
                errorKept,
                Map.of(),
                workers);
    }

    private static int[] ids(int n) {
        return new SplittableRandom(n).ints(n, 0, 300).toArray();
    }

    private static Matrix changed(Intervention intervention, TokenBatch batch, Matrix rows) {
        Hook hook = Objects.requireNonNull(intervention.on(batch).get(MID));
        try (PointerScope _ = new PointerScope()) {
            return Tensors.matrix(hook.at(MID, Tensors.tensor(rows.data(), 1, rows.rows(), rows.cols())));
        }
    }

    @Test
    void everyEditMovesTheRowAsItsFormulaSays() {
        TokenBatch batch = TokenBatch.of(ids(9));
        Matrix h = model.activations(batch, MID);
        Sae sae = RandomSae.of(3, true);
        Latents f = new Encoder(sae, workers).encode(h);
        int row = 4;
        int latent = f.index()[f.starts()[row] + 3];
        double active = f.activation(row, latent);
        double[] d = new double[32];
        double along = 0;
        for (int c = 0; c < 32; c++) {
            d[c] = sae.decoder().at(latent, c);
            along += h.at(row, c) * d[c] / 2.25; // ‖d‖² = 1.5²
        }
        Map<Edit, Double> expected = Map.of(
                new Edit.Set(latent, 0),
                -active,
                new Edit.Set(latent, 2),
                2 - active,
                new Edit.Scale(latent, 3),
                2 * active,
                new Edit.Clamp(latent, 0, (float) active / 2),
                -active / 2,
                new Edit.Resample(latent, new float[] {7}, 1),
                7 - active,
                new Edit.Add(latent, -4),
                -4.0,
                new Edit.Project(latent, 0),
                -along,
                new Edit.Project(latent, -1),
                -2 * along,
                new Edit.Cap(latent, (float) along - 1),
                -1.0,
                new Edit.Cap(latent, (float) along + 1),
                0.0);
        assertTrue(active > 0.01);
        expected.forEach((edit, shift) -> {
            Matrix out = changed(at(MID, MID, true, edit), batch, h);
            for (int c = 0; c < 32; c++) {
                assertEquals(h.at(row, c) + shift * d[c], out.at(row, c), 1e-5, edit + " column " + c);
                assertEquals(h.at(0, c), out.at(0, c), "the model's first position stays");
            }
        });
    }

    @Test
    void withoutTheErrorTermTheReconstructionGoesOn() {
        TokenBatch batch = TokenBatch.of(ids(9));
        Matrix h = model.activations(batch, MID);
        Sae sae = RandomSae.of(3, true);
        Latents f = new Encoder(sae, workers).encode(h);
        Matrix expected = Matrix.zeros(9, 32);
        Decoder.decode(sae, f, expected, workers);
        int latent = f.index()[f.starts()[5]];
        float[] d = Arrays.copyOfRange(sae.decoder().data(), latent * 32, latent * 32 + 32);
        Matrix plain = changed(at(MID, MID, false), batch, h);
        Matrix without = changed(at(MID, MID, false, new Edit.Set(latent, 0)), batch, h);
        for (int c = 0; c < 32; c++) {
            assertEquals(expected.at(5, c), plain.at(5, c));
            assertEquals(expected.at(5, c) - f.activation(5, latent) * d[c], without.at(5, c), 1e-5);
        }
    }

    @Test
    void rowsAboveTheNormLimitPrefixAndPaddingStay() {
        int[] segments = {0, 0, 1, 1, 1, 2, 2, -1};
        TokenBatch batch = new TokenBatch(ids(8), 1, 8, segments);
        Matrix h = model.activations(batch, MID);
        for (int c = 0; c < 32; c++) {
            h.data()[h.offset(3) + c] = 100;
        }
        Intervention limited = new Intervention(
                RandomSae.loaded(model, RandomSae.of(3, true), MID, MID),
                model,
                List.of(new Edit.Add(0, 1)),
                true,
                Map.of(MID.toString(), 50.0),
                workers);
        Matrix out = changed(limited, batch, h);
        for (int row : new int[] {0, 1, 3, 7}) {
            assertArrayEquals(row(h, row), row(out, row), "row " + row);
        }
        for (int row : new int[] {2, 4, 5, 6}) {
            assertTrue(!Arrays.equals(row(h, row), row(out, row)), "row " + row);
        }
    }

    private static float[] row(Matrix m, int row) {
        return Arrays.copyOfRange(m.data(), m.offset(row), m.offset(row) + m.cols());
    }

    @Test
    void nothingToChangeLeavesTheTensor() {
        try (PointerScope _ = new PointerScope()) {
            Tensor rows = Tensors.tensor(new float[64], 1, 2, 32);
            Hook hook = Objects.requireNonNull(at(MID, MID, true).from(3).get(MID));
            assertSame(rows, hook.at(MID, rows));
        }
    }

    /** Two SAEs, one of them a transcoder, and edits that hold, or are drawn, at every position. */
    @Test
    void editsHoldOnGeneratedTokensAsInARunWithoutACache() {
        Interventions interventions = new Interventions(
                model,
                List.of(
                        at(MID, MID, true, new Edit.Add(5, 2), new Edit.Resample(7, new float[] {0, 1, 2, 3}, 9)),
                        at(READ, WRITE, false, new Edit.Scale(11, 3), new Edit.Set(20, 1))));
        int[] text = ids(6);
        Continuation cached = interventions.generate(text, 20, Sampler.mostLikely());
        Continuation plain = model.generate(text, 20, _ -> Map.of(), Sampler.mostLikely(), java.util.Set.of());
        assertTrue(!Arrays.equals(cached.ids(), plain.ids()), "the interventions change the text");
        for (int i = 0; i < cached.ids().length; i++) {
            TokenBatch batch = TokenBatch.of(text);
            try (PointerScope _ = new PointerScope()) {
                float[] p = Tensors.floats(model.logits(batch, interventions.on(batch))
                        .narrow(1, text.length - 1L, 1)
                        .log_softmax(2));
                int best = Sampler.mostLikely().next(p);
                assertEquals(best, cached.ids()[i], "token " + i);
                assertEquals(p[best], cached.logProbabilities()[i], 1e-4, "token " + i);
                text = Arrays.copyOf(text, text.length + 1);
                text[text.length - 1] = best;
            }
        }
    }

    @Test
    void theComparisonEqualsSumsOverBothDistributions() {
        Interventions interventions = new Interventions(model, List.of(at(MID, MID, true, new Edit.Add(5, 3))));
        int[] ids = ids(7);
        TokenBatch batch = TokenBatch.of(ids);
        List<Comparison.Place> places = Comparison.of(interventions, ids, 2);
        double[][] p = probabilities(batch, Map.of());
        double[][] q = probabilities(batch, interventions.on(batch));
        Latents f = new Encoder(RandomSae.of(3, true), workers).encode(model.activations(batch, MID));
        for (int i = 0; i < 7; i++) {
            Comparison.Place place = places.get(i);
            assertEquals(ids[i], place.id());
            assertEquals(f.activation(i, 5), place.activations().getFirst());
            double kl = 0;
            int raised = 0;
            int lowered = 0;
            for (int t = 0; t < 300; t++) {
                kl += p[i][t] * Math.log(p[i][t] / q[i][t]);
                raised = q[i][t] - p[i][t] > q[i][raised] - p[i][raised] ? t : raised;
                lowered = q[i][t] - p[i][t] < q[i][lowered] - p[i][lowered] ? t : lowered;
            }
            assertEquals(kl, place.kl(), 1e-5);
            if (i > 0) { // the first position is not changed
                assertTrue(kl > 1e-4);
                assertEquals(raised, place.raised().getFirst().id());
                assertEquals(
                        q[i][raised] - p[i][raised], place.raised().getFirst().by(), 1e-6);
                assertEquals(lowered, place.lowered().getFirst().id());
            }
            if (i < 6) {
                assertEquals(Math.log(p[i][ids[i + 1]]), place.logProbability(), 1e-5);
                assertEquals(Math.log(p[i][ids[i + 1]] / q[i][ids[i + 1]]), place.increase(), 1e-5);
            } else {
                assertTrue(Double.isNaN(place.increase()));
            }
        }
    }

    private static double[][] probabilities(TokenBatch batch, Map<HookPoint, Hook> hooks) {
        try (PointerScope _ = new PointerScope()) {
            Matrix logits = Tensors.matrix(model.logits(batch, hooks));
            double[][] p = new double[logits.rows()][logits.cols()];
            for (int row = 0; row < p.length; row++) {
                double sum = 0;
                for (int t = 0; t < p[row].length; t++) {
                    p[row][t] = Math.exp(logits.at(row, t));
                    sum += p[row][t];
                }
                for (int t = 0; t < p[row].length; t++) {
                    p[row][t] /= sum;
                }
            }
            return p;
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        assertRefused(
                "no latent 96; the SAE at blocks.0.hook_resid_post has latents 0 to 95",
                () -> at(MID, MID, true, new Edit.Add(96, 1)));
        assertRefused("latent 3 is named twice", () -> at(MID, MID, true, new Edit.Add(3, 1), new Edit.Set(3, 0)));
        assertRefused(
                "two SAEs change the rows at blocks.0.hook_resid_post",
                () -> new Interventions(model, List.of(at(MID, MID, true), at(MID, MID, false))));
        Sae wide = new Sae(
                Matrix.zeros(4, 64), new float[4], Matrix.zeros(4, 64), new float[64], new Activation.TopK(1), true);
        Provenance provenance = Provenance.here("toy", model.info().sha256(), "a", "", 5);
        String both = HookPoint.join(List.of(MID, HookPoint.residPost(1)));
        SaeFolder.Loaded crosscoder =
                new SaeFolder.Loaded(wide, new SaeInfo(provenance, both, both, Map.of(), Map.of()));
        assertRefused("is a crosscoder", () -> new Intervention(crosscoder, model, List.of(), true, Map.of(), workers));
    }

    private static void assertRefused(String says, org.junit.jupiter.api.function.Executable call) {
        String message = assertThrows(BadInput.class, call).getMessage();
        assertTrue(message != null && message.contains(says), message);
    }
}
