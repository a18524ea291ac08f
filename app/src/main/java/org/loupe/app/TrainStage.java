package org.loupe.app;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.causal.Downstream;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.SaeFolder;
import org.loupe.train.ClosingFigures;
import org.loupe.train.Sweep;
import org.loupe.train.TrainConfig;
import org.loupe.train.TrainEvent;
import org.loupe.train.TrainJob;
import org.loupe.train.TrainRun;

/** Trains one SAE or several, with progress. */
final class TrainStage {
    private final Terminal terminal;
    private final TrainProgress progress;
    private final Map<Path, TrainConfig> configs = new LinkedHashMap<>();
    private final Map<Path, TrainEvent.Started> started = new LinkedHashMap<>();
    private final Map<Path, TrainEvent.Finished> finished = new LinkedHashMap<>();
    private final Map<Path, BadInput> diverged = new LinkedHashMap<>();
    private String arithmetic = "";

    private TrainStage(Terminal terminal, Progress bar, RowSource rows, List<TrainJob> jobs) {
        this.terminal = terminal;
        this.progress = new TrainProgress(bar, jobs, rows.rows());
        jobs.forEach(job -> configs.put(job.out(), job.config()));
    }

    /**
     * What the stage did. Tokens and seconds are of this start alone, 0 where there was nothing left to do.
     *
     * @param closing how the training ended, in this start or an earlier one
     * @param diverged why there is no SAE, if there is none
     */
    record Result(
            Path sae,
            boolean complete,
            long tokens,
            double seconds,
            ClosingFigures closing,
            double waitedSeconds,
            Optional<BadInput> diverged) {
        double tokensPerSecond() {
            return seconds > 0 ? tokens / seconds : 0;
        }

        Map<String, Object> toJson() {
            return Terminal.object(
                    "sae", sae.toString(),
                    "complete", complete,
                    "tokens", tokens,
                    "seconds", seconds,
                    "tokens_per_second", tokensPerSecond(),
                    "loss", closing.loss(),
                    "fvu", closing.fvu(),
                    "l0", closing.l0(),
                    "dead", closing.dead(),
                    "waited_seconds", waitedSeconds);
        }
    }

    /**
     * Trains into a folder, goes on there, or says that it is complete; then one line of result.
     *
     * @param model for an objective that runs it, else null
     * @param init the SAE to start from; null: anew
     */
    static Result run(
            Terminal terminal,
            Path out,
            RowSource rows,
            @Nullable LanguageModel model,
            @Nullable Path init,
            TrainConfig config) {
        Result result =
                train(terminal, rows, model, List.of(job(out, config, init))).getFirst();
        result.diverged().ifPresent(reason -> {
            throw reason;
        });
        terminal.say(
                result.complete()
                        ? "train: complete already → " + out
                        : String.format(
                                Locale.ROOT,
                                "train: %s, %,d latents: FVU %.3f, L0 %.1f, %,d dead; %,d tokens in %s, %,.0f tokens/s → %s",
                                config.architecture().key(),
                                config.latents(),
                                result.closing().fvu(),
                                result.closing().l0(),
                                result.closing().dead(),
                                result.tokens(),
                                Progress.clock(result.seconds()),
                                result.tokensPerSecond(),
                                out));
        return result;
    }

    /** Trains every variant into a folder of its name. */
    static SweepResult runAll(
            Terminal terminal,
            Path out,
            RowSource rows,
            @Nullable LanguageModel model,
            @Nullable Path init,
            List<Sweep.Variant> variants) {
        List<TrainJob> jobs = variants.stream()
                .map(variant -> job(out.resolve(variant.name()), variant.config(), init))
                .toList();
        List<Result> results = train(terminal, rows, model, jobs);
        List<SweepResult.Row> table = new ArrayList<>();
        for (int i = 0; i < variants.size(); i++) {
            table.add(new SweepResult.Row(variants.get(i), results.get(i)));
        }
        return new SweepResult(table);
    }

    private static TrainJob job(Path out, TrainConfig config, @Nullable Path init) {
        if (init == null) {
            return new TrainJob(out, config);
        }
        return new TrainJob(
                out,
                config,
                SaeFolder.load(init).sae(),
                init.toAbsolutePath().normalize().toString());
    }

    private static List<Result> train(
            Terminal terminal, RowSource rows, @Nullable LanguageModel model, List<TrainJob> jobs) {
        Provenance provenance = rows.provenance();
        try (Progress bar = new Progress(terminal)) {
            TrainStage stage = new TrainStage(terminal, bar, rows, jobs);
            String hookOut = rows.targetWidth() > 0 ? rows.targetHook() : provenance.hook();
            List<TrainJob> local = jobs.stream()
                    .filter(job -> !job.config().objective().runsModel())
                    .toList();
            if (!local.isEmpty()) {
                TrainRun.trainAll(local, rows, provenance, provenance.hook(), hookOut, null, stage::on);
            }
            for (TrainJob job : jobs) {
                if (job.config().objective().runsModel()) {
                    TrainRun.trainAll(
                            List.of(job),
                            rows,
                            provenance,
                            provenance.hook(),
                            hookOut,
                            downstream(model, rows, job.config()),
                            stage::on);
                }
            }
            return jobs.stream().map(job -> stage.result(job.out())).toList();
        }
    }

    private static Downstream downstream(@Nullable LanguageModel model, RowSource rows, TrainConfig config) {
        if (model == null || !(rows instanceof ActivationStore store)) {
            throw new BadInput(
                    rows.name() + ": rows of --data carry no tokens, so that no model can be run on them; objective="
                            + config.objective().name().toLowerCase(Locale.ROOT) + " needs a --store and its --model");
        }
        return Downstream.of(model, store, config);
    }

    private void on(TrainEvent event) {
        progress.on(event);
        switch (event) {
            case TrainEvent.Started start -> {
                started.put(start.sae(), start);
                if (!start.arithmetic().equals(arithmetic)) {
                    arithmetic = start.arithmetic();
                    terminal.say("train: " + arithmetic);
                }
                if (start.from() > 0) {
                    terminal.say("train: " + named(start.sae()) + "goes on after step " + start.from() + " of "
                            + start.steps());
                }
            }
            case TrainEvent.Diverged stop -> {
                diverged.put(stop.sae(), stop.reason());
                if (configs.size() > 1) {
                    terminal.say("train: " + stop.reason().getMessage());
                }
            }
            case TrainEvent.Finished end -> finished.put(end.sae(), end);
            case TrainEvent.Stepped _, TrainEvent.Saved _, TrainEvent.Complete _ -> {}
        }
    }

    private String named(Path sae) {
        return configs.size() > 1 ? sae.getFileName() + " " : "";
    }

    private Result result(Path sae) {
        TrainEvent.Started start = started.get(sae);
        TrainEvent.Finished end = finished.get(sae);
        return new Result(
                sae,
                start == null,
                start == null || end == null
                        ? 0
                        : (start.steps() - start.from()) * start.config().batch(),
                end == null ? 0 : end.seconds(),
                ClosingFigures.read(sae),
                end == null ? 0 : end.waitedSeconds(),
                Optional.ofNullable(diverged.get(sae)));
    }
}
