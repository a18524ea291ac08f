package org.loupe.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.RowSource;
import org.loupe.io.AtomicFiles;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.io.Provenance;
import org.loupe.sae.SaeFolder;

/**
 * Training in folders, one an SAE: {@code run.json}, tracking, a checkpoint while it runs, and in the end the SAE's own files.
 * Killed at any moment and started again it goes on from the last checkpoints and ends with the same bits. Several SAEs of one call
 * share the reading of the rows where their configurations allow it ({@link SharedReading}); each is to the bit what it would be
 * alone.
 */
public final class TrainRun {
    private TrainRun() {}

    /**
     * Trains one SAE, or goes on training it, or finds it complete.
     *
     * @param out the run's folder, which becomes the SAE folder
     * @return {@code out}
     * @throws BadInput where the run diverges, the folder holds another run, or another process is writing there
     */
    public static Path train(
            Path out,
            RowSource rows,
            TrainConfig config,
            Provenance provenance,
            String hookIn,
            String hookOut,
            Consumer<TrainEvent> listener) {
        List<BadInput> diverged =
                trainAll(List.of(new TrainJob(out, config)), rows, provenance, hookIn, hookOut, null, listener);
        if (!diverged.isEmpty()) {
            throw diverged.getFirst();
        }
        return out;
    }

    /**
     * Trains several SAEs, those that share a reading of the rows together and the readings one after the other.
     *
     * @param jobs with folders that differ
     * @param judged batches with their judge where the jobs' objectives run the model, all of one batch size; else null
     * @return why those that have diverged were given up
     * @throws BadInput where a folder holds another run, or another process is writing there
     */
    public static List<BadInput> trainAll(
            List<TrainJob> jobs,
            RowSource rows,
            Provenance provenance,
            String hookIn,
            String hookOut,
            @Nullable JudgedRows judged,
            Consumer<TrainEvent> listener) {
        Memory.require(jobs, rows.width());
        for (TrainJob job : jobs) {
            if (job.config().objective().runsModel() != (judged != null)) {
                throw new BadInput(
                        "objective: " + job.config().objective().name().toLowerCase(Locale.ROOT)
                                + (judged == null
                                        ? " runs the model that the rows are of: give it, and a store of its rows"
                                        : " does not run a model: leave --model out"));
            }
            if (usesGradients(job.config())) {
                rows.gradients(); // rows without them are refused before anything is written
            }
            if (rows.targetWidth() > 0 && job.config().architecture().tied()) {
                throw new BadInput(
                        "architecture: " + job.config().architecture().key()
                                + " reconstructs the rows that it reads; it cannot train a transcoder, whose targets are others");
            }
        }
        List<FolderLock> locks = new ArrayList<>();
        try {
            Map<TrainJob, RunRecord> records = new LinkedHashMap<>();
            for (TrainJob job : jobs) {
                locks.add(FolderLock.take(job.out()));
                Map<String, Object> config = ConfigReader.toMap(job.config());
                if (!job.from().isEmpty()) {
                    config.put("init", job.from());
                }
                if (usesGradients(job.config()) && !rows.gradientLoss().isEmpty()) {
                    config.put("gradients_of", rows.gradientLoss());
                }
                RunRecord record = new RunRecord(config, provenance, hookIn, hookOut, rows.rows(), rows.width());
                record.check(job.out());
                records.put(job, record);
            }
            return locked(records, rows, judged, listener);
        } finally {
            locks.forEach(FolderLock::close);
        }
    }

    private static boolean usesGradients(TrainConfig config) {
        return config.metric() > 0 || config.readsGradients();
    }

    private static List<BadInput> locked(
            Map<TrainJob, RunRecord> records,
            RowSource rows,
            @Nullable JudgedRows judged,
            Consumer<TrainEvent> listener) {
        List<TrainJob> left = new ArrayList<>();
        records.forEach((job, record) -> {
            record.claim(job.out());
            if (isComplete(job.out())) {
                AtomicFiles.delete(job.out().resolve(Checkpoint.FILE));
                listener.accept(new TrainEvent.Complete(job.out()));
            } else {
                left.add(job);
            }
        });
        List<BadInput> diverged = new ArrayList<>();
        readings(left).forEach((key, jobs) -> {
            try (SharedReading reading = new SharedReading(key, rows, listener)) {
                jobs.forEach(job -> reading.add(job, java.util.Objects.requireNonNull(records.get(job))));
                diverged.addAll(reading.train(judged));
            }
        });
        return diverged;
    }

    /** The jobs by what they can share, in the order of the first of each. */
    static Map<SharedReading.Key, List<TrainJob>> readings(List<TrainJob> jobs) {
        Map<SharedReading.Key, List<TrainJob>> readings = new LinkedHashMap<>();
        for (TrainJob job : jobs) {
            readings.computeIfAbsent(SharedReading.Key.of(job.config()), key -> new ArrayList<>())
                    .add(job);
        }
        return readings;
    }

    /** Whether the folder holds a finished SAE. */
    static boolean isComplete(Path folder) {
        return Files.exists(folder.resolve(SaeFolder.INFO));
    }

    /** Deletes the files of a run, finished or not, and nothing else, so that the next start begins anew. */
    public static void clear(Path folder) {
        try (FolderLock _ = FolderLock.take(folder)) {
            for (String file :
                    List.of(SaeFolder.INFO, SaeFolder.CONFIG, SaeFolder.WEIGHTS, Checkpoint.FILE, RunRecord.FILE)) {
                AtomicFiles.delete(folder.resolve(file));
            }
            Tracking.clear(folder);
        }
    }
}
