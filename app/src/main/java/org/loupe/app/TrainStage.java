package org.loupe.app;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Locale;
import java.util.Map;
import org.loupe.activations.RowSource;
import org.loupe.io.Provenance;
import org.loupe.train.StepStats;
import org.loupe.train.TrainConfig;
import org.loupe.train.TrainEvent;
import org.loupe.train.TrainRun;

/** Trains with progress and one line of result. */
final class TrainStage {
    /** Steps over which the closing FVU is averaged. */
    private static final int LAST = 20;

    private final Terminal terminal;
    private final Progress progress;
    private final ArrayDeque<StepStats> last = new ArrayDeque<>();
    private long from;
    private long steps;
    private boolean complete;
    private double seconds;
    private double waited;

    private TrainStage(Terminal terminal, Progress progress) {
        this.terminal = terminal;
        this.progress = progress;
    }

    /**
     * What the stage did; the numbers are of this start alone and 0 where there was nothing left to do.
     *
     * @param fvu mean over the last steps, on the batches they trained on
     */
    record Result(Path sae, boolean complete, long tokens, double seconds, double fvu, int dead, double waitedSeconds) {
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
                    "fvu", fvu,
                    "dead", dead,
                    "waited_seconds", waitedSeconds);
        }
    }

    /** Trains into a folder, goes on there, or says that it is complete. */
    static Result run(Terminal terminal, Path out, RowSource rows, TrainConfig config) {
        Provenance provenance = rows.provenance();
        TrainStage stage;
        try (Progress progress = new Progress(terminal)) {
            stage = new TrainStage(terminal, progress);
            TrainRun.train(out, rows, config, provenance, provenance.hook(), provenance.hook(), stage::on);
        }
        return stage.finish(out, config);
    }

    private void on(TrainEvent event) {
        switch (event) {
            case TrainEvent.Started started -> {
                from = started.from();
                steps = started.steps();
                terminal.say("train: " + started.arithmetic());
                if (from > 0) {
                    terminal.say("train: goes on after step " + from + " of " + steps);
                }
            }
            case TrainEvent.Stepped stepped -> {
                StepStats stats = stepped.stats();
                last.addLast(stats);
                if (last.size() > LAST) {
                    last.removeFirst();
                }
                long batch = stats.tokens() / stats.step();
                progress.at(
                        "train",
                        "tokens",
                        stats.tokens(),
                        steps * batch,
                        String.format(Locale.ROOT, "FVU %.3f, %d dead", stats.fvu(), stats.dead()));
            }
            case TrainEvent.Saved _ -> {}
            case TrainEvent.Finished finished -> {
                seconds = finished.seconds();
                waited = finished.waitedSeconds();
            }
            case TrainEvent.Complete _ -> complete = true;
        }
    }

    private Result finish(Path out, TrainConfig config) {
        long tokens = (steps - from) * config.batch();
        double fvu = last.stream().mapToDouble(StepStats::fvu).average().orElse(0);
        int dead = last.isEmpty() ? 0 : last.getLast().dead();
        Result result = new Result(out, complete, tokens, seconds, fvu, dead, waited);
        terminal.say(
                complete
                        ? "train: complete already → " + out
                        : String.format(
                                Locale.ROOT,
                                "train: %,d latents, k %d: FVU %.3f, %,d dead; %,d tokens in %s, %,.0f tokens/s → %s",
                                config.latents(),
                                config.k(),
                                fvu,
                                dead,
                                tokens,
                                Progress.clock(seconds),
                                result.tokensPerSecond(),
                                out));
        return result;
    }
}
