package org.loupe.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.DoubleFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.lm.FrozenToy;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.MlpRule;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Edges against a double-precision model of the same frozen computation, written apart from the one under test. */
class TracerTest {
    private static final HookPoint FIRST = HookPoint.residPost(0);
    private static final HookPoint SECOND = HookPoint.residPost(1);
    private static final HookPoint READ = new HookPoint(1, Site.LN2_NORMALIZED);
    private static final HookPoint WRITE = new HookPoint(1, Site.MLP_OUT);
    private static final int[] IDS = ids();
    private static final Prompt PROMPT = new Prompt("toy", IDS, 1);

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static LanguageModel linear;
    private static Workers workers;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder.resolve("toy")), Precision.F32, 2);
        linear = LanguageModel.load(
                ToyModel.write(folder.resolve("linear"), ToyModel.weightsWithoutMlps()), Precision.F32, 2);
        workers = new Workers(2);
    }

    @AfterAll
    static void close() {
        workers.close();
        model.close();
        linear.close();
    }

    static int[] ids() {
        int[] ids = new SplittableRandom(4).ints(7, 0, 256).toArray();
        ids[0] = 260;
        return ids;
    }

    static List<TracedSae> autoencoders(LanguageModel of) {
        return TracedSae.all(
                List.of(
                        ToySaes.at(ToySaes.autoencoder(2), SECOND, SECOND, of),
                        ToySaes.at(ToySaes.scored(1), FIRST, FIRST, of)),
                of,
                Map.of());
    }

    private static AttributionGraph graph(LanguageModel of, List<TracedSae> saes, MlpRule rule) {
        return Tracer.trace(of, saes, PROMPT, new TraceConfig(0.8, 0.98, 1000, rule), workers, (_, _) -> {});
    }

    /** What a source adds to the row of its token: f d, the error, or the embedding. */
    private static double[] vector(AttributionGraph graph, LanguageModel of, GraphNode node) {
        double[] out = new double[ToySaes.WIDTH];
        switch (node) {
            case GraphNode.Latent latent -> {
                Sae sae = graph.saes().get(latent.sae()).sae();
                for (int c = 0; c < out.length; c++) {
                    out[c] = latent.activation() * (double) sae.decoder().at(latent.latent(), c);
                }
            }
            case GraphNode.ErrorTerm error -> {
                TracedSae traced = graph.saes().get(error.sae());
                List<Matrix> rows = of.activations(TokenBatch.of(IDS), List.of(traced.reads(), traced.writes()));
                Latents f = new Encoder(traced.sae(), workers).encode(rows.getFirst());
                Matrix decoded = Matrix.zeros(IDS.length, ToySaes.WIDTH);
                Decoder.decode(traced.sae(), f, decoded, workers);
                Decoder.addSkip(traced.sae(), rows.getFirst(), decoded, workers);
                for (int c = 0; c < out.length; c++) {
                    out[c] = rows.getLast().at(error.position(), c) - (double) decoded.at(error.position(), c);
                }
            }
            case GraphNode.Token token -> {
                float[] embed = Objects.requireNonNull(ToyModel.weights().get("model.embed_tokens.weight"));
                for (int c = 0; c < out.length; c++) {
                    out[c] = embed[token.id() * ToySaes.WIDTH + c];
                }
            }
            case GraphNode.Logit _ -> throw new IllegalArgumentException("a logit is no source");
        }
        return out;
    }

    /** base + h · v in the row of a position. */
    private static double[][] moved(double[][] base, double h, double[] v, int position) {
        double[][] out = new double[base.length][];
        for (int p = 0; p < base.length; p++) {
            out[p] = base[p].clone();
            for (int c = 0; p == position && c < v.length; c++) {
                out[p][c] += h * v[c];
            }
        }
        return out;
    }

    private static double[][] zeros() {
        return new double[IDS.length][ToySaes.WIDTH];
    }

    /** ⟨w s(x), row⟩ of a latent on its token. */
    private static double read(AttributionGraph graph, LanguageModel of, GraphNode.Latent latent, double[][] rows) {
        TracedSae traced = graph.saes().get(latent.sae());
        Matrix x = of.activations(TokenBatch.of(IDS), traced.reads());
        double square = 0;
        double sum = 0;
        for (int c = 0; c < ToySaes.WIDTH; c++) {
            square += (double) x.at(latent.position(), c) * x.at(latent.position(), c);
            sum += traced.sae().encoder().at(latent.latent(), c) * rows[latent.position()][c];
        }
        return traced.sae().score() == null ? sum : sum * traced.sae().score().factor(square);
    }

    private static double largest(float[] row) {
        double largest = 0;
        for (float weight : row) {
            largest = Math.max(largest, Math.abs(weight));
        }
        return largest;
    }

    /** Without MLPs the frozen model is linear: an edge is the model's product with the source's vector alone. */
    @Test
    void withoutMlpsEveryEdgeIsTheProductOfTheFrozenWeights() {
        FrozenToy toy = new FrozenToy(ToyModel.weightsWithoutMlps(), IDS, MlpRule.GRADIENT);
        AttributionGraph graph = graph(linear, autoencoders(linear), MlpRule.GRADIENT);
        int checked = 0;
        for (int t = 0; t < graph.nodes().size(); t++) {
            float[] row = graph.weights()[t];
            for (int s = 0; s < graph.nodes().size(); s++) {
                double expected = linearEdge(
                        graph, toy, graph.nodes().get(t), graph.nodes().get(s));
                assertEquals(
                        expected,
                        row[s],
                        2e-5 * largest(row) + 1e-12,
                        graph.nodes().get(s) + " → " + graph.nodes().get(t));
                checked += expected != 0 ? 1 : 0;
            }
        }
        assertTrue(checked > 1000, checked + " edges");
        assertEquals(2 * 6 * 6, graph.latents());
        assertEquals(2 * 6 * 6 + 2 * 7 + 7 + graph.logits(), graph.nodes().size());
    }

    private static double linearEdge(AttributionGraph graph, FrozenToy toy, GraphNode target, GraphNode source) {
        if (source.position() == 0 && source instanceof GraphNode.ErrorTerm) {
            return 0; // what stands before a text is constant
        }
        return switch (target) {
            case GraphNode.Latent latent
            when latent.sae() == 0 && source instanceof GraphNode.Token -> {
                double[][] rows = moved(zeros(), 1, vector(graph, linear, source), source.position());
                yield read(graph, linear, latent, toy.onward(rows, -1, 0));
            }
            case GraphNode.Latent latent
            when latent.sae() == 1 && sae(source) == 0 -> {
                double[][] rows = moved(zeros(), 1, vector(graph, linear, source), source.position());
                yield read(graph, linear, latent, toy.onward(rows, 0, 1));
            }
            case GraphNode.Logit logit
            when sae(source) == 1 -> {
                double[][] rows = moved(zeros(), 1, vector(graph, linear, source), source.position());
                yield toy.logits(toy.onward(rows, 1, 2))[logit.id()];
            }
            default -> 0;
        };
    }

    private static int sae(GraphNode node) {
        return switch (node) {
            case GraphNode.Latent latent -> latent.sae();
            case GraphNode.ErrorTerm error -> error.sae();
            case GraphNode.Token _, GraphNode.Logit _ -> -1;
        };
    }

    @Test
    void withoutMlpsTheSourcesOfEveryTargetAddUpToItsValue() {
        assertAddsUp(linear, MlpRule.GRADIENT);
    }

    @Test
    void withSplitProductsTheSourcesOfEveryTargetAddUpToItsValue() {
        assertAddsUp(model, MlpRule.SPLIT);
    }

    @Test
    void withTheGradientOfMlpsTheyDoNot() {
        AttributionGraph graph = graph(model, autoencoders(model), MlpRule.GRADIENT);
        double lacking = 0;
        double all = 0;
        for (Account account : graph.accounts()) {
            lacking += Math.abs(account.remainder());
            all += Math.abs(account.value());
        }
        assertTrue(lacking > 0.05 * all, lacking / all + " of the targets' values");
    }

    private static void assertAddsUp(LanguageModel of, MlpRule rule) {
        AttributionGraph graph = graph(of, autoencoders(of), rule);
        assertEquals(graph.latents() + graph.logits(), graph.accounts().size());
        Matrix second = of.activations(TokenBatch.of(IDS), SECOND);
        for (int i = 0; i < graph.accounts().size(); i++) {
            Account account = graph.accounts().get(i);
            int node = i < graph.latents() ? i : graph.firstLogit() + i - graph.latents();
            double sizes = Influence.sum(graph.weights()[node]) + Math.abs(account.constants());
            assertEquals(
                    account.value(),
                    account.sum(),
                    1e-5 * sizes,
                    graph.nodes().get(node).toString());
            assertTrue(Math.abs(account.errors()) < sizes);
            if (graph.nodes().get(node) instanceof GraphNode.Latent latent && latent.sae() == 1) {
                Sae sae = graph.saes().get(1).sae();
                double bias = sae.encoderBias()[latent.latent()];
                double value = 0;
                for (int c = 0; c < ToySaes.WIDTH; c++) {
                    double w = sae.encoder().at(latent.latent(), c);
                    value += w * second.at(latent.position(), c);
                    bias -= w * sae.decoderBias()[c];
                }
                assertEquals(value, account.value(), 1e-5 * sizes);
                assertEquals(latent.activation(), value + bias, 1e-5 * sizes, "the pre-activation");
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void withMlpsEveryEdgeIsTheDerivativeOfTheFrozenModel(MlpRule rule) {
        FrozenToy toy = new FrozenToy(ToyModel.weights(), IDS, rule);
        AttributionGraph graph = graph(model, autoencoders(model), rule);
        double[][] first = toy.onward(toy.embedding(), -1, 0); // with either rule the run's own rows
        double[][] second = toy.onward(first, 0, 1);
        for (int t = 0; t < graph.nodes().size(); t += 5) {
            for (int s = 0; s < graph.firstLogit(); s++) {
                GraphNode source = graph.nodes().get(s);
                double expected = switch (graph.nodes().get(t)) {
                    case GraphNode.Latent latent
                    when latent.sae() == 1 && sae(source) == 0 ->
                        slope(h -> read(graph, model, latent, toy.onward(at(graph, first, h, source), 0, 1)));
                    case GraphNode.Logit logit
                    when sae(source) == 1 ->
                        slope(h -> toy.logits(toy.onward(at(graph, second, h, source), 1, 2))[logit.id()]);
                    case GraphNode.Latent latent
                    when latent.sae() == 0 && source instanceof GraphNode.Token ->
                        slope(h ->
                                read(graph, model, latent, toy.onward(at(graph, toy.embedding(), h, source), -1, 0)));
                    case GraphNode _ -> 0;
                };
                boolean constant = source instanceof GraphNode.ErrorTerm && source.position() == 0;
                float[] row = graph.weights()[t];
                assertEquals(
                        constant ? 0 : expected,
                        row[s],
                        1e-4 * largest(row) + 1e-12,
                        source + " → " + graph.nodes().get(t));
            }
        }
    }

    private static double[][] at(AttributionGraph graph, double[][] base, double h, GraphNode source) {
        return moved(base, h, vector(graph, model, source), source.position());
    }

    private static double slope(DoubleFunction<Double> f) {
        return (f.apply(1e-4) - f.apply(-1e-4)) / 2e-4;
    }

    /** No gradient runs through the MLP that a transcoder stands for; its skip path is one. */
    @Test
    void aTranscoderStandsForItsMlp() {
        FrozenToy toy = new FrozenToy(ToyModel.weights(), IDS, MlpRule.SPLIT);
        Sae transcoder = ToySaes.skipTranscoder(7);
        AttributionGraph graph = graph(
                model,
                TracedSae.all(
                        List.of(
                                ToySaes.at(ToySaes.autoencoder(2), FIRST, FIRST, model),
                                ToySaes.at(transcoder, READ, WRITE, model)),
                        model,
                        Map.of()),
                MlpRule.SPLIT);
        double[][] first = toy.onward(toy.embedding(), -1, 0);
        double[][] read = toy.normalizedForMlp(first, 1);
        double[][] written = difference(toy.onward(first, 0, 1), toy.around(first, 1, zeros()));
        for (int t = 0; t < graph.nodes().size(); t += 3) {
            for (int s = 0; s < graph.firstLogit(); s++) {
                GraphNode source = graph.nodes().get(s);
                if (source instanceof GraphNode.ErrorTerm && source.position() == 0) {
                    continue;
                }
                double expected = switch (graph.nodes().get(t)) {
                    case GraphNode.Latent latent
                    when latent.sae() == 1 && sae(source) == 0 ->
                        slope(h -> read(graph, model, latent, toy.normalizedForMlp(at(graph, first, h, source), 1)));
                    case GraphNode.Logit logit
                    when sae(source) == 1 -> slope(h -> logit(toy, first, at(graph, written, h, source), logit));
                    case GraphNode.Logit logit
                    when sae(source) == 0 ->
                        slope(h -> {
                            double[][] x = at(graph, first, h, source);
                            double[][] more = difference(toy.normalizedForMlp(x, 1), read);
                            return logit(toy, x, plusSkip(written, transcoder, more), logit);
                        });
                    case GraphNode _ -> Double.NaN;
                };
                if (!Double.isNaN(expected)) {
                    float[] row = graph.weights()[t];
                    assertEquals(
                            expected,
                            row[s],
                            1e-4 * largest(row),
                            source + " → " + graph.nodes().get(t));
                }
            }
        }
    }

    private static double logit(FrozenToy toy, double[][] before, double[][] mlpOut, GraphNode.Logit logit) {
        return toy.logits(toy.onward(toy.around(before, 1, mlpOut), 1, 2))[logit.id()];
    }

    private static double[][] difference(double[][] a, double[][] b) {
        double[][] out = new double[a.length][a[0].length];
        for (int p = 0; p < out.length; p++) {
            for (int c = 0; c < out[p].length; c++) {
                out[p][c] = a[p][c] - b[p][c];
            }
        }
        return out;
    }

    private static double[][] plusSkip(double[][] rows, Sae sae, double[][] x) {
        double[][] out = new double[rows.length][];
        Matrix skip = Objects.requireNonNull(sae.skip());
        for (int p = 0; p < out.length; p++) {
            out[p] = rows[p].clone();
            for (int o = 0; o < out[p].length; o++) {
                for (int i = 0; i < x[p].length; i++) {
                    out[p][o] += skip.at(o, i) * x[p][i];
                }
            }
        }
        return out;
    }
}
