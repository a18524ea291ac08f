package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoubleFunction;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.eval.LatentMetrics;
import org.loupe.eval.Metric;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.SyntheticWorld;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.synth.Firing;
import org.loupe.synth.Magnitude;
import org.loupe.synth.SynthConfig;
import org.loupe.train.StepKernel;

/** What does the bandwidth of JumpReLU's straight-through estimator do? */
final class BandwidthQuestion implements Experiment {
    static final String DENSITY = "the estimator itself";
    static final String WORLD = "known features";
    static final String OFFSET = "known features, far from the origin";
    static final String REAL = "SmolLM2, block 11";

    static final String LOG = "rectangle, ε = 1, log θ";
    static final String SLOW_LOG = "rectangle, ε = 1, log θ at 0.3 of the rate";

    static final String ERROR_BY_WIDTH = "error_by_width";
    static final String BIAS_BY_EPSILON = "bias_by_epsilon";
    static final String NOISE_BY_EPSILON = "noise_by_epsilon";
    static final String AROUND = "density_around_threshold";
    static final String FREQUENCIES = "latents_by_frequency";

    static final Quantity EPSILON = new Quantity(
            "epsilon", "ε / σ", "", "bandwidth in deviations σ of a pre-activation, arch.jump.relative_bandwidth");
    static final Quantity ABSOLUTE = new Quantity(
            "absolute",
            "ε",
            "E‖x‖² = d",
            "the same bandwidth at the end of training in the unit of the key bandwidth, mean over latents");
    static final Quantity LEAST =
            new Quantity("least_error", "least error", "", "√E(p̂ − p)² / p at the kernel’s best ε, 1,024 rows");
    static final Quantity BEST = new Quantity("best_epsilon", "best ε / σ", "", "the ε of that error");
    static final Quantity BEST_WIDTH =
            new Quantity("best_width", "best deviation of the kernel / σ", "", "that ε times √∫u²K(u)du");
    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity MISSED =
            new Quantity("missed", "L0 / target − 1", "", "how far the L0 on unseen rows is from the one asked for");
    static final Quantity DEAD = Quantity.of(Metric.DEAD_FRACTION);
    static final Quantity DENSE =
            new Quantity("dense", "dense latents", "", "share of latents that fire on more than a tenth of the rows");

    /** A standard normal variable is larger with probability 1/64, that of a latent where L0 is 32 of 2,048. */
    static final double THETA = 2.1539;

    static final int ROWS = 1_024;
    private static final double MOST_FREQUENT = 0.1;
    private static final int BINS = 20;
    private static final double BINS_A_DECADE = 4;

    @Override
    public String name() {
        return "bandwidth";
    }

