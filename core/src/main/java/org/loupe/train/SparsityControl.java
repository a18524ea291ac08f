package org.loupe.train;

/**
 * Holds the mean number of active latents at what was asked for.
 *
 * <p>Of a penalty it moves the coefficient, λ = l1 sinh(u) / sinh(1), which far from 0 moves by factors, by a controller of u, proportional and
 * integral, of the error e = log(L0 / wanted). Of jumprelu λ may fall below 0: where reconstruction alone makes fewer latents active than wanted,
 * thresholds are to be lowered, not raised; and l1 is replaced by a share of d / L0*, for the scale of λ is the energy of one latent. What is wanted falls geometrically from the L0 of the first step to the target over the penalty's warm-up, so that λ need not overshoot; the integral
 * is slowed with the learning rate, as is what it acts on. Of the top-k family it raises k where rows have too few positive
 * pre-activations to fill it. Without a target a coefficient rises to the given one over its warm-up and stays.
 */
final class SparsityControl {
    /** Integral gain over a whole run: an L0 that is e-fold too large moves u by this, were it to last all through. */
    private static final double INTEGRAL = 60;

    private static final double PROPORTIONAL = 1.5;

    /** Of jumprelu: thresholds add up what λ does to them, so that the integral must be slow for L0 not to swing. */
    private static final double INTEGRAL_OF_THRESHOLDS = 20;

    private static final double PROPORTIONAL_OF_THRESHOLDS = 2;

    /** Of jumprelu, λ at u = 1 as a share of d / L0*, the energy of an active latent. */
    private static final double SHARE = 0.05;

    /** Weight of a batch in the smoothed L0. */
    private static final double SMOOTHING = 0.2;

    /** An error beyond this counts as this much. */
    private static final double MOST = 1;

    /** Bound of u: λ of e^12 times l1. */
    private static final double MOST_COEFFICIENT = 13;

    /** log k moves by this share of its error in a step, and no further than doubling k twice. */
    private static final double COUNT_RATE = 0.1;

    private static final double MOST_K = Math.log(4);

    private final boolean penalised;
    private final boolean signed;
    private final boolean targeted;
    private final double target;
    private final double given;
    private final double warmup;
    private final long steps;

    /** u's integral (or log of k's multiple), smoothed L0, L0 of the first step; NaN before it. */
    private final double[] state;

    SparsityControl(TrainConfig config, long steps, int d) {
        this.penalised = config.architecture().penalised();
        this.signed = config.architecture() == Architecture.JUMPRELU;
        this.targeted = config.l0() > 0;
        this.target = config.wantedL0();
        this.given = signed && targeted ? SHARE * d / target : config.l1();
        this.warmup = config.arch().penalty().warmup();
        this.steps = steps;
        this.state = new double[] {penalised ? 1 : 0, Double.NaN, Double.NaN};
    }

    /** λ of the coming step. */
    double coefficient(double progress) {
        if (!penalised) {
            return 0;
        }
        if (!targeted) {
            return given * (warmup > 0 ? Math.min(1, progress / warmup) : 1);
        }
        double u = state[0] + (signed ? PROPORTIONAL_OF_THRESHOLDS : PROPORTIONAL) * error(progress);
        return given * Math.sinh(signed ? u : Math.max(u, 0)) / Math.sinh(1);
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
            double u = state[0] + (signed ? INTEGRAL_OF_THRESHOLDS : INTEGRAL) / steps * rateShare * error(progress);
            state[0] = Math.max(signed ? -MOST_COEFFICIENT : 0, Math.min(MOST_COEFFICIENT, u));
        } else {
            state[0] = Math.max(0, Math.min(MOST_K, state[0] + COUNT_RATE * Math.log(target / state[1])));
        }
    }

    /** What it remembers, shared and not copied. */
    double[] state() {
        return state;
    }
}
