package org.loupe.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.MlpRule;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Which nodes a graph has, and what is refused. */
class TracedSaeTest {
    private static final HookPoint FIRST = HookPoint.residPost(0);
    private static final HookPoint SECOND = HookPoint.residPost(1);
    private static final HookPoint READ = new HookPoint(1, Site.LN2_NORMALIZED);
    private static final HookPoint WRITE = new HookPoint(1, Site.MLP_OUT);
    private static final int[] IDS = TracerTest.ids();
    private static final Prompt PROMPT = new Prompt("toy", IDS, 1);

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

    private static AttributionGraph graph(List<TracedSae> saes) {
        return Tracer.trace(model, saes, PROMPT, TraceConfig.DEFAULT, workers, (_, _) -> {});
    }

    @Test
    void rowsAboveTheNormLimitAreAllError() {
        Matrix rows = model.activations(TokenBatch.of(IDS), FIRST);
        double[] norms = new double[IDS.length];
        for (int p = 0; p < norms.length; p++) {
            for (int c = 0; c < ToySaes.WIDTH; c++) {
                norms[p] += rows.at(p, c) * rows.at(p, c);
            }
            norms[p] = Math.sqrt(norms[p]);
        }
        double limit = (norms[2] + norms[3]) / 2;
        AttributionGraph graph = graph(TracedSae.all(
                List.of(ToySaes.at(ToySaes.autoencoder(2), FIRST, FIRST, model)),
                model,
                Map.of(FIRST.toString(), limit)));
        for (int p = 1; p < norms.length; p++) {
            int position = p;
            long latents = graph.nodes().stream()
                    .filter(node -> node instanceof GraphNode.Latent && node.position() == position)
                    .count();
            assertEquals(norms[p] > limit ? 0 : 6, latents, "token " + p);
        }
    }

    /** With fewer nodes than active latents the most influential ones are taken, and their edges are the same. */
    @Test
    void aSmallerGraphHoldsTheMostInfluentialLatentsOfTheWholeOne() {
        AttributionGraph whole = graph(TracerTest.autoencoders(model));
        TraceConfig ten = new TraceConfig(0.8, 0.98, 10, MlpRule.SPLIT);
        AttributionGraph small =
                Tracer.trace(model, TracerTest.autoencoders(model), PROMPT, ten, workers, (_, _) -> {});
        assertEquals(10, small.latents());
        assertEquals(whole.latents(), small.activeLatents());
        for (int t = 0; t < small.nodes().size(); t++) {
            for (int s = 0; s < small.nodes().size(); s++) {
                assertEquals(
                        whole.weights()[whole.nodes().indexOf(small.nodes().get(t))][
                                whole.nodes().indexOf(small.nodes().get(s))],
                        small.weights()[t][s],
                        1e-5);
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        SaeFolder.Loaded first = ToySaes.at(ToySaes.autoencoder(1), FIRST, FIRST, model);
        SaeFolder.Loaded second = ToySaes.at(ToySaes.autoencoder(1), SECOND, SECOND, model);
        SaeFolder.Loaded transcoder = ToySaes.at(ToySaes.skipTranscoder(3), READ, WRITE, model);
        assertRefused("two SAEs are at layer 0", () -> TracedSae.all(List.of(first, first), model, Map.of()));
        assertRefused(
                "one at blocks.1.hook_mlp_out", () -> TracedSae.all(List.of(second, transcoder), model, Map.of()));
        SaeFolder.Loaded other = ToySaes.at(ToySaes.autoencoder(1), FIRST.toString(), FIRST.toString(), "0".repeat(64));
        assertRefused("made for model", () -> TracedSae.all(List.of(other), model, Map.of()));
        Sae wide = new Sae(
                Matrix.zeros(4, 64), new float[4], Matrix.zeros(4, 64), new float[64], new Activation.TopK(1), true);
        String both = HookPoint.join(List.of(FIRST, SECOND));
        SaeFolder.Loaded crosscoder = ToySaes.at(wide, both, both, model.info().sha256());
        assertRefused("is a crosscoder", () -> TracedSae.all(List.of(crosscoder), model, Map.of()));
        Sae pursuit = new Sae(
                ToySaes.autoencoder(1).decoder(),
                new float[ToySaes.LATENTS],
                ToySaes.autoencoder(1).decoder(),
                new float[ToySaes.WIDTH],
                new Activation.MatchingPursuit(3, 0),
                true);
        assertRefused(
                "no pre-activation",
                () -> TracedSae.all(List.of(ToySaes.at(pursuit, FIRST, FIRST, model)), model, Map.of()));
        assertRefused("the prompt is empty", () -> Prompt.of(model.tokenizer(), ""));
        assertRefused("the node threshold is 1.5", () -> new TraceConfig(1.5, 0.9, 10, MlpRule.SPLIT));
        assertRefused("the number of latent nodes is 0", () -> new TraceConfig(0.5, 0.9, 0, MlpRule.SPLIT));
    }

    private static void assertRefused(String says, Executable call) {
        String message = assertThrows(BadInput.class, call).getMessage();
        assertTrue(message != null && message.contains(says), message);
    }
}
