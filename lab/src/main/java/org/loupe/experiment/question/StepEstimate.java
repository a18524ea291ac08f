package org.loupe.experiment.question;

import java.util.function.DoubleUnaryOperator;
import org.loupe.train.StepKernel;

/**
 * The straight-through estimator's stand-in for E δ(z − θ) = p(θ), as an estimate of a density from n rows z ~ N(0, 1):
 *
 * <pre>
 * p̂ = (1/n) Σ K((z − θ)/ε)/ε      E p̂ = ∫ K(u) p(θ + ε u) du      Var p̂ = (1/n) (∫ K(u)² p(θ + ε u) du / ε − (E p̂)²)
 * </pre>
 *
 * @param epsilon ε, in deviations of z
 */
record StepEstimate(StepKernel kernel, double epsilon) {
    /** Of the midpoint rule. */
    private static final int POINTS = 20_000;

    /** φ(θ), the density itself. */
    static double density(double theta) {
        return Math.exp(-theta * theta / 2) / Math.sqrt(2 * Math.PI);
    }

    /** √∫ u² K(u) du: ε times this is the deviation of the kernel. */
    static double deviation(StepKernel kernel) {
        return Math.sqrt(integral(kernel, u -> u * u * kernel.at(u)));
    }

    /** E p̂ / p − 1. */
    double bias(double theta) {
        return mean(theta) / density(theta) - 1;
    }

    /** √Var p̂ / p. */
    double noise(double theta, int rows) {
        double square = integral(kernel, u -> Math.pow(kernel.at(u), 2) * density(theta + epsilon * u)) / epsilon;
        return Math.sqrt((square - Math.pow(mean(theta), 2)) / rows) / density(theta);
    }

    /** √E(p̂ − p)² / p. */
    double error(double theta, int rows) {
        return Math.hypot(bias(theta), noise(theta, rows));
    }

    private double mean(double theta) {
        return integral(kernel, u -> kernel.at(u) * density(theta + epsilon * u));
    }

    private static double integral(StepKernel kernel, DoubleUnaryOperator of) {
        double step = 2 * kernel.reach() / POINTS;
        double sum = 0;
        for (int i = 0; i < POINTS; i++) {
            sum += of.applyAsDouble(-kernel.reach() + (i + 0.5) * step);
        }
        return sum * step;
    }
}
