package org.loupe.synth;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.loupe.io.AtomicFiles;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Makes a folder of rows with a known dictionary. Its rows and its truth depend on the configuration alone. */
public final class Synth {
    public static final String TRAIN = "train.safetensors";
    public static final String EVAL = "eval.safetensors";
    public static final String TRUTH = "truth.safetensors";
    /** Written last: a folder that has it is complete. */
    public static final String INFO = "synth.json";
    /** The configuration, there only while the folder is unfinished. */
    private static final String PROGRESS = "progress.json";

    private static final String ROWS = "rows";

    private final SynthConfig config;
    private final Workers workers;
    private final Progress progress;

    private Synth(SynthConfig config, Workers workers, Progress progress) {
        this.config = config;
        this.workers = workers;
        this.progress = progress;
    }

    /** Told how many rows are made, of how many. */
    @FunctionalInterface
    public interface Progress {
        Progress NONE = (done, total) -> {};

        void at(long done, long total);
    }

    /**
     * What a start did.
     *
     * @param complete whether the folder was complete before, so that nothing was left to do
     */
    public record Result(SynthInfo info, boolean complete) {}

    /**
     * Makes the folder, or says that it is complete.
     *
     * @throws BadInput where the folder holds another world, or somebody's files
     */
    public static Result run(SynthConfig config, Path folder, Workers workers, Progress progress) {
        try (FolderLock _ = FolderLock.take(folder)) {
            Path info = folder.resolve(INFO);
            if (Files.exists(info)) {
                SynthInfo there = Json.read(info, SynthInfo.class);
                requireSame(folder, there.config(), config);
                return new Result(there, true);
            }
            Path unfinished = folder.resolve(PROGRESS);
            if (Files.exists(unfinished)) {
                requireSame(folder, Json.read(unfinished, SynthConfig.class), config);
            } else {
                requireEmpty(folder);
                Json.write(unfinished, config);
            }
            SynthInfo made = new Synth(config, workers, progress).make(folder);
            Json.write(info, made);
            AtomicFiles.delete(unfinished);
            return new Result(made, false);
        }
    }

    /** Deletes what {@link #run} wrote in a folder. */
    public static void clear(Path folder) {
        if (!Files.isDirectory(folder)
                || !(Files.exists(folder.resolve(INFO)) || Files.exists(folder.resolve(PROGRESS)))) {
            return;
        }
        try (FolderLock _ = FolderLock.take(folder)) {
            for (String name : List.of(TRAIN, EVAL, TRUTH, INFO, PROGRESS)) {
                AtomicFiles.delete(folder.resolve(name));
            }
        }
    }

    private static void requireSame(Path folder, SynthConfig there, SynthConfig here) {
        if (there.equals(here)) {
            return;
        }
        var before = Json.MAPPER.valueToTree(there);
        for (var property : Json.MAPPER.valueToTree(here).properties()) {
            if (!property.getValue().equals(before.path(property.getKey()))) {
                throw BadInput.in(
                        folder,
                        "holds a world with " + property.getKey() + " = " + before.path(property.getKey())
                                + ", this one has " + property.getValue()
                                + "; choose another folder, or start over with --fresh");
            }
        }
    }

    private static void requireEmpty(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            if (files.anyMatch(f -> !f.endsWith(FolderLock.FILE))) {
                throw BadInput.in(folder, "is not empty and holds no " + INFO + "; choose another folder");
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder + ": " + e.getMessage(), e);
        }
    }

    private SynthInfo make(Path folder) {
        SplittableRandom random = new SplittableRandom(config.seed());
        Law law = new Law(config);
        RowMaker maker = new RowMaker(config, law, random.split(), random.split());
        SplittableRandom train = random.split();
        SplittableRandom eval = random.split();

        Matrix rows = Matrix.zeros(config.evalRows(), config.width());
        List<Codes> parts = new ArrayList<>();
        RowBlocks blocks = new RowBlocks(maker, eval, config.width(), config.evalRows(), workers);
        while (blocks.hasNext()) {
            int at = (int) blocks.made();
            Matrix block = blocks.next();
            System.arraycopy(block.data(), 0, rows.data(), rows.offset(at), block.rows() * block.cols());
            parts.add(blocks.codes());
            told(blocks.made());
        }
        Codes codes = Codes.concatenated(parts);
        new SafetensorsWriter().f32(ROWS, rows).write(folder.resolve(EVAL));
        new Truth(maker.directions(), new Truth.Activity(law.probabilities(), law.parents(), codes))
                .write(folder.resolve(TRUTH));
        new SafetensorsWriter()
                .f32(
                        ROWS,
                        shown(new RowBlocks(maker, train, config.width(), config.rows(), workers)),
                        config.rows(),
                        config.width())
                .write(folder.resolve(TRAIN));
        return new SynthInfo(
                config,
                (double) codes.entries() / codes.rows(),
                config.noise() * config.noise() * config.width() / variance(rows),
                coherence(maker.directions()),
                Provenance.here("synthetic", "", "", "", config.seed()));
    }

    private void told(long done) {
        progress.at(done, config.evalRows() + config.rows());
    }

    private Iterator<Matrix> shown(RowBlocks blocks) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return blocks.hasNext();
            }

            @Override
            public Matrix next() {
                Matrix block = blocks.next();
                told(config.evalRows() + blocks.made());
                return block;
            }
        };
    }

    /** (1/N) Σ‖x − x̄‖². */
    private static double variance(Matrix rows) {
        double sum = 0;
        for (int c = 0; c < rows.cols(); c++) {
            double mean = 0;
            for (int r = 0; r < rows.rows(); r++) {
                mean += rows.at(r, c);
            }
            mean /= rows.rows();
            for (int r = 0; r < rows.rows(); r++) {
                sum += (rows.at(r, c) - mean) * (rows.at(r, c) - mean);
            }
        }
        return sum / rows.rows();
    }

    private double coherence(Matrix unit) {
        float[] largest = new float[unit.rows()];
        int width = unit.cols();
        workers.forEach(unit.rows(), 16, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                for (int j = 0; j < i; j++) {
                    float cosine = Kernels.BEST.dot(unit.data(), unit.offset(i), unit.data(), unit.offset(j), width);
                    largest[i] = Math.max(largest[i], Math.abs(cosine));
                }
            }
        });
        float most = 0;
        for (float value : largest) {
            most = Math.max(most, value);
        }
        return most;
    }
}
