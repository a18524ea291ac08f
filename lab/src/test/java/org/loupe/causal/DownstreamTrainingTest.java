package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.activations.ActivationStore;
import org.loupe.harvest.Harvest;
import org.loupe.harvest.HarvestConfig;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.ToyModel;
import org.loupe.text.Corpus;
import org.loupe.text.Document;
import org.loupe.train.ConfigReader;
import org.loupe.train.Objective;
import org.loupe.train.StepStats;
import org.loupe.train.TrainConfig;
import org.loupe.train.TrainEvent;
import org.loupe.train.TrainJob;
import org.loupe.train.TrainRun;

/** Whole runs on a toy model whose objective runs it. */
class DownstreamTrainingTest {
    private static final HookPoint HOOK = HookPoint.residPost(0);

    @TempDir
    private static Path folder;

    private static LanguageModel model;
    private static ActivationStore store;

    @BeforeAll
    static void harvest() {
        model = LanguageModel.load(ToyModel.write(folder.resolve("toy")), Precision.F32, 2);
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < 120; i++) {
            documents.add(new Document("the a in " + i * i + " thing " + i, ""));
        }
        HarvestConfig config = new HarvestConfig(HOOK, 1200, 32, 4, Dtype.F32, 1000, false, 5);
        Harvest.run(model, new Corpus.InMemory("a", documents), config, folder.resolve("store"), _ -> {});
        store = ActivationStore.open(folder.resolve("store"));
    }

    @AfterAll
    static void close() {
        store.close();
        model.close();
    }

    private static TrainConfig config(String... more) {
        List<String> set = new ArrayList<>(
                List.of("latents=48", "k=4", "batch=64", "tokens=3840", "lr=0.01", "checkpoint_seconds=0.001"));
        set.addAll(List.of(more));
        return ConfigReader.read(TrainConfig.DEFAULT, null, set);
    }

    private static List<StepStats> train(String name, LanguageModel on, TrainConfig config, Consumer<TrainEvent> more) {
        List<StepStats> stats = new ArrayList<>();
        TrainRun.trainAll(
                List.of(new TrainJob(folder.resolve(name), config)),
                store,
                store.provenance(),
                HOOK.toString(),
                HOOK.toString(),
                config.objective().runsModel() ? Downstream.of(on, store, config) : null,
                event -> {
                    if (event instanceof TrainEvent.Stepped stepped) {
                        stats.add(stepped.stats());
                    }
                    more.accept(event);
                });
        return stats;
    }

    private static byte[] weights(String name) throws IOException {
        return Files.readAllBytes(folder.resolve(name).resolve("sae_weights.safetensors"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"objective=kl", "objective=ce", "objective=downstream_mse", "objective=hybrid"})
    void anInterruptedRunOnOneThreadEndsWithTheSameBits(String objective) throws IOException {
        train(objective, model, config(objective), _ -> {});
        String again = objective + "-again";
        try (LanguageModel single = LanguageModel.load(ToyModel.write(folder.resolve("toy")), Precision.F32, 1)) {
            assertThrows(
                    IllegalStateException.class,
                    () -> train(again, single, config(objective, "threads=1"), event -> {
                        if (event instanceof TrainEvent.Stepped stepped
                                && stepped.stats().step() == 23) {
                            throw new IllegalStateException("stop here");
                        }
                    }));
            List<StepStats> rest = train(again, single, config(objective, "threads=1"), _ -> {});
            assertTrue(rest.size() < 60 && rest.size() >= 37, "goes on: " + rest.size());
        }
        assertArrayEquals(weights(objective), weights(again));
    }

    /** Pure KL lowers the KL further than the local error does in as many steps. */
    @Test
    void whatIsAskedForIsWhatFalls() {
        TrainConfig unbalanced = config("objective=hybrid", "downstream.local=0", "downstream.balance=false");
        double before = train("kl-first", model, unbalanced, _ -> {}).getFirst().loss();
        List<StepStats> kl = train("kl-only", model, config("objective=kl"), _ -> {});
        double after = kl.subList(50, 60).stream()
                .mapToDouble(StepStats::loss)
                .average()
                .orElseThrow();
        assertTrue(after < 0.7 * before, before + " nats a token became " + after);
        assertEquals(60, kl.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"architecture=relu", "architecture=jumprelu", "architecture=batchtopk"})
    void theL0AskedForIsReached(String architecture) {
        List<StepStats> stats =
                train(architecture, model, config(architecture, "objective=hybrid", "l0=4", "tokens=19200"), _ -> {});
        double l0 = stats.subList(stats.size() - 30, stats.size()).stream()
                .mapToDouble(StepStats::l0)
                .average()
                .orElseThrow();
        assertEquals(4, l0, 0.4);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        String message = assertThrows(
                        BadInput.class,
                        () -> TrainRun.train(
                                folder.resolve("none"),
                                store,
                                config("objective=kl"),
                                store.provenance(),
                                "",
                                "",
                                _ -> {}))
                .getMessage();
        assertTrue(message != null && message.contains("kl runs the model"), message);
        assertThrows(BadInput.class, () -> config("objective=kl", "architecture=matching_pursuit"));
        assertEquals(Objective.KL, config("objective=kl").objective());
    }
}
