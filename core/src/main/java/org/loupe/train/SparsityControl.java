package org.loupe.train;

import org.jspecify.annotations.Nullable;

/**
 * Holds the mean number of active latents at what was asked for. With e = log(L0 / wanted), L0 smoothed:
 *
 * <ul>
 *   <li>A penalty's coefficient is λ = λ₀ + s (P e + I ∫e), with λ₀ the coefficient at which reconstruction and penalty balance and s the spread of
 *       that among latents ({@link Balance}), both smoothed. At λ₀ the L0 stays what it is, whatever it is; so what is added decides how it moves, in
 *       the unit of what Adam divides by. Of jumprelu λ may fall below 0: where reconstruction alone makes fewer latents active than wanted,
 *       thresholds are to be lowered. What is wanted falls geometrically from the L0 of the first step to the target over the penalty's
 *       warm-up; the integral is slowed with the learning rate, as is what it acts on.
 *   <li>JumpReLU's quadratic penalty pulls to the target itself, the more firmly the larger its given coefficient is, which stays.
 *   <li>LASSO's codes follow λ at once: λ = l1 exp(P e + I ∫e), which stays above 0, for without a penalty every atom is active.
 *   <li>Of the top-k family k rises where rows have too few positive pre-activations to fill it.
 * </ul>
 *
 * <p>Without a target a coefficient rises to the given one over its warm-up and stays.
 */
final class SparsityControl {
    private static final double PROPORTIONAL = 10;

    /** Over a whole run: an error of 1 moves its part by this, were it to last all through. */
    private static final double INTEGRAL = 40;

    private static final double INTEGRAL_OF_LASSO = 60;
    private static final double PROPORTIONAL_OF_LASSO = 1.5;

    /** Weight of a batch in what is smoothed. */
    private static final double SMOOTHING = 0.2;

    /** An error beyond this counts as this much. */
    private static final double MOST = 1;

    /** Bound of the integral: what it winds up on the way to the target it has to unwind there. */
    private static final double MOST_SPREADS = 2;

    /** Bound of LASSO's exponent. */
    private static final double MOST_EXPONENT = 13;

    /** log k moves by this share of its error in a step, and no further than doubling k twice. */
    private static final double COUNT_RATE = 0.1;

    private static final double MOST_K = Math.log(4);

    private final boolean penalised;
    private final boolean signed;
    private final boolean lasso;
    private final boolean targeted;
    private final double target;
    private final double given;
    private final double warmup;
    private final long steps;

    /** Places of {@link #state}: the integral, or the logarithm of k's multiple; smoothed L0; L0 of the first step; smoothed λ₀ and s. */
    private static final int MOVED = 0;

    private static final int L0 = 1;
    private static final int FIRST_L0 = 2;
    private static final int BALANCED = 3;
    private static final int SPREAD = 4;

    /** NaN where no step has been seen. */
    private final double[] state = {0, Double.NaN, Double.NaN, Double.NaN, Double.NaN};

    SparsityControl(TrainConfig config, long steps) {
        this.lasso = config.penalised() && config.architecture().classic();
        this.penalised = config.penalised();
        this.signed = config.architecture() == Architecture.JUMPRELU;
        boolean pullsItself = signed && config.arch().jump().penalty() == ArchitectureConfig.Jump.Sparsity.QUADRATIC;
        this.targeted = config.l0() > 0 && !pullsItself;
        this.target = config.wantedL0();
        this.given = config.l1();
        this.warmup = lasso && !targeted ? 0 : config.arch().penalty().warmup();
        this.steps = steps;
    }

    /** λ of the coming step. */
    double coefficient(double progress) {
        if (!penalised) {
            return 0;
        }
        if (!targeted) {
            return given * (warmup > 0 ? Math.min(1, progress / warmup) : 1);
        }
        if (lasso) {
            return given * Math.exp(state[MOVED] + PROPORTIONAL_OF_LASSO * error(progress));
        }
        if (Double.isNaN(state[BALANCED])) {
            return 0;
        }
        double balanced = state[BALANCED] + state[SPREAD] * (state[MOVED] + PROPORTIONAL * error(progress));
        return signed ? balanced : Math.max(balanced, 0);
    }

    /** k of the coming step, before it is annealed. */
    double wanted() {
        return penalised ? target : target * Math.exp(state[MOVED]);
    }

    /** How far the smoothed L0 is above what is wanted, in logarithms. */
    private double error(double progress) {
        if (Double.isNaN(state[L0])) {
            return 0;
        }
        double way = warmup > 0 ? Math.min(1, progress / warmup) : 1;
        double wanted = Math.exp(Math.log(state[FIRST_L0]) + way * (Math.log(target) - Math.log(state[FIRST_L0])));
        return Math.max(-MOST, Math.min(MOST, Math.log(state[L0] / wanted)));
    }

    /**
     * Takes what a step did.
     *
     * @param l0 active latents of a row, mean of the batch
     * @param rateShare learning rate of the step as a share of its peak
     * @param balance its pushes, of architectures with a penalty
     */
    void observe(double l0, double progress, double rateShare, @Nullable Balance balance) {
        double seen = Math.max(l0, 1e-3 * target);
        state[FIRST_L0] = Double.isNaN(state[FIRST_L0]) ? seen : state[FIRST_L0];
        smooth(L0, seen);
        if (balance != null) {
            smooth(BALANCED, balance.coefficient());
            smooth(SPREAD, balance.spread());
        }
        if (!targeted) {
            return;
        }
        if (penalised) {
            double most = lasso ? MOST_EXPONENT : MOST_SPREADS;
            double moved = state[MOVED] + (lasso ? INTEGRAL_OF_LASSO : INTEGRAL) / steps * rateShare * error(progress);
            state[MOVED] = Math.max(-most, Math.min(most, moved));
        } else {
            state[MOVED] = Math.max(0, Math.min(MOST_K, state[MOVED] + COUNT_RATE * Math.log(target / state[L0])));
        }
    }

    private void smooth(int at, double seen) {
        state[at] = Double.isNaN(state[at]) ? seen : state[at] + SMOOTHING * (seen - state[at]);
    }

    /** What it remembers, shared and not copied. */
    double[] state() {
        return state;
    }
}
