package org.loupe.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Safetensors;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class SynthTest {
    @TempDir
    private Path folder = Path.of("");

    private static Synth.Result run(SynthConfig config, Path out, int threads) {
        try (Workers workers = new Workers(threads)) {
            return Synth.run(config, out, workers, Synth.Progress.NONE);
        }
    }

    private static float[] rows(Path file, long rows, long width) {
        try (Safetensors tensors = Safetensors.open(file)) {
            return tensors.entry("rows").requireShape(rows, width).floats();
        }
    }

    private static Truth truth(Path out) {
        return Truth.read(out.resolve(Synth.TRUTH));
    }

    private static Truth.Activity activity(Truth truth) {
        return Objects.requireNonNull(truth.activity());
    }

    /** Row r without noise: the sum of its features, in double. */
    private static double[] sum(Truth truth, int r) {
        Codes codes = activity(truth).codes();
        double[] x = new double[truth.directions().cols()];
        for (int e = codes.starts()[r]; e < codes.starts()[r + 1]; e++) {
            for (int c = 0; c < x.length; c++) {
                x[c] += (double) codes.value()[e] * truth.directions().at(codes.index()[e], c);
            }
        }
        return x;
    }

    @Test
    void rowsAreTheSumsOfTheirFeatures() {
        run(Worlds.SMALL, folder.resolve("a"), 2);
        float[] x = rows(folder.resolve("a/eval.safetensors"), 1500, 8);
        Truth truth = truth(folder.resolve("a"));
        for (int r = 0; r < 1500; r++) {
            double[] expected = sum(truth, r);
            for (int c = 0; c < 8; c++) {
                assertEquals(expected[c], x[r * 8 + c], 1e-6, "row " + r);
            }
        }
        Matrix directions = truth.directions();
        for (int i = 0; i < 12; i++) {
            double norm = 0;
            for (int c = 0; c < 8; c++) {
                norm += directions.at(i, c) * directions.at(i, c);
            }
            assertEquals(1, norm, 1e-6);
        }
    }

    @Test
    void noiseAndOffsetAreWhatWasAskedFor() {
        SynthConfig config = Worlds.shifted(Worlds.SMALL, 0.25, 7);
        Synth.Result result = run(config, folder.resolve("a"), 1);
        float[] x = rows(folder.resolve("a/eval.safetensors"), 1500, 8);
        Truth truth = truth(folder.resolve("a"));
        double[] mean = new double[8];
        double[] square = new double[8];
        double[] rowMean = new double[8];
        double squares = 0;
        for (int r = 0; r < 1500; r++) {
            double[] signal = sum(truth, r);
            for (int c = 0; c < 8; c++) {
                double rest = x[r * 8 + c] - signal[c];
                mean[c] += rest / 1500;
                square[c] += rest * rest / 1500;
                rowMean[c] += x[r * 8 + c] / 1500.0;
                squares += (double) x[r * 8 + c] * x[r * 8 + c] / 1500;
            }
        }
        double norm = 0;
        double around = 0;
        for (int c = 0; c < 8; c++) {
            norm += mean[c] * mean[c];
            assertEquals(0.25, Math.sqrt(square[c] - mean[c] * mean[c]), 0.02);
            around += rowMean[c] * rowMean[c];
        }
        assertEquals(7, Math.sqrt(norm), 0.05);
        assertEquals(0.0625 * 8 / (squares - around), result.info().fvuFloor(), 1e-6);
        assertEquals(
                (double) activity(truth).codes().entries() / 1500, result.info().l0());
    }

    @Test
    void theSameBytesOnAnyNumberOfThreads() throws IOException {
        for (SynthConfig config :
                List.of(Worlds.shifted(Worlds.SMALL, 0.1, 1), Worlds.together(Worlds.SMALL, 0.5, 3, 1))) {
            run(config, folder.resolve("one" + config.group()), 1);
            run(config, folder.resolve("three" + config.group()), 3);
            for (String name : List.of(Synth.TRAIN, Synth.EVAL, Synth.TRUTH)) {
                assertArrayEquals(
                        Files.readAllBytes(
                                folder.resolve("one" + config.group()).resolve(name)),
                        Files.readAllBytes(
                                folder.resolve("three" + config.group()).resolve(name)),
                        name);
            }
        }
    }

    /** A longer file begins with the shorter one, over the end of a pass through the buffer too (width 2048: 2 blocks a pass). */
    @Test
    void moreRowsBeginWithTheSameOnes() {
        SynthConfig wide = Worlds.size(Worlds.SMALL, 12, 2048);
        run(Worlds.rows(wide, 1100, 10), folder.resolve("short"), 1);
        run(Worlds.rows(wide, 4200, 2100), folder.resolve("long"), 2);
        float[] few = rows(folder.resolve("short/train.safetensors"), 1100, 2048);
        float[] many = rows(folder.resolve("long/train.safetensors"), 4200, 2048);
        assertArrayEquals(few, Arrays.copyOf(many, few.length));
        assertEquals(2100, activity(truth(folder.resolve("long"))).codes().rows());
        assertNotEquals(many[0], many[2048 * 1024], "two blocks are alike");
    }

    @Test
    void trainingAndEvaluationRowsDifferAndSoDoSeeds() {
        run(Worlds.SMALL, folder.resolve("a"), 1);
        run(Worlds.seed(Worlds.SMALL, 6), folder.resolve("b"), 1);
        float[] train = rows(folder.resolve("a/train.safetensors"), 2500, 8);
        float[] eval = rows(folder.resolve("a/eval.safetensors"), 1500, 8);
        assertFalse(Arrays.equals(eval, Arrays.copyOf(train, eval.length)));
        assertFalse(Arrays.equals(train, rows(folder.resolve("b/train.safetensors"), 2500, 8)));
        assertFalse(Arrays.equals(
                truth(folder.resolve("a")).directions().data(),
                truth(folder.resolve("b")).directions().data()));
    }

    @Test
    void coherenceIsTheLargestCosineOfTwoDirections() {
        Synth.Result result = run(Worlds.SMALL, folder.resolve("a"), 2);
        Matrix d = truth(folder.resolve("a")).directions();
        double most = 0;
        for (int i = 0; i < 12; i++) {
            for (int j = 0; j < i; j++) {
                double dot = 0;
                for (int c = 0; c < 8; c++) {
                    dot += d.at(i, c) * d.at(j, c);
                }
                most = Math.max(most, Math.abs(dot));
            }
        }
        assertEquals(most, result.info().coherence(), 1e-6);
    }

    @Test
    void aSecondStartFindsTheFolderComplete() {
        Synth.Result first = run(Worlds.SMALL, folder.resolve("a"), 1);
        Synth.Result second = run(Worlds.SMALL, folder.resolve("a"), 1);
        assertFalse(first.complete());
        assertTrue(second.complete());
        assertEquals(first.info(), second.info());
        assertEquals(List.of("eval.safetensors", "synth.json", "train.safetensors", "truth.safetensors"), names("a"));
    }

    private List<String> names(String name) {
        try (Stream<Path> files = Files.list(folder.resolve(name))) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void anotherWorldInTheFolderIsRefusedUntilItIsCleared() {
        Path out = folder.resolve("a");
        run(Worlds.SMALL, out, 1);
        BadInput refusal = assertThrows(BadInput.class, () -> run(Worlds.seed(Worlds.SMALL, 6), out, 1));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains("seed = 5") && message.contains("6") && message.contains("--fresh"), message);
        Synth.clear(out);
        assertEquals(List.of(), names("a"));
        assertFalse(run(Worlds.seed(Worlds.SMALL, 6), out, 1).complete());
    }

    @Test
    void aFolderWithOtherFilesIsRefusedAndLeftAsItIs() throws IOException {
        Path out = Files.createDirectories(folder.resolve("a"));
        Files.writeString(out.resolve(Synth.TRAIN), "mine");
        BadInput refusal = assertThrows(BadInput.class, () -> run(Worlds.SMALL, out, 1));
        assertTrue(String.valueOf(refusal.getMessage()).contains("not empty"), refusal.getMessage());
        Synth.clear(out);
        assertEquals("mine", Files.readString(out.resolve(Synth.TRAIN)));
    }

    /** What a killed start leaves: the configuration, some files, no description. */
    @Test
    void anInterruptedStartIsMadeAgain() throws IOException {
        Path whole = folder.resolve("whole");
        run(Worlds.SMALL, whole, 1);
        Path out = folder.resolve("a");
        Json.write(out.resolve("progress.json"), Worlds.SMALL);
        Files.writeString(out.resolve(Synth.EVAL), "half");
        assertThrows(BadInput.class, () -> run(Worlds.seed(Worlds.SMALL, 6), out, 1));
        assertFalse(run(Worlds.SMALL, out, 1).complete());
        for (String name : List.of(Synth.TRAIN, Synth.EVAL, Synth.TRUTH)) {
            assertArrayEquals(Files.readAllBytes(whole.resolve(name)), Files.readAllBytes(out.resolve(name)), name);
        }
        assertEquals(names("whole"), names("a"));
    }

    @Test
    void progressEndsAtTheNumberOfRows() {
        List<Long> told = new ArrayList<>();
        try (Workers workers = new Workers(1)) {
            Synth.run(Worlds.SMALL, folder.resolve("a"), workers, (done, total) -> {
                assertEquals(4000, total);
                told.add(done);
            });
        }
        assertEquals(4000, told.getLast());
        assertEquals(told.stream().sorted().toList(), told);
    }
}
