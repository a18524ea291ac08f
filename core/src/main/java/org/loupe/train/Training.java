package org.loupe.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.loupe.io.AtomicFiles;
import org.loupe.io.BadInput;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** One SAE in training, in its folder: its steps, tracking, checkpoints, and in the end the SAE's own files. */
final class Training implements AutoCloseable {
    private final TrainJob job;
    private final RunRecord record;
    private final Consumer<TrainEvent> listener;
    private final long steps;
    private final Trainer trainer;
    private final Tracking tracking;
    private long saved;
    private double seconds;

    /**
     * Goes on from the checkpoint of the folder, or begins.
     *
     * @param statistics what a sample of rows says, asked for only where there is no checkpoint
     */
    Training(
            TrainJob job,
            RunRecord record,
            Function<TrainConfig, DataStatistics> statistics,
            Workers workers,
            Consumer<TrainEvent> listener) {
        this(job, record, open(job, job.config().steps(record.rows()), statistics, workers), listener);
    }

    /** @param trainer at the step of the last checkpoint */
    Training(TrainJob job, RunRecord record, Trainer trainer, Consumer<TrainEvent> listener) {
        this.job = job;
        this.record = record;
        this.listener = listener;
        this.steps = job.config().steps(record.rows());
        this.trainer = trainer;
        this.saved = trainer.steps();
        this.tracking = new Tracking(job.out(), trainer.steps(), steps);
        listener.accept(new TrainEvent.Started(job.out(), job.config(), trainer.steps(), steps, trainer.describe()));
    }

    private static Trainer open(
            TrainJob job, long steps, Function<TrainConfig, DataStatistics> statistics, Workers workers) {
        TrainConfig config = job.config();
        Path checkpoint = job.out().resolve(Checkpoint.FILE);
        if (Files.exists(checkpoint)) {
            TrainState state = Checkpoint.read(checkpoint);
            Trainer trainer = new Trainer(config, state.statistics(), steps, workers);
            trainer.restore(state, checkpoint);
            return trainer;
        }
        Trainer trainer = new Trainer(config, statistics.apply(config), steps, workers);
        if (job.start() != null) {
            trainer.startFrom(job.start());
        }
        return trainer;
    }

    /** Steps done, and so the step of the batch that comes next. */
    long done() {
        return trainer.steps();
    }

    boolean hasEnded() {
        return trainer.steps() >= steps;
    }

    /**
     * One step.
     *
     * @param judge what judges the reconstruction with an objective that runs the model, else null
     * @return why the run cannot go on, if it cannot
     */
    Optional<BadInput> step(Matrix batch, @Nullable Judge judge) {
        long began = System.nanoTime();
        return step(began, () -> trainer.step(batch, judge));
    }

    /**
     * One step.
     *
     * @param began {@link System#nanoTime} of its beginning
     * @param taking takes it
     */
    Optional<BadInput> step(long began, Supplier<StepStats> taking) {
        StepStats stats;
        try {
            stats = taking.get();
        } catch (BadInput overflow) {
            return diverged(new BadInput(job.out() + ": " + overflow.getMessage(), overflow));
        }
        if (!Double.isFinite(stats.loss()) || !Double.isFinite(stats.gradNorm())) {
            return diverged(BadInput.in(
                    job.out(),
                    "training has diverged: in step " + stats.step() + " the loss is " + stats.loss()
                            + " and the gradients' norm " + stats.gradNorm() + "; start over with a smaller lr than "
                            + stats.lr()));
        }
        double rate = job.config().batch() / ((System.nanoTime() - began) / 1e9);
        tracking.add(stats, rate);
        listener.accept(new TrainEvent.Stepped(job.out(), stats, rate));
        return Optional.empty();
    }

    private Optional<BadInput> diverged(BadInput reason) {
        listener.accept(new TrainEvent.Diverged(job.out(), reason));
        return Optional.of(reason);
    }

    /** Writes a checkpoint where there are steps since the last one. */
    void save() {
        if (trainer.steps() == saved) {
            return;
        }
        Checkpoint.write(job.out().resolve(Checkpoint.FILE), trainer.state());
        saved = trainer.steps();
        listener.accept(new TrainEvent.Saved(job.out(), saved));
    }

    /** Adds to the time that this SAE has taken. */
    void charge(double more) {
        seconds += more;
    }

    /** Writes the SAE's files, which take the checkpoint's place. */
    void writeSae() {
        tracking.close();
        SaeFolder.save(
                job.out(),
                trainer.result(),
                new SaeInfo(
                        record.provenance(),
                        record.hookIn(),
                        record.hookOut(),
                        record.config(),
                        Map.of("tokens", steps * job.config().batch())));
        AtomicFiles.delete(job.out().resolve(Checkpoint.FILE));
    }

    /** The SAE in training. */
    Trainer trainer() {
        return trainer;
    }

    /** Tells that all is done. */
    void tell(double waitedSeconds) {
        listener.accept(new TrainEvent.Finished(job.out(), seconds, waitedSeconds));
    }

    @Override
    public void close() {
        try (trainer) {
            tracking.close();
        }
    }
}
