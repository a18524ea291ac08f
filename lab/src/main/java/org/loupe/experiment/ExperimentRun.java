package org.loupe.experiment;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.io.Provenance;
import org.loupe.tensor.Workers;

/** An experiment in a folder: goes on where it was interrupted, and says what it found. */
public final class ExperimentRun {
    private ExperimentRun() {}

    /**
     * What a start did.
     *
     * @param complete whether nothing was left to measure
     * @param page the report
     */
    public record Result(Answer answer, boolean complete, double seconds, Path page, Path results) {}

    /**
     * Runs what is left to measure and writes the report anew.
     *
     * @param stores folder of activations that experiments share
     * @param command that the report names
     * @throws BadInput where the folder holds somebody's files or another experiment
     */
    public static Result run(
            Experiment experiment,
            Scale scale,
            Path folder,
            Path stores,
            String command,
            int threads,
            Laboratory.Models models,
            Laboratory.Listener listener) {
        try (FolderLock _ = FolderLock.take(folder);
                Workers workers = new Workers(threads)) {
            requireOurs(folder);
            TrialLog log = new TrialLog(folder, experiment, scale);
            int before = log.below(scale.seeds()).all().size();
            try (Laboratory lab = new Laboratory(scale, folder, stores, workers, log, models, listener)) {
                experiment.measure(lab);
            }
            Trials trials = log.below(scale.seeds());
            requireDefined(experiment, trials);
            Answer answer = experiment.answer(trials, scale);
            Report report = new Report(experiment, scale, trials, answer, Provenance.here("", "", "", "", 0), command);
            report.write(folder);
            return new Result(
                    answer,
                    before == trials.all().size(),
                    report.seconds(),
                    folder.resolve(Report.PAGE),
                    folder.resolve(Report.RESULTS));
        }
    }

    /** Forgets what earlier starts have measured; SAEs and activations stay, to be overwritten or used. */
    public static void clear(Path folder) {
        try (FolderLock _ = FolderLock.take(folder)) {
            for (String file : List.of(TrialLog.FILE, Report.RESULTS, Report.PAGE, Report.TABLE)) {
                Files.deleteIfExists(folder.resolve(file));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot clear " + folder + ": " + e.getMessage(), e);
        }
    }

    /** What is measured is explained in the report. */
    private static void requireDefined(Experiment experiment, Trials trials) {
        List<String> known = experiment.quantities().stream().map(Quantity::key).toList();
        trials.all()
                .forEach(trial -> trial.values().keySet().forEach(key -> {
                    if (!known.contains(key)) {
                        throw new IllegalStateException(
                                experiment.name() + " measures " + key + " and does not define it");
                    }
                }));
    }

    /** What is left where a folder was cleared. */
    private static boolean maybeOurs(Path file) {
        return file.endsWith(FolderLock.FILE)
                || file.endsWith("saes")
                || file.toString().endsWith(".svg");
    }

    private static void requireOurs(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            if (!Files.exists(folder.resolve(TrialLog.FILE)) && !files.allMatch(ExperimentRun::maybeOurs)) {
                throw BadInput.in(folder, "is not empty and holds no " + TrialLog.FILE + "; choose another folder");
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder + ": " + e.getMessage(), e);
        }
    }
}
