package org.loupe.train;

import java.nio.file.Path;
import org.loupe.io.BadInput;

/** What training tells its listener: progress bars, logs and tracking hang on these. Each says of which SAE it speaks. */
public sealed interface TrainEvent {
    /** The folder of the SAE. */
    Path sae();

    /**
     * The run begins or goes on.
     *
     * @param from steps that an earlier, interrupted run has done
     * @param steps length of the whole run
     * @param arithmetic one line: which kernels and which product run
     */
    record Started(Path sae, TrainConfig config, long from, long steps, String arithmetic) implements TrainEvent {}

    /** A step is done. */
    record Stepped(Path sae, StepStats stats, double tokensPerSecond) implements TrainEvent {}

    /** A checkpoint was written after that many steps. */
    record Saved(Path sae, long step) implements TrainEvent {}

    /** The loss or the gradients are no longer finite: this SAE is given up, others of the same sweep go on. */
    record Diverged(Path sae, BadInput reason) implements TrainEvent {}

    /**
     * The SAE is written.
     *
     * @param seconds time of its own steps and files, and its even share of what several SAEs were waiting for together
     * @param waitedSeconds time for which steps have waited for rows, for all SAEs of the same reading together
     */
    record Finished(Path sae, double seconds, double waitedSeconds) implements TrainEvent {}

    /** The folder holds the finished SAE of this very run; nothing was done. */
    record Complete(Path sae) implements TrainEvent {}
}
