package org.loupe.train;

import java.nio.file.Path;

/**
 * One SAE to train.
 *
 * @param out the run's folder, which becomes the SAE folder
 */
public record TrainJob(Path out, TrainConfig config) {}
