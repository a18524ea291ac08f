package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.PairedRows;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import tools.jackson.databind.JsonNode;

/** Pairs of SAEs around a random gated MLP, trained with and without the penalty. */
class JacobianRunTest {
    private static final int D = 16;
    private static final int D_OUT = 12;
    private static final int ROWS = 3000;
    private static final int STEPS = 150;

    @TempDir
    Path folder;

    private final GatedMlp mlp = JacobianPenaltyTest.mlp(new Random(8), D, D_OUT, 48);
    private final Matrix x = rows();
    private final Matrix y = outputs();

    /** Two of 24 directions a row, and noise. */
    private static Matrix rows() {
        Random random = new Random(2);
        float[][] directions = new float[24][D];
        for (float[] direction : directions) {
            for (int c = 0; c < D; c++) {
                direction[c] = (float) random.nextGaussian();
            }
        }
        Matrix rows = Matrix.zeros(ROWS, D);
        for (int r = 0; r < ROWS; r++) {
            for (int c = 0; c < D; c++) {
                rows.data()[r * D + c] = (float) (0.1 * random.nextGaussian());
            }
            for (int cause = 0; cause < 2; cause++) {
                float[] direction = directions[random.nextInt(24)];
                float size = 1 + random.nextFloat();
                for (int c = 0; c < D; c++) {
                    rows.data()[r * D + c] += size * direction[c];
                }
            }
        }
        return rows;
    }

    private Matrix outputs() {
        Matrix out = Matrix.zeros(ROWS, D_OUT);
        for (int r = 0; r < ROWS; r++) {
            double[] row = new double[D];
            for (int c = 0; c < D; c++) {
                row[c] = x.at(r, c);
            }
            double[] y = JacobianPenaltyTest.run(mlp, row);
            for (int c = 0; c < D_OUT; c++) {
                out.data()[r * D_OUT + c] = (float) y[c];
            }
        }
        return out;
    }

    private RowSource pairs() {
        return new PairedRows(new MatrixRows(x), new MatrixRows(y));
    }

    private static TrainConfig config(String... more) {
        List<String> set = new ArrayList<>(List.of(
                "latents=48", "k=4", "batch=100", "tokens=" + STEPS * 100, "lr=5e-3", "input.sample=500", "threads=2"));
        set.addAll(List.of(more));
        return ConfigReader.read(TrainConfig.DEFAULT, null, set);
    }

    private Path train(String name, TrainConfig config, double weight, Consumer<TrainEvent> listener) {
        Path out = folder.resolve(name);
        JacobianRun.train(out, pairs(), mlp, config, weight, listener);
        return out;
    }

    private static double closing(Path run, String key) throws IOException {
        List<JsonNode> log = TrainRuns.log(run);
        return log.subList(log.size() - 20, log.size()).stream()
                .mapToDouble(line -> line.path(key).asDouble())
                .average()
                .orElseThrow();
    }

    @Test
    void thePenaltyMakesJacobiansSparseAtLittleCost() throws IOException {
        Path plain = train("plain", config("tokens=60000"), 0, _ -> {});
        Path sparse = train("sparse", config("tokens=60000"), 0.5, _ -> {});
        assertEquals(600, TrainRuns.log(sparse).size());
        double before = closing(plain, "jacobian_l1");
        double after = closing(sparse, "jacobian_l1");
        assertTrue(after < 0.6 * before, "mean |J| " + before + " became " + after);
        assertTrue(closing(sparse, "jacobian_above") < closing(plain, "jacobian_above") - 0.02);
        assertTrue(closing(sparse, "jacobian_evenness") < closing(plain, "jacobian_evenness") - 0.02);
        for (String side : List.of(JacobianRun.IN, JacobianRun.OUT)) {
            double fvu = ClosingFigures.read(plain.resolve(side)).fvu();
            double with = ClosingFigures.read(sparse.resolve(side)).fvu();
            assertTrue(with < fvu + 0.03, side + ": FVU " + fvu + " became " + with);
        }
    }

