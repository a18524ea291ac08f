package org.loupe.train;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.PairedRows;
import org.loupe.activations.Prefetcher;
import org.loupe.activations.RowSource;
import org.loupe.activations.ShuffledRows;
import org.loupe.io.BadInput;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Trains SAEs that are given the same batches: each batch is read, shuffled and decoded once, and every trainer takes its step on
 * it before the next one. Trainers that an interruption has left at different steps are caught up: a batch goes to those
 * whose step it is. Checkpoints of all are written together.
 */
final class SharedReading implements AutoCloseable {
    private final Key key;
    private final ShuffledRows order;
    private final List<Integer> parts;
    private final Workers workers;
    private final Consumer<TrainEvent> listener;
    private final RowSource rows;
    private final Map<Measured, DataStatistics> statistics = new HashMap<>();
    private @Nullable GradientMoment moment;
    private final List<Training> training = new ArrayList<>();
    private final List<BadInput> diverged = new ArrayList<>();
    private long charged = System.nanoTime();

    /**
     * What configurations must have in common to be given the same batches by one loop. Of rows in file order the seed is
     * no part.
     *
     * @param gradients whether each row's gradient stands behind it
     */
    record Key(
            int batch,
            long seed,
            boolean shuffle,
            int buffer,
            int threads,
            double checkpointSeconds,
            boolean gradients) {
        static Key of(TrainConfig config) {
            boolean shuffle = config.input().shuffle();
            return new Key(
                    config.batch(),
                    shuffle ? config.seed() : 0,
                    shuffle,
                    config.input().buffer(),
                    config.threadCount(),
                    config.checkpoint_seconds(),
                    config.readsGradients());
        }
    }

    /** What statistics depend on beside the rows. */
    private record Measured(InputConfig input, double metric) {}

    SharedReading(Key key, RowSource rows, Consumer<TrainEvent> listener) {
        this.key = key;
        this.rows = rows;
        RowSource read = key.gradients() ? new PairedRows(rows, rows.gradients()) : rows;
        this.order = new ShuffledRows(read, key.batch(), key.seed(), key.buffer(), key.shuffle());
        this.parts = rows.parts();
        this.workers = new Workers(key.threads());
        this.listener = listener;
    }

    /** Adds an SAE, at the step of its last checkpoint. */
    void add(TrainJob job, RunRecord record) {
        training.add(new Training(
                job,
                record,
                config ->
                        statistics.computeIfAbsent(new Measured(config.inputInForce(), config.metric()), this::measure),
                workers,
                listener));
    }

    private DataStatistics measure(Measured by) {
        Matrix sample = sample(order, by.input().sample());
        if (by.metric() > 0) {
            GradientMoment known = moment == null ? GradientMoment.of(rows.gradients(), workers) : moment;
            moment = known;
            return DataStatistics.weighted(sample, known, by.metric(), by.input(), workers);
        }
        if (key.gradients()) {
            return DataStatistics.of(sample.columns(0, rows.width()), parts, by.input(), workers)
                    .withGradients(GradientMoment.scale(rows.gradients()));
        }
        return DataStatistics.of(sample, parts, by.input(), workers);
    }

    /** The first batches of the run, as many as make up the sample. */
    static Matrix sample(ShuffledRows order, int rows) {
        int batches = (rows + order.batch() - 1) / order.batch();
        Matrix sample = Matrix.zeros(batches * order.batch(), order.width());
        Matrix batch = Matrix.zeros(order.batch(), order.width());
        for (int i = 0; i < batches; i++) {
            order.batch(i, batch);
            System.arraycopy(batch.data(), 0, sample.data(), sample.offset(i * order.batch()), batch.data().length);
        }
        return sample;
    }

    /**
     * Trains all that were added to their ends.
     *
     * @param judged where the batches come from with an objective that runs the model, else null
     * @return why those that have diverged were given up
     */
    List<BadInput> train(@Nullable JudgedRows judged) {
        long step = training.stream().mapToLong(Training::done).min().orElse(0);
        if (judged != null) {
            go(step, judged, () -> 0);
            return diverged;
        }
        try (Prefetcher batches = new Prefetcher(order, step)) {
            go(step, _ -> new JudgedRows.Batch(batches.take(), null), batches::waitedNanos);
        }
        return diverged;
    }

    private void go(long first, JudgedRows batches, LongSupplier waitedNanos) {
        finish(waitedNanos);
        long saved = System.nanoTime();
        for (long step = first; !training.isEmpty(); step++) {
            JudgedRows.Batch batch = batches.at(step);
            charge(training);
            step(step, batch);
            finish(waitedNanos);
            if (System.nanoTime() - saved > key.checkpointSeconds() * 1e9) {
                training.forEach(Training::save);
                saved = System.nanoTime();
            }
        }
    }

    private void step(long step, JudgedRows.Batch batch) {
        for (Training one : List.copyOf(training)) {
            if (one.done() == step) {
                Optional<BadInput> reason = one.step(batch.rows(), batch.judge());
                charge(List.of(one));
                reason.ifPresent(r -> {
                    diverged.add(r);
                    remove(one);
                });
            }
        }
    }

    private void finish(LongSupplier waitedNanos) {
        for (Training one : List.copyOf(training)) {
            if (one.hasEnded()) {
                one.writeSae();
                charge(List.of(one));
                one.tell(waitedNanos.getAsLong() / 1e9);
                remove(one);
            }
        }
    }

    private void remove(Training one) {
        training.remove(one);
        one.close();
    }

    /** Charges the time since the last charge, in equal shares, so that all shares together are the time that has passed. */
    private void charge(List<Training> to) {
        long now = System.nanoTime();
        to.forEach(one -> one.charge((now - charged) / 1e9 / to.size()));
        charged = now;
    }

    @Override
    public void close() {
        try (workers) {
            List.copyOf(training).forEach(this::remove);
        }
    }
}
