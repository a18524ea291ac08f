package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.CausalWorld;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import org.loupe.train.ConfigReader;
import org.loupe.train.TrainConfig;
import org.loupe.train.TrainRun;

/** The proof of the idea, at a small size: gradients find the features that matter where the rows alone cannot tell them. */
final class KnownCausesTest {
    @TempDir
    private Path folder;

    @Test
    void theFisherMetricFindsCausesAndLeavesOutWhatIsInert() {
        try (Workers workers = new Workers(2)) {
            for (boolean apart : List.of(true, false)) {
                KnownCauses causes = new KnownCauses(apart, 7, workers);
                Map<String, Double> effects = causes.effects();
                assertTrue(
                        value(effects, "inert_effect") < (apart ? 1e-6 : 0.1) * value(effects, "causal_effect"),
                        "" + value(effects, "inert_effect"));
                Map<String, Double> local = train(causes, "objective=local");
                Map<String, Double> metric = train(causes, "objective=gradient_weighted");
                assertTrue(value(metric, "causal_found") > 0.7, "" + value(metric, "causal_found"));
                assertTrue(value(local, "causal_found") < 0.45, "" + value(local, "causal_found"));
                assertTrue(
                        value(metric, "inert_found") < value(local, "inert_found"), "" + value(metric, "inert_found"));
                assertTrue(value(metric, "kl") < value(local, "kl") / 2, "" + value(metric, "kl"));
                assertTrue(value(metric, "fvu") > value(local, "fvu"), "the price");
                assertEquals(3, value(metric, "l0"), 0.05);
            }
        }
    }

    private static double value(Map<String, Double> values, String key) {
        return values.getOrDefault(key, Double.NaN);
    }

    private Map<String, Double> train(KnownCauses causes, String objective) {
        TrainConfig config = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of("latents=64", "k=3", "batch=1024", "tokens=307200", "threads=2", objective));
        Path out = folder.resolve(objective + causes.world().apart());
        TrainRun.train(out, causes.rows, config, causes.rows.provenance(), "", "", event -> {});
        return causes.evaluate(SaeFolder.load(out).sae());
    }

    /** ½ E (f ⟨d, g⟩)² against KL(p(x) ‖ p(x − ε f d)) / ε² of the network itself at a small ε. */
    @Test
    void fisherEffectsAreTheSecondOrderOfTheDivergence() {
        try (Workers workers = new Workers(2)) {
            CausalWorld world = CausalWorld.of(false, 3);
            Matrix x = world.train().rows();
            int d = x.cols();
            int latents = 4;
            Matrix rows = Matrix.zeros(latents, d);
            for (int i = 0; i < latents; i++) {
                System.arraycopy(world.directions().data(), 2 * i * d, rows.data(), i * d, d);
            }
            Sae sae = new Sae(
                    rows,
                    new float[latents],
                    new Matrix(latents, d, rows.data().clone()),
                    new float[d],
                    new Activation.Relu(),
                    true);
            int draws = 8; // of the sampled labels: one is off by up to 13 %
            double[] effects = new double[latents];
            for (int draw = 0; draw < draws; draw++) {
                Matrix g = world.network().sampledGradients(x, new SplittableRandom(draw), workers);
                double[] drawn = FisherEffects.of(sae, new GradientRows(x, g), x.rows(), workers)
                        .effect();
                for (int i = 0; i < latents; i++) {
                    effects[i] += drawn[i] / draws;
                }
            }

            double epsilon = 1e-2;
            for (int i = 0; i < latents; i++) {
                Matrix moved = new Matrix(x.rows(), d, x.data().clone());
                for (int r = 0; r < x.rows(); r++) {
                    double f = 0;
                    for (int c = 0; c < d; c++) {
                        f += (double) x.at(r, c) * rows.at(i, c);
                    }
                    for (int c = 0; c < d; c++) {
                        moved.data()[moved.offset(r) + c] -= (float) (epsilon * Math.max(0, f) * rows.at(i, c));
                    }
                }
                double exact = x.rows() * world.network().kl(x, moved, workers) / (epsilon * epsilon);
                assertEquals(exact, effects[i], 0.05 * exact);
            }
        }
    }
}
