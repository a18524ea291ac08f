package org.loupe.train;

/**
 * Holds the mean number of active latents at what was asked for.
 *
 * <p>Of a penalty it moves the coefficient λ by a controller on log λ, proportional and integral, of the error e = log(L0 / wanted). What is wanted
 * falls geometrically from the L0 of the first step to the target over the penalty's warm-up, so that λ need not overshoot; the integral
 * is slowed with the learning rate, as is what it acts on. Of the top-k family it raises k where rows have too few positive
 * pre-activations to fill it. Without a target a coefficient rises to the given one over its warm-up and stays;
 * LASSO's has it from the first step, for without a penalty every atom is active.
 */
final class SparsityControl {
    /** Integral gain over a whole run: an L0 that is e-fold too large moves log λ by this, were it to last all through. */
    private static final double INTEGRAL = 60;

    private static final double PROPORTIONAL = 1.5;

    /** Weight of a batch in the smoothed L0. */
    private static final double SMOOTHING = 0.2;

    /** An error beyond this counts as this much. */
    private static final double MOST = 1;

    /** log k moves by this share of its error in a step, and no further than doubling k twice. */
    private static final double COUNT_RATE = 0.1;

    private static final double MOST_K = Math.log(4);

    private final boolean penalised;
    private final boolean targeted;
    private final double target;
    private final double given;
    private final double warmup;
    private final long steps;

    /** log λ's integral (or log of k's multiple), smoothed L0, L0 of the first step; NaN before it. */
    private final double[] state;

    SparsityControl(TrainConfig config, long steps) {
        this.penalised = config.penalised();
        this.targeted = config.l0() > 0;
        this.target = config.wantedL0();
        this.given = config.l1();
        this.warmup = config.architecture().classic() && !targeted
                ? 0
                : config.arch().penalty().warmup();
        this.steps = steps;
        this.state = new double[] {penalised && targeted ? Math.log(Math.max(given, 1e-6)) : 0, Double.NaN, Double.NaN};
    }

    /** λ of the coming step. */
    double coefficient(double progress) {
        if (!penalised) {
            return 0;
        }
        if (!targeted) {
            return given * (warmup > 0 ? Math.min(1, progress / warmup) : 1);
        }
        return Math.exp(state[0] + PROPORTIONAL * error(progress));
    }

    /** k of the coming step, before it is annealed. */
    double wanted() {
        return penalised ? target : target * Math.exp(state[0]);
    }

    /** How far the smoothed L0 is above what is wanted, in logarithms. */
    private double error(double progress) {
        if (Double.isNaN(state[1])) {
            return 0;
        }
        double way = warmup > 0 ? Math.min(1, progress / warmup) : 1;
        double wanted = Math.exp(Math.log(state[2]) + way * (Math.log(target) - Math.log(state[2])));
        return Math.max(-MOST, Math.min(MOST, Math.log(state[1] / wanted)));
    }

    /**
     * Takes what a step did.
     *
     * @param l0 active latents of a row, mean of the batch
     * @param rateShare learning rate of the step as a share of its peak
     */
    void observe(double l0, double progress, double rateShare) {
        double seen = Math.max(l0, 1e-3 * target);
        state[2] = Double.isNaN(state[2]) ? seen : state[2];
        state[1] = Double.isNaN(state[1]) ? seen : state[1] + SMOOTHING * (seen - state[1]);
        if (!targeted) {
            return;
        }
        if (penalised) {
            state[0] += INTEGRAL / steps * rateShare * error(progress);
        } else {
            state[0] = Math.max(0, Math.min(MOST_K, state[0] + COUNT_RATE * Math.log(target / state[1])));
        }
    }

    /** What it remembers, shared and not copied. */
    double[] state() {
        return state;
    }
}
