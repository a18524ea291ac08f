package org.loupe.train;

/**
 * The learning rate over a run: a linear rise from 0, the peak, and a linear fall to 0.
 *
 * @param rise steps of the rise
 * @param fall steps of the fall, the last ones
 */
record Schedule(double peak, long steps, long rise, long fall) {
    static Schedule of(TrainConfig config, long steps) {
        return new Schedule(
                config.peakLearningRate(steps),
                steps,
                Math.round(config.optimizer().warmup() * steps),
                Math.round(config.optimizer().decay() * steps));
    }

    /** The rate of step 1 to {@link #steps}; never 0. */
    double at(long step) {
        double up = rise == 0 ? 1 : Math.min(1, (double) step / rise);
        double down = fall == 0 ? 1 : Math.min(1, (double) (steps - step + 1) / fall);
        return peak * Math.min(up, down);
    }
}
