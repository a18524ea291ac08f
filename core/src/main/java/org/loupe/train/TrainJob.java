package org.loupe.train;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Sae;

/**
 * One SAE to train.
 *
 * @param out the run's folder, which becomes the SAE folder
 * @param start what it starts from, in raw units; null: anew
 * @param from where that came from, for the run's record; empty without
 */
public record TrainJob(
        Path out, TrainConfig config, @Nullable Sae start, String from) {
    /** An SAE that begins anew. */
    public TrainJob(Path out, TrainConfig config) {
        this(out, config, null, "");
    }
}
