package org.loupe.experiment;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.RowSource;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.SynthConfig;
import org.loupe.tensor.Workers;
import org.loupe.train.ConfigReader;
import org.loupe.train.JudgedRows;
import org.loupe.train.StartFrom;
import org.loupe.train.TrainConfig;
import org.loupe.train.TrainEvent;
import org.loupe.train.TrainJob;
import org.loupe.train.TrainRun;

/** What an experiment works with: threads, a folder, the language model where it asks for it, and a log of the trials that are done. */
public final class Laboratory implements AutoCloseable {
    private final Scale scale;
    private final Path folder;
    private final Path stores;
    private final Workers workers;
    private final TrialLog log;
    private final Listener listener;
    private final Models models;
    private @Nullable RealModel real;

    /** Told what is going on. */
    public interface Listener {
        /** So much of a stage is done. */
        void at(String stage, String unit, long done, long total);

        /** A trial is done. */
        void done(Trial trial);
    }

    /** Gives the language model that experiments are made on; the caller closes it. */
    @FunctionalInterface
    public interface Models {
        LanguageModel load(Precision precision);
    }

    /**
     * A trained SAE.
     *
     * @param seconds of its steps, without reading the data the first time or evaluating
     */
    public record Trained(Path folder, SaeFolder.Loaded loaded, double seconds) {
        public Sae sae() {
            return loaded.sae();
        }
    }

    /**
     * @param folder of the experiment
     * @param stores folder of the activations, which experiments share
     */
    Laboratory(Scale scale, Path folder, Path stores, Workers workers, TrialLog log, Models models, Listener listener) {
        this.scale = scale;
        this.folder = folder;
        this.stores = stores;
        this.workers = workers;
        this.log = log;
        this.models = models;
        this.listener = listener;
    }

    public Scale scale() {
        return scale;
    }

    public Workers workers() {
        return workers;
    }

    /** Measures a variant once a seed, where that is not done yet. */
    public void trials(String part, String variant, IntFunction<Trial.Outcome> measured) {
        for (int seed = 0; seed < scale.seeds(); seed++) {
            trial(part, variant, seed, measured);
        }
    }

    /** Measures a variant with one seed, where that is not done yet. */
    public void trial(String part, String variant, int seed, IntFunction<Trial.Outcome> measured) {
        if (log.find(part, variant, seed).isPresent()) {
            return;
        }
        long start = System.nanoTime();
        Trial.Outcome outcome = measured.apply(seed);
        Trial trial =
                new Trial(part, variant, seed, (System.nanoTime() - start) / 1e9, outcome.values(), outcome.curves());
        log.add(trial);
        listener.done(trial);
    }

    /** Where an SAE of a trial is. */
    public Path sae(String part, String variant, int seed) {
        return folder.resolve("saes").resolve(slug(part) + "-" + slug(variant) + "-" + seed);
    }

    private static String slug(String text) {
        return text.toLowerCase(java.util.Locale.ROOT).replaceAll("[^a-z0-9.]+", "_");
    }

    /** What a trial has measured. */
    public double value(String part, String variant, int seed, String quantity) {
        return log.find(part, variant, seed)
                .map(trial -> trial.values().get(quantity))
                .orElseThrow(() -> new IllegalStateException(
                        "no " + quantity + " of " + part + ", " + variant + ", seed " + seed));
    }

    /**
     * Trains an SAE anew.
     *
     * @param judged where the objective runs a model, else null
     * @param settings keys of the training configuration, {@code key=value}
     */
    public Trained train(Path out, RowSource rows, @Nullable Judged judged, List<String> settings) {
        return train(out, rows, configuration(settings), judged, null);
    }

    /**
     * Trains an SAE further.
     *
     * @param judged where the objective runs a model, else null
     */
    public Trained fineTune(Path out, Path start, RowSource rows, @Nullable Judged judged, List<String> settings) {
        List<String> all = new ArrayList<>(StartFrom.settings(SaeFolder.load(start)));
        all.addAll(settings);
        return train(out, rows, configuration(all), judged, start);
    }

    private TrainConfig configuration(List<String> settings) {
        List<String> all = new ArrayList<>(settings);
        all.add("threads=" + workers.threads());
        return ConfigReader.read(TrainConfig.DEFAULT, null, all);
    }

    /** Batches with their judge, for a configuration. */
    @FunctionalInterface
    public interface Judged {
        JudgedRows of(TrainConfig config);
    }

    /**
     * Trains an SAE anew, whatever the folder holds: an interrupted trial begins again, so that its time is that of the whole.
     *
     * @param start what it begins with; null: anew
     */
    private Trained train(Path out, RowSource rows, TrainConfig config, @Nullable Judged judged, @Nullable Path start) {
        TrainRun.clear(out);
        double[] seconds = {0};
        String stage = "train " + out.getFileName();
        TrainJob job = start == null
                ? new TrainJob(out, config)
                : new TrainJob(
                        out,
                        config,
                        SaeFolder.load(start).sae(),
                        start.getFileName().toString());
        TrainRun.trainAll(
                        List.of(job),
                        rows,
                        rows.provenance(),
                        rows.provenance().hook(),
                        rows.targetWidth() > 0
                                ? rows.targetHook()
                                : rows.provenance().hook(),
                        judged == null ? null : judged.of(config),
                        event -> {
                            if (event instanceof TrainEvent.Stepped stepped) {
                                listener.at(stage, "steps", stepped.stats().step(), config.steps(rows.rows()));
                            } else if (event instanceof TrainEvent.Finished finished) {
                                seconds[0] = finished.seconds();
                            }
                        })
                .forEach(reason -> {
                    throw reason;
                });
        return new Trained(out, SaeFolder.load(out), seconds[0]);
    }

    /** The language model and its activations; loaded with the first call. */
    public RealModel real() {
        if (real == null) {
            real = new RealModel(models, stores, scale, workers, listener);
        }
        return real;
    }

    /** A world with a known dictionary; made where it is not there yet, in the folder that experiments share. The caller closes it. */
    public SyntheticWorld world(SynthConfig config) {
        String name = "world-" + Integer.toHexString(config.toString().hashCode()) + "-" + config.seed();
        return SyntheticWorld.make(
                config, stores.resolve(name), workers, (done, total) -> listener.at(name, "rows", done, total));
    }

    /** Tells how far a stage is. */
    public void progress(String stage, String unit, long done, long total) {
        listener.at(stage, unit, done, total);
    }

    @Override
    public void close() {
        if (real != null) {
            real.close();
        }
    }
}
