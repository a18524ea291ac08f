package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The estimator's kernels against what makes them densities, and against a density that is known. */
class StepKernelTest {
    /** Simpson's rule on many intervals, none of which straddles an edge. */
    private static double integral(StepKernel kernel, int moment) {
        int n = 20_000;
        double h = 2 * kernel.reach() / n;
        double sum = 0;
        for (int i = 0; i < n; i++) {
            double a = -kernel.reach() + i * h;
            double middle = a + h / 2;
            double left = a + h * 1e-9;
            double right = a + h * (1 - 1e-9);
            sum += h
                    / 6
                    * (Math.pow(left, moment) * kernel.at(left)
                            + 4 * Math.pow(middle, moment) * kernel.at(middle)
                            + Math.pow(right, moment) * kernel.at(right));
        }
        return sum;
    }

    @ParameterizedTest
    @EnumSource(StepKernel.class)
    void integratesToOneAndIsEven(StepKernel kernel) {
        assertEquals(1, integral(kernel, 0), 1e-7);
        assertEquals(0, integral(kernel, 1), 1e-9);
        for (double u = 0; u < 1.5 * kernel.reach(); u += 0.01) {
            assertEquals(kernel.at(u), kernel.at(-u), 1e-15);
            assertTrue(kernel.at(u) >= 0);
        }
        assertEquals(0, kernel.at(kernel.reach()));
    }

    /**
     * E[K((z − θ)/ε)/ε] for z ~ N(0, 1) is p(θ) + ε² σ_K² p''(θ)/2 + O(ε⁴), σ_K² the kernel's variance; the mean over n samples lies within
     * five standard errors of that.
     */
    @ParameterizedTest
    @EnumSource(StepKernel.class)
    void estimatesTheDensityAtTheThreshold(StepKernel kernel) {
        Random random = new Random(3);
        int n = 400_000;
        double theta = 0.5;
        double density = Math.exp(-theta * theta / 2) / Math.sqrt(2 * Math.PI);
        double curvature = (theta * theta - 1) * density;
        double[] z = random.doubles(n).map(_ -> random.nextGaussian()).toArray();
        double variance = integral(kernel, 2);
        for (double epsilon : new double[] {0.05, 0.2}) {
            double sum = 0;
            double squares = 0;
            for (double v : z) {
                double k = kernel.at((v - theta) / epsilon) / epsilon;
                sum += k;
                squares += k * k;
            }
            double mean = sum / n;
            double error = Math.sqrt((squares / n - mean * mean) / n);
            double expected = density + epsilon * epsilon * variance * curvature / 2;
            assertEquals(expected, mean, 5 * error + 3 * Math.pow(epsilon, 4) * variance * variance, "ε = " + epsilon);
        }
    }
}
