package org.loupe.harvest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.GradientLoss;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.Smollm2;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
import org.loupe.text.WordNet;

class Smollm2HarvestTest {
    @TempDir
    Path folder;

    /** Packed with others, a document's rows are those of the document alone: within 1e-4 of their root mean square. */
    @Test
    void packedDocumentsAreRunAsIfAlone() {
        HookPoint hook = HookPoint.residPost(5);
        HarvestConfig config = new HarvestConfig(hook, 600, 96, 4, Dtype.F32, 300, false, 1);
        try (LanguageModel model = Smollm2.load(Precision.F32)) {
            Harvest.run(model, WordNet.corpus(), config, folder, event -> {});
            try (ActivationStore store = ActivationStore.open(folder)) {
                store.verify();
                assertEquals(List.of(0), store.info().prefix());
                assertEquals(model.info().sha256(), store.info().provenance().modelSha256());
                Matrix row = Matrix.zeros(1, store.width());
                for (int r = 0; r < store.rows(); r += 37) {
                    int[] tokens = store.documents().get(store.document(r)).tokens();
                    int[] alone = IntStream.concat(IntStream.of(0), IntStream.of(tokens))
                            .toArray();
                    Matrix expected = model.activations(TokenBatch.of(alone), hook);
                    store.read(r, 1, row, 0);
                    int position = store.position(r);
                    double squares = 0;
                    double largest = 0;
                    for (int c = 0; c < store.width(); c++) {
                        squares += (double) expected.at(position, c) * expected.at(position, c) / store.width();
                        largest = Math.max(largest, Math.abs(expected.at(position, c) - row.at(0, c)));
                    }
                    assertTrue(largest <= 1e-4 * Math.sqrt(squares), "row " + r + ": " + largest / Math.sqrt(squares));
                }
            }
        }
    }

    /** Batches of 3 rows are small enough for one part, and shards end with smaller ones. */
    @ParameterizedTest
    @CsvSource({"F32,", "BF16,", "F32,KL", "BF16,KL"})
    void interruptedAndGoneOnWithOtherThreadsItEndsWithTheSameBytes(Precision precision, @Nullable GradientLoss loss)
            throws IOException {
        Path whole = folder.resolve("whole");
        harvest(precision, loss, 1, whole, event -> {});
        Path cut = folder.resolve("cut");
        assertThrows(
                IllegalStateException.class,
                () -> harvest(precision, loss, 5, cut, event -> {
                    if (event.stage() == HarvestEvent.Stage.RUNNING && event.done() > event.total() / 2) {
                        throw new IllegalStateException("interrupted");
                    }
                }));
        assertTrue(HarvestProgress.read(cut).shards().size() > 0, "nothing to go on from");
        harvest(precision, loss, 2, cut, event -> {});
        try (Stream<Path> files = Files.list(whole)) {
            for (Path file : files.toList()) {
                assertArrayEquals(
                        Files.readAllBytes(file), Files.readAllBytes(cut.resolve(file.getFileName())), file.toString());
            }
        }
    }

    private static void harvest(
            Precision precision, @Nullable GradientLoss loss, int threads, Path out, Consumer<HarvestEvent> listener) {
        HarvestHooks hooks = new HarvestHooks(List.of(HookPoint.residPost(4)), null, loss);
        HarvestConfig config = new HarvestConfig(hooks, 1200, 128, loss == null ? 3 : 6, Dtype.F32, 500, false, 1);
        try (LanguageModel model = LanguageModel.load(Smollm2.files(), precision, threads)) {
            Harvest.run(model, WordNet.corpus(), config, out, listener);
        }
    }
}
