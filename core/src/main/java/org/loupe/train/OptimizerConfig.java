package org.loupe.train;

import static org.loupe.train.TrainConfig.require;

/**
 * Adam with clipping and a schedule.
 */
public record OptimizerConfig(
        @About("Adam's decay of the first moment.") double beta1,
        @About("Adam's decay of the second moment.") double beta2,
        @About("Added to Adam's denominator.") double epsilon,

        @About("Largest norm of all gradients together, above which they are scaled down; 0: never.")
        double clip,

        @About("Share of the steps over which the learning rate rises from 0.")
        double warmup,

        @About("Share of the steps, the last ones, over which it falls to 0.")
        double decay) {
    public OptimizerConfig {
        require(beta1 >= 0 && beta1 < 1, "optimizer.beta1", beta1, "in [0, 1)");
        require(beta2 >= 0 && beta2 < 1, "optimizer.beta2", beta2, "in [0, 1)");
        require(epsilon > 0, "optimizer.epsilon", epsilon, "> 0");
        require(clip >= 0, "optimizer.clip", clip, "≥ 0");
        require(warmup >= 0 && warmup <= 1, "optimizer.warmup", warmup, "in [0, 1]");
        require(decay >= 0 && decay <= 1, "optimizer.decay", decay, "in [0, 1]");
    }
}
