package org.loupe.train;

import java.nio.file.Path;

/** What a training run tells its listener: progress bars, logs and tracking hang on these. */
public sealed interface TrainEvent {
    /**
     * The run begins or goes on.
     *
     * @param from steps that an earlier, interrupted run has done
     * @param steps length of the whole run
     * @param arithmetic one line: which kernels and which product run
     */
    record Started(TrainConfig config, long from, long steps, String arithmetic) implements TrainEvent {}

    /** A step is done. */
    record Stepped(StepStats stats, double tokensPerSecond) implements TrainEvent {}

    /** A checkpoint was written after that many steps. */
    record Saved(long step) implements TrainEvent {}

    /**
     * The SAE is written.
     *
     * @param waitedSeconds time for which steps have waited for rows
     */
    record Finished(Path sae, double seconds, double waitedSeconds) implements TrainEvent {}

    /** The folder holds the finished SAE of this very run; nothing was done. */
    record Complete(Path sae) implements TrainEvent {}
}
