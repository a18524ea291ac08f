package org.loupe.train;

/**
 * K(u), an even density with integral 1: the estimator puts K((z − θ)/ε)/ε in place of the delta function δ(z − θ), the derivative of
 * the step H(z − θ). So E[K((z − θ)/ε)/ε] is the kernel density estimate of p(z = θ) with bandwidth ε (Silverman 1986, §2.4): its bias grows with ε², its
 * variance falls with 1/(nε).
 */
public enum StepKernel {
    /** 1 for |u| &lt; ½ (Rajamanoharan et al. 2024, eq. 12). */
    RECTANGLE(0.5) {
        @Override
        double density(double u) {
            return 1;
        }
    },
    /** 1 − |u|. */
    TRIANGLE(1) {
        @Override
        double density(double u) {
            return 1 - Math.abs(u);
        }
    },
    /** ¾ (1 − u²). */
    EPANECHNIKOV(1) {
        @Override
        double density(double u) {
            return 0.75 * (1 - u * u);
        }
    },
    /** 15/16 (1 − u²)². */
    BIWEIGHT(1) {
        @Override
        double density(double u) {
            return 0.9375 * (1 - u * u) * (1 - u * u);
        }
    },
    /** exp(−u²/2), cut off at |u| = 4. */
    GAUSSIAN(4) {
        @Override
        double density(double u) {
            return Math.exp(-0.5 * u * u) / GAUSSIAN_MASS;
        }
    },
    /** e^−u / (1 + e^−u)², cut off at |u| = 8. */
    LOGISTIC(8) {
        @Override
        double density(double u) {
            double e = Math.exp(-Math.abs(u));
            return e / ((1 + e) * (1 + e)) / LOGISTIC_MASS;
        }
    };

    /** ∫ exp(−u²/2) du over [−4, 4] = √(2π) erf(4/√2), erf(4/√2) = 1 − 6.334248366624e-5. */
    private static final double GAUSSIAN_MASS = Math.sqrt(2 * Math.PI) * (1 - 6.334248366624e-5);

    /** ∫ e^−u / (1 + e^−u)² du over [−8, 8] = tanh(4). */
    private static final double LOGISTIC_MASS = Math.tanh(4);

    private final double reach;

    StepKernel(double reach) {
        this.reach = reach;
    }

    /** K is 0 for |u| at and beyond this. */
    public double reach() {
        return reach;
    }

    /** K(u). */
    public double at(double u) {
        return Math.abs(u) < reach ? density(u) : 0;
    }

    /** K(u) for |u| &lt; {@link #reach}. */
    abstract double density(double u);
}
