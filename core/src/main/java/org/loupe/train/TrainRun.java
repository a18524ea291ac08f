package org.loupe.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.loupe.activations.Prefetcher;
import org.loupe.activations.RowSource;
import org.loupe.activations.ShuffledRows;
import org.loupe.io.AtomicFiles;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.io.Provenance;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * A training run in a folder: {@code run.json}, {@code steps.jsonl}, a checkpoint while it runs, and in the end the SAE's own
 * files. Killed at any moment and started again it goes on from the last checkpoint and ends with the same bits.
 */
public final class TrainRun {
    /** Elements of the largest array of a JVM. */
    private static final int MOST_WEIGHTS = Integer.MAX_VALUE - 8;

    private TrainRun() {}

    /**
     * Trains, or goes on training, or finds the run complete.
     *
     * @param out the run's folder, which becomes the SAE folder
     * @return {@code out}
     * @throws BadInput where the folder holds another run, or another process is writing there
     */
    public static Path train(
            Path out,
            RowSource rows,
            TrainConfig config,
            Provenance provenance,
            String hookIn,
            String hookOut,
            Consumer<TrainEvent> listener) {
        if ((long) config.latents() * rows.width() > MOST_WEIGHTS) {
            throw new BadInput("latents: " + config.latents() + " of width " + rows.width()
                    + " are more than one array holds; at this width at most " + MOST_WEIGHTS / rows.width());
        }
        try (FolderLock _ = FolderLock.take(out)) {
            return locked(out, rows, config, provenance, hookIn, hookOut, listener);
        }
    }

    private static Path locked(
            Path out,
            RowSource rows,
            TrainConfig config,
            Provenance provenance,
            String hookIn,
            String hookOut,
            Consumer<TrainEvent> listener) {
        new RunRecord(ConfigReader.toMap(config), provenance, hookIn, hookOut, rows.rows(), rows.width()).claim(out);
        if (Files.exists(out.resolve(SaeFolder.INFO))) {
            AtomicFiles.delete(out.resolve(Checkpoint.FILE));
            listener.accept(new TrainEvent.Complete(out));
            return out;
        }
        long start = System.nanoTime();
        long steps = config.steps(rows.rows());
        ShuffledRows order = new ShuffledRows(
                rows,
                config.batch(),
                config.seed(),
                config.input().buffer(),
                config.input().shuffle());
        try (Workers workers = new Workers(config.threadCount());
                Trainer trainer = open(out, order, config, steps, workers)) {
            listener.accept(new TrainEvent.Started(config, trainer.steps(), steps, trainer.describe()));
            double waited;
            try (StepLog log = new StepLog(out, trainer.steps(), steps);
                    Prefetcher batches = new Prefetcher(order, trainer.steps())) {
                loop(out, trainer, steps, batches, log, config, listener);
                waited = batches.waitedNanos() / 1e9;
            }
            SaeFolder.save(
                    out,
                    trainer.result(),
                    new SaeInfo(
                            provenance,
                            hookIn,
                            hookOut,
                            ConfigReader.toMap(config),
                            Map.of("tokens", steps * config.batch())));
            AtomicFiles.delete(out.resolve(Checkpoint.FILE));
            listener.accept(new TrainEvent.Finished(out, (System.nanoTime() - start) / 1e9, waited));
        }
        return out;
    }

    /** Deletes the files of a run, finished or not, and nothing else, so that the next start begins anew. */
    public static void clear(Path folder) {
        try (FolderLock _ = FolderLock.take(folder)) {
            for (String file : List.of(
                    SaeFolder.INFO,
                    SaeFolder.CONFIG,
                    SaeFolder.WEIGHTS,
                    Checkpoint.FILE,
                    StepLog.FILE,
                    RunRecord.FILE)) {
                AtomicFiles.delete(folder.resolve(file));
            }
        }
    }

    private static Trainer open(Path out, ShuffledRows order, TrainConfig config, long steps, Workers workers) {
        Path checkpoint = out.resolve(Checkpoint.FILE);
        if (Files.exists(checkpoint)) {
            TrainState state = Checkpoint.read(checkpoint);
            Trainer trainer = new Trainer(config, state.statistics(), steps, workers);
            trainer.restore(state);
            return trainer;
        }
        return new Trainer(config, sample(order, config), 0, steps, workers);
    }

    /** The first batches of the run, as many as make up the sample. */
    private static Matrix sample(ShuffledRows order, TrainConfig config) {
        int batches = (config.input().sample() + order.batch() - 1) / order.batch();
        Matrix sample = Matrix.zeros(batches * order.batch(), order.width());
        Matrix batch = Matrix.zeros(order.batch(), order.width());
        for (int i = 0; i < batches; i++) {
            order.batch(i, batch);
            System.arraycopy(batch.data(), 0, sample.data(), sample.offset(i * order.batch()), batch.data().length);
        }
        return sample;
    }

    private static void loop(
            Path out,
            Trainer trainer,
            long steps,
            Prefetcher batches,
            StepLog log,
            TrainConfig config,
            Consumer<TrainEvent> listener) {
        long saved = System.nanoTime();
        while (trainer.steps() < steps) {
            Matrix batch = batches.take();
            long began = System.nanoTime();
            StepStats stats = trainer.step(batch);
            requireFinite(out, stats);
            double rate = batch.rows() / ((System.nanoTime() - began) / 1e9);
            log.add(stats, rate);
            listener.accept(new TrainEvent.Stepped(stats, rate));
            if (System.nanoTime() - saved > config.checkpoint_seconds() * 1e9) {
                Checkpoint.write(out.resolve(Checkpoint.FILE), trainer.state());
                saved = System.nanoTime();
                listener.accept(new TrainEvent.Saved(trainer.steps()));
            }
        }
    }

    private static void requireFinite(Path out, StepStats stats) {
        if (!Double.isFinite(stats.loss()) || !Double.isFinite(stats.gradNorm())) {
            throw BadInput.in(
                    out,
                    "training has diverged: in step " + stats.step() + " the loss is " + stats.loss()
                            + " and the gradients' norm " + stats.gradNorm() + "; start over with a smaller lr than "
                            + stats.lr());
        }
    }
}
