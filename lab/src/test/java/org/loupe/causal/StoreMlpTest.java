package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.ActivationStore;
import org.loupe.harvest.Harvest;
import org.loupe.harvest.HarvestConfig;
import org.loupe.harvest.HarvestHooks;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.ToyModel;
import org.loupe.tensor.Matrix;
import org.loupe.text.Corpus;
import org.loupe.text.Document;
import org.loupe.train.GatedMlp;

/** The MLP taken from a model makes of a store's inputs what the model made of them. */
class StoreMlpTest {
    private static final HookPoint IN = new HookPoint(1, Site.LN2_NORMALIZED);
    private static final HookPoint OUT = new HookPoint(1, Site.MLP_OUT);

    @TempDir
    private static Path folder;

    private static LanguageModel model;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder.resolve("toy")), Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static ActivationStore harvest(String name, HookPoint in, HookPoint out) {
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            documents.add(new Document("the a in " + i * i + " thing " + i, ""));
        }
        HarvestConfig config =
                new HarvestConfig(new HarvestHooks(List.of(in), out), 200, 32, 4, Dtype.F32, 1000, false, 5);
        Harvest.run(model, new Corpus.InMemory("a", documents), config, folder.resolve(name), _ -> {});
        return ActivationStore.open(folder.resolve(name));
    }

    @Test
    void itWritesTheStoresTargets() {
        try (ActivationStore store = harvest("pairs", IN, OUT)) {
            GatedMlp mlp = StoreMlp.of(model, store);
            int d = mlp.dIn();
            Matrix rows = Matrix.zeros((int) store.rows(), store.width());
            store.read(0, rows.rows(), rows, 0);
            double largest = 0;
            for (int r = 0; r < rows.rows(); r++) {
                double[] y = new double[d];
                for (int n = 0; n < mlp.neurons(); n++) {
                    double g = 0;
                    double u = 0;
                    for (int c = 0; c < d; c++) {
                        g += (double) mlp.gate().at(n, c) * rows.at(r, c);
                        u += (double) mlp.up().at(n, c) * rows.at(r, c);
                    }
                    for (int o = 0; o < d; o++) {
                        y[o] += g / (1 + Math.exp(-g)) * u * mlp.write().at(n, o);
                    }
                }
                for (int o = 0; o < d; o++) {
                    assertEquals(y[o], rows.at(r, d + o), 1e-5);
                    largest = Math.max(largest, Math.abs(y[o]));
                }
            }
            assertTrue(largest > 0.01, "the MLP does something: " + largest);
        }
    }

    @Test
    void anotherPairOfHookPointsIsRefused() {
        try (ActivationStore store = harvest("others", HookPoint.residPost(0), OUT)) {
            String message = String.valueOf(assertThrows(BadInput.class, () -> StoreMlp.of(model, store))
                    .getMessage());
            assertTrue(
                    message.contains("has rows of blocks.0.hook_resid_post and targets of blocks.1.hook_mlp_out,"
                            + " expected those of an MLP: harvest --hook blocks.L.ln2.hook_normalized"),
                    message);
        }
    }
}