    @Override
    public String question() {
        return "What does the bandwidth ε of JumpReLU’s straight-through estimator do?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(
                EPSILON,
                ABSOLUTE,
                FVU,
                Quantity.of(Metric.L0),
                MISSED,
                DEAD,
                DENSE,
                Quantity.of(Metric.RECOVERED_FRACTION),
                Quantity.of(Metric.CE_INCREASE),
                Quantity.of(Metric.CE_RECOVERED_MEAN),
                Quantity.of(Metric.KL),
                Quantity.of(Metric.TOP1_AGREEMENT),
                Trainings.SECONDS,
                LEAST,
                BEST,
                BEST_WIDTH);
    }

    /** A variant's name. */
    static String variant(StepKernel kernel, double epsilon) {
        return name(kernel) + ", ε = " + Say.number(epsilon);
    }

    static String name(StepKernel kernel) {
        return kernel.name().toLowerCase(Locale.ROOT);
    }

    /** @param offset norm of the mean of all rows; without it E‖x‖² is 1.8 */
    private static SynthConfig world(double offset, long seed) {
        return new SynthConfig(
                256, 64, 131_072, 16_384, Firing.FLAT, 5.12, 1, Magnitude.UNIFORM, 0, 1, 0, 0.01, false, offset, seed);
    }

    @Override
    public void measure(Laboratory lab) {
        for (StepKernel kernel : StepKernel.values()) {
            lab.trial(DENSITY, name(kernel), 0, _ -> estimate(kernel));
        }
        Scale scale = lab.scale();
        List<Double> grid = scale.of(List.of(0.3, 1.0, 3.0, 10.0), List.of(0.1, 0.3, 1.0, 3.0, 10.0));
        toy(
                lab,
                WORLD,
                0,
                scale.of(
                        List.of(StepKernel.RECTANGLE, StepKernel.GAUSSIAN),
                        List.of(StepKernel.RECTANGLE, StepKernel.EPANECHNIKOV, StepKernel.GAUSSIAN)),
                grid);
        toy(lab, OFFSET, 12, List.of(StepKernel.RECTANGLE), grid);
        real(lab, scale.of(List.of(1.0, 3.0), grid));
    }

    /** Error of the estimate over kernels and bandwidths, and of the best bandwidth. */
    private static Trial.Outcome estimate(StepKernel kernel) {
        double deviation = StepEstimate.deviation(kernel);
        int n = 41;
        double[] widths = new double[n];
        double[] epsilons = new double[n];
        double[] bias = new double[n];
        double[] noise = new double[n];
        double[] error = new double[n];
        int best = 0;
        for (int i = 0; i < n; i++) {
            widths[i] = 0.01 * Math.pow(10, i / 20.0);
            epsilons[i] = widths[i] / deviation;
            StepEstimate estimate = new StepEstimate(kernel, epsilons[i]);
            bias[i] = Math.abs(estimate.bias(THETA));
            noise[i] = estimate.noise(THETA, ROWS);
            error[i] = estimate.error(THETA, ROWS);
            best = error[i] < error[best] ? i : best;
        }
        return new Trial.Outcome(
                new LinkedHashMap<>(
                        Map.of(LEAST.key(), error[best], BEST.key(), epsilons[best], BEST_WIDTH.key(), widths[best])),
                Map.of(
                        ERROR_BY_WIDTH, new Trial.Curve(widths, error),
                        BIAS_BY_EPSILON, new Trial.Curve(epsilons, bias),
                        NOISE_BY_EPSILON, new Trial.Curve(epsilons, noise)));
    }

    private static void toy(Laboratory lab, String part, double offset, List<StepKernel> kernels, List<Double> grid) {
        int l0 = 5;
        List<String> base = List.of(
                "architecture=jumprelu",
                "latents=256",
                "l0=" + l0,
                "batch=" + ROWS,
                "tokens=" + lab.scale().of(250, 1_000) * (long) ROWS);
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            try (SyntheticWorld world = lab.world(world(offset, seed))) {
                DoubleFunction<Trainings> of = epsilon -> new Trainings(lab, part, world.train(), base, trained -> {
                    Map<String, Double> values = world.evaluate(
                            trained.loaded(), List.of(Metric.FVU, Metric.L0, Metric.RECOVERED_FRACTION), lab.workers());
                    return outcome(lab, trained, world.eval(), values, epsilon, l0);
                });
                sweep(of, seed, kernels, grid);
                if (offset == 0) {
                    logarithms(of, seed);
                }
            }
        }
    }

    private static void real(Laboratory lab, List<Double> grid) {
        Scale scale = lab.scale();
        int l0 = scale.of(16, 32);
        ActivationStore store = lab.real().store(RealModel.HOOK, scale.of(8_000, 200_000));
        List<String> base = List.of(
                "architecture=jumprelu",
                "latents=" + scale.of(512, 2_048),
                "l0=" + l0,
                "batch=" + scale.of(512, 1_024),
                "passes=" + scale.of(8, 3));
        DoubleFunction<Trainings> of = epsilon -> new Trainings(
                lab,
                REAL,
                store,
                base,
                trained -> outcome(lab, trained, store, lab.real().splice(trained.loaded(), store), epsilon, l0));
        for (int seed = 0; seed < scale.seeds(); seed++) {
            sweep(of, seed, List.of(StepKernel.RECTANGLE), grid);
            logarithms(of, seed);
        }
    }

    /**
     * Kernels of the same deviation, which is the rectangle's at each ε of the grid.
     *
     * @param trainings by ε
     */
    private static void sweep(
            DoubleFunction<Trainings> trainings, int seed, List<StepKernel> kernels, List<Double> grid) {
        double rectangle = StepEstimate.deviation(StepKernel.RECTANGLE);
        for (StepKernel kernel : kernels) {
            for (double likeRectangle : grid) {
                double epsilon = likeRectangle * rectangle / StepEstimate.deviation(kernel);
                trainings
                        .apply(epsilon)
                        .train(
                                variant(kernel, epsilon),
                                seed,
                                "arch.jump.kernel=" + name(kernel),
                                "arch.jump.relative_bandwidth=" + epsilon);
            }
        }
    }

    /** log θ in place of θ with a rectangle of ε = 1, at the rate that θ has and at a lower one. */
    private static void logarithms(DoubleFunction<Trainings> trainings, int seed) {
        String log = "arch.jump.log_threshold=true";
        trainings.apply(1).train(LOG, seed, log);
        trainings.apply(1).train(SLOW_LOG, seed, log, "arch.jump.threshold_lr=3");
    }

    private static Trial.Outcome outcome(
            Laboratory lab,
            Laboratory.Trained trained,
            RowSource rows,
            Map<String, Double> values,
            double epsilon,
            int l0) {
        Map<String, Double> all = new LinkedHashMap<>(values);
        Thresholds thresholds = new Thresholds(trained.sae(), rows, 2_048, lab.workers());
        all.put(EPSILON.key(), epsilon);
        all.put(ABSOLUTE.key(), epsilon * thresholds.deviation());
        all.put(MISSED.key(), all.getOrDefault(Quantity.of(Metric.L0).key(), Double.NaN) / l0 - 1);
        LatentMetrics usage = Usage.of(trained.sae(), rows, 1 << 16, lab.workers());
        long n = Math.min(1 << 16, rows.rows());
        long[] fired = usage.fired();
        boolean[] alive = new boolean[fired.length];
        double[] share = new double[BINS];
        double dense = 0;
        for (int i = 0; i < fired.length; i++) {
            alive[i] = fired[i] > 0;
            double frequency = (double) fired[i] / n;
            dense += frequency > MOST_FREQUENT ? 1.0 / fired.length : 0;
            if (alive[i]) {
                int bin = (int) Math.floor(BINS + BINS_A_DECADE * Math.log10(frequency));
                share[Math.clamp(bin, 0, BINS - 1)] += 1.0 / fired.length;
            }
        }
        RealModel.put(all, Metric.DEAD_FRACTION, (double) usage.dead() / fired.length);
        all.put(DENSE.key(), dense);
        double[] places = new double[BINS];
        Arrays.setAll(places, b -> Math.pow(10, (b + 0.5 - BINS) / BINS_A_DECADE));
        return new Trial.Outcome(
                all, Map.of(AROUND, thresholds.around(alive), FREQUENCIES, new Trial.Curve(places, share)));
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return BandwidthAnswer.of(trials, scale, quantities());
    }
}