    @Test
    void withoutWeightTheyAreTheSaesThatTheyAreAlone() throws IOException {
        Path both = train("both", config(), 0, _ -> {});
        TrainRuns.train(folder.resolve("x"), new MatrixRows(x), config(), _ -> {});
        TrainRuns.train(folder.resolve("y"), new MatrixRows(y), config(), _ -> {});
        for (List<String> sides : List.of(List.of(JacobianRun.IN, "x"), List.of(JacobianRun.OUT, "y"))) {
            assertEquals(
                    -1,
                    Files.mismatch(
                            both.resolve(sides.getFirst()).resolve(SaeFolder.WEIGHTS),
                            folder.resolve(sides.getLast()).resolve(SaeFolder.WEIGHTS)));
        }
    }

    @Test
    void anInterruptedRunOnAnotherNumberOfThreadsEndsWithTheSameBits() throws IOException {
        Path whole = train("whole", config("threads=3"), 0.5, _ -> {});
        TrainConfig again = config("threads=1", "checkpoint_seconds=1e-9");
        assertThrows(TrainRuns.Interruption.class, () -> train("interrupted", again, 0.5, TrainRuns.interruption(61)));
        assertTrue(!Files.exists(
                folder.resolve("interrupted").resolve(JacobianRun.IN).resolve(SaeFolder.INFO)));
        List<Long> steps = new ArrayList<>();
        Path interrupted = train("interrupted", again, 0.5, event -> {
            if (event instanceof TrainEvent.Started started) {
                steps.add(started.from());
            }
        });
        assertEquals(List.of(60L, 60L), steps);
        for (String side : List.of(JacobianRun.IN, JacobianRun.OUT)) {
            TrainRuns.assertSameSae(whole.resolve(side), interrupted.resolve(side));
        }
        assertEquals(
                Files.readString(whole.resolve(StepLog.FILE)), Files.readString(interrupted.resolve(StepLog.FILE)));
        List<TrainEvent> third = new ArrayList<>();
        Path left = interrupted.resolve(Checkpoint.FILE);
        Files.writeString(left, "left by a process that was killed before deleting it");
        train("interrupted", again, 0.5, third::add);
        assertTrue(third.size() == 2 && third.stream().allMatch(TrainEvent.Complete.class::isInstance));
        assertFalse(Files.exists(left));
    }

    /** Its own SAEs have no run.json: that of the pair is in the folder above. */
    @Test
    void saesTrainedAloneAreNotTakenForAPair() throws IOException {
        Path alone = folder.resolve("alone");
        TrainRuns.train(alone.resolve(JacobianRun.IN), new MatrixRows(x), config("tokens=500"), _ -> {});
        TrainRuns.train(alone.resolve(JacobianRun.OUT), new MatrixRows(y), config("tokens=500"), _ -> {});
        refusedIn(alone);
        Files.delete(alone.resolve(JacobianRun.IN).resolve(RunRecord.FILE));
        refusedIn(alone);
    }

    private void refusedIn(Path run) {
        BadInput refusal =
                assertThrows(BadInput.class, () -> JacobianRun.train(run, pairs(), mlp, config(), 1, _ -> {}));
        assertEquals(
                run.resolve(JacobianRun.IN)
                        + ": holds an SAE that is not of a run of two with Jacobians between them: choose another folder",
                refusal.getMessage());
        assertFalse(Files.exists(run.resolve(RunRecord.FILE)));
    }

    @Test
    void aSideInWhichAnotherTrainsIsRefused() {
        Path busy = folder.resolve("busy");
        try (FolderLock _ = FolderLock.take(busy.resolve(JacobianRun.OUT))) {
            BadInput refusal = assertThrows(BadInput.class, () -> train("busy", config("tokens=500"), 1, _ -> {}));
            assertTrue(
                    String.valueOf(refusal.getMessage())
                            .startsWith(busy.resolve(JacobianRun.OUT) + ": another process is writing there"),
                    refusal.getMessage());
        }
    }

    /** In raw units, from the folders, by the MLP's own differences. */
    @Test
    void whatIsMeasuredIsTheDifferenceOfTheMlpBetweenTheSaes() {
        Path run = train("measured", config("tokens=3000"), 0.2, _ -> {});
        Sae in = SaeFolder.load(run.resolve(JacobianRun.IN)).sae();
        Sae out = SaeFolder.load(run.resolve(JacobianRun.OUT)).sae();
        int rows = 40;
        try (Workers workers = new Workers(2)) {
            JacobianMeasurement.Result result = JacobianMeasurement.of(in, out, mlp, pairs(), rows, workers);
            JacobianFigures figures = result.jacobian();
            Latents reads = new Encoder(in, workers).encode(x.head(rows));
            Latents writes = new Encoder(out, workers).encode(y.head(rows));
            Matrix reconstruction = Matrix.zeros(rows, D);
            Decoder.decode(in, reads, reconstruction, workers);
            double unit = Math.sqrt(meanSquare(x, rows) / D) / Math.sqrt(meanSquare(y, rows) / D_OUT);
            double size = 0;
            double large = 0;
            for (int r = 0; r < rows; r++) {
                for (int j = reads.starts()[r]; j < reads.starts()[r + 1]; j++) {
                    for (int i = writes.starts()[r]; i < writes.starts()[r + 1]; i++) {
                        double value = Math.abs(
                                unit * difference(in, out, reconstruction, r, reads.index()[j], writes.index()[i]));
                        size += value;
                        large += value > 0.01 ? 1 : 0;
                    }
                }
            }
            assertEquals(size / (rows * 16.0), figures.l1(), 1e-4 * figures.l1());
            assertEquals(large / (rows * 16.0), figures.above(), 2.0 / (rows * 16));
            assertEquals(fvu(x, reconstruction, rows), result.fvuIn(), 1e-6);
            Matrix written = Matrix.zeros(rows, D_OUT);
            Decoder.decode(out, writes, written, workers);
            assertEquals(fvu(y, written, rows), result.fvuOut(), 1e-6);
            assertThrows(BadInput.class, () -> JacobianMeasurement.of(out, in, mlp, pairs(), rows, workers));
        }
    }

    private static double fvu(Matrix x, Matrix reconstruction, int rows) {
        double[] mean = new double[x.cols()];
        x.head(rows).meanInto(mean);
        double error = 0;
        double spread = 0;
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < mean.length; c++) {
                error += Math.pow((double) x.at(r, c) - reconstruction.at(r, c), 2);
                spread += Math.pow(x.at(r, c) - mean[c], 2);
            }
        }
        return error / spread;
    }

    private static double meanSquare(Matrix rows, int count) {
        double squares = 0;
        for (int i = 0; i < count * rows.cols(); i++) {
            squares += (double) rows.data()[i] * rows.data()[i];
        }
        return squares / count;
    }

    private double difference(Sae in, Sae out, Matrix reconstruction, int row, int j, int i) {
        double[][] results = new double[2][];
        for (int side = 0; side < 2; side++) {
            double[] at = new double[D];
            for (int c = 0; c < D; c++) {
                at[c] = reconstruction.at(row, c)
                        + (2 * side - 1) * 1e-5 * in.decoder().at(j, c);
            }
            results[side] = JacobianPenaltyTest.run(mlp, at);
        }
        double sum = 0;
        for (int c = 0; c < D_OUT; c++) {
            sum += out.encoder().at(i, c) * (results[1][c] - results[0][c]) / 2e-5;
        }
        return sum;
    }

    @Test
    void whatDoesNotFitIsRefused() {
        refused("architecture: relu, expected topk", config("architecture=relu"), pairs(), 1);
        refused("objective: gradient_weighted, expected local", config("objective=gradient_weighted"), pairs(), 1);
        refused("topk with gradient.select, expected topk", config("gradient.select=1"), pairs(), 1);
        refused("weight of the Jacobian: -1.0, expected ≥ 0", config(), pairs(), -1);
        refused("but the MLP reads 16 and writes 12", config(), new MatrixRows(x), 1);
        train("taken", config("tokens=500"), 1, _ -> {});
        String message =
                String.valueOf(assertThrows(BadInput.class, () -> train("taken", config("tokens=500"), 2, _ -> {}))
                        .getMessage());
        assertTrue(message.contains("holds a run with jacobian_weight = 1.0, this one has 2.0"), message);
        JacobianRun.clear(folder.resolve("taken"));
        train("taken", config("tokens=500"), 2, _ -> {});
    }

    private void refused(String says, TrainConfig config, RowSource rows, double weight) {
        Path out = folder.resolve("refused");
        String message = String.valueOf(
                assertThrows(BadInput.class, () -> JacobianRun.train(out, rows, mlp, config, weight, _ -> {}))
                        .getMessage());
        assertTrue(message.contains(says), message);
        assertTrue(!Files.exists(out));
    }
}
