package org.loupe.train;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Activation;
import org.loupe.sae.ActiveRows;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Trains an SAE, one step a call. A step has one dense product (the search for the active latents); decoding, backward and
 * gradients touch the active latents' rows alone. The trainer logs, saves and resumes nothing: that is {@link TrainRun}'s.
 */
public final class Trainer implements AutoCloseable {
    private static final int ROW_CHUNK = 64;

    private final TrainConfig config;
    private final Kernels kernels;
    private final Workers workers;
    private final Schedule schedule;
    private final long deadAfter;
    private final InputStatistics statistics;
    private final Objective objective;
    private final Sae sae;
    private final Adam adam;

    /** Rows seen when each latent last fired. */
    private final long[] lastFired;

    private final LowPrecisionProduct.Offer offer;
    private final Selection selection;
    private final SparseRows sparse;
    private final ActiveRows active = new ActiveRows();
    private final EntriesByLatent entries = new EntriesByLatent();
    private final @Nullable AuxiliaryLoss auxiliary;
    private final Gradients gradients;
    private final Matrix scaled;
    private final Matrix centred;
    private final Matrix reconstruction;
    private final Matrix outputGradient;
    private float[] slopes = new float[0];
    private long step;

    /**
     * A trainer before its first step.
     *
     * @param sample rows from which scale, centre and variance are measured; raw units
     * @param steps length of the run
     */
    public Trainer(TrainConfig config, Matrix sample, long steps, Workers workers) {
        this(
                config,
                InputStatistics.of(
                        sample, config.input().normalize(), config.input().centre()),
                steps,
                workers);
    }

    Trainer(TrainConfig config, InputStatistics statistics, long steps, Workers workers) {
        int d = statistics.centre().length;
        int m = config.latents();
        this.config = config;
        this.kernels = Kernels.BEST;
        this.workers = workers;
        this.schedule = Schedule.of(config, steps);
        this.deadAfter = config.deadAfter(steps);
        this.statistics = statistics;
        this.objective = new SquaredError(statistics.variance(), workers);
        this.sae = initial(config, statistics, kernels);
        this.adam = new Adam(m, d);
        this.lastFired = new long[m];
        this.offer = config.precision().product(m, d, workers.threads());
        this.selection = Selection.of(
                config, new LatentSearch(kernels, workers, offer.product().orElse(null)));
        this.sparse = new SparseRows(kernels, workers);
        this.auxiliary = config.auxk().weight() > 0
                ? new AuxiliaryLoss(
                        config.auxk().weight(),
                        config.auxiliaryK(d),
                        config.batch(),
                        d,
                        new LatentSearch(kernels, workers),
                        kernels,
                        workers)
                : null;
        this.gradients = new Gradients(m, d, kernels, workers);
        this.scaled = Matrix.zeros(config.batch(), d);
        this.centred = Matrix.zeros(config.batch(), d);
        this.reconstruction = Matrix.zeros(config.batch(), d);
        this.outputGradient = Matrix.zeros(config.batch(), d);
    }

    /** Unit-norm Gaussian dictionary rows, the encoder equal to them, b_enc = 0, b_dec the data's centre. */
    private static Sae initial(TrainConfig config, InputStatistics statistics, Kernels kernels) {
        int d = statistics.centre().length;
        SplittableRandom random = new SplittableRandom(config.seed());
        Matrix decoder = Matrix.zeros(config.latents(), d);
        for (int i = 0; i < config.latents() * d; i++) {
            decoder.data()[i] = (float) random.nextGaussian();
        }
        Adam.normalizeRows(kernels, decoder, 0, decoder.rows());
        return new Sae(
                new Matrix(decoder.rows(), d, decoder.data().clone()),
                new float[config.latents()],
                decoder,
                statistics.centre().clone(),
                config.architecture().initial(config),
                true);
    }

    /**
     * One step.
     *
     * @param rows [batch × d] in raw units; not modified
     */
    public StepStats step(Matrix rows) {
        rows.requireCols(sae.dIn(), "training step");
        if (rows.rows() != config.batch()) {
            throw new IllegalArgumentException(
                    "training step: " + rows.rows() + " rows, expected the batch of " + config.batch());
        }
        forward(rows);
        double loss = objective.loss(scaled, reconstruction, outputGradient);
        double fvu = loss * statistics.variance() * rows.rows() / spread(scaled);
        if (slopes.length < active.entries()) {
            slopes = new float[active.entries()];
        }
        sparse.slopes(active, sae.decoder(), outputGradient, slopes);
        entries.regroup(active, slopes, new int[0], sae.latents());
        long seen = step * config.batch();
        int[] dead = dead(seen);
        boolean revive = auxiliary != null && dead.length > 0;
        if (auxiliary != null && revive) {
            loss += auxiliary.loss(
                    centred, scaled, reconstruction, dead, sae.encoder(), sae.encoderBias(), sae.decoder());
        }
        gradients.compute(sae, centred, entries, outputGradient, revive ? auxiliary : null);
        double norm = gradients.norm();
        step++;
        double rate = schedule.at(step);
        adam.update(sae, gradients, adamStep(rate, norm), kernels, workers);
        countFired(seen + rows.rows());
        return new StepStats(
                step,
                step * config.batch(),
                loss,
                fvu,
                active.entries() / (double) rows.rows(),
                dead.length,
                rate,
                norm);
    }

    private void forward(Matrix rows) {
        int d = rows.cols();
        workers.forEach(rows.rows(), ROW_CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int c = 0; c < d; c++) {
                    float x = (float) (rows.data()[r * d + c] * statistics.scale());
                    scaled.data()[r * d + c] = x;
                    centred.data()[r * d + c] = x - sae.decoderBias()[c];
                }
            }
        });
        selection.select(centred, sae, active);
        sparse.decode(active, sae.decoder(), sae.decoderBias(), reconstruction);
    }

    private Kernels.AdamStep adamStep(double rate, double norm) {
        TrainConfig.Optimizer o = config.optimizer();
        double scale = o.clip() > 0 && norm > o.clip() ? o.clip() / norm : 1;
        return Kernels.AdamStep.at(step, rate, scale, o.beta1(), o.beta2(), o.epsilon());
    }

    /** Σ‖x − x̄‖² of the batch. */
    private double spread(Matrix x) {
        int d = x.cols();
        int chunks = (x.rows() + ROW_CHUNK - 1) / ROW_CHUNK;
        double[] squares = new double[chunks];
        Matrix sums = Matrix.zeros(chunks, d);
        workers.forEach(x.rows(), ROW_CHUNK, (from, to, worker) -> {
            int chunk = from / ROW_CHUNK;
            for (int r = from; r < to; r++) {
                squares[chunk] += kernels.dot(x.data(), r * d, x.data(), r * d, d);
                kernels.addScaled(1, x.data(), r * d, sums.data(), chunk * d, d);
            }
        });
        double total = Arrays.stream(squares).sum();
        for (int c = 0; c < d; c++) {
            double sum = 0;
            for (int chunk = 0; chunk < chunks; chunk++) {
                sum += sums.at(chunk, c);
            }
            total -= sum * sum / x.rows();
        }
        return total;
    }

    private int[] dead(long seen) {
        int[] dead = new int[lastFired.length];
        int n = 0;
        for (int i = 0; i < lastFired.length; i++) {
            if (seen - lastFired[i] >= deadAfter) {
                dead[n++] = i;
            }
        }
        return Arrays.copyOf(dead, n);
    }

    private void countFired(long seen) {
        for (int i = 0; i < lastFired.length; i++) {
            if (entries.starts[i + 1] > entries.starts[i]) {
                lastFired[i] = seen;
            }
        }
    }

    /** One line: which kernels and which product run, and why not a faster one that was asked for. */
    public String describe() {
        String missing = offer.reason().isEmpty() ? "" : "; f32 product: " + offer.reason();
        return kernels.describe()
                + offer.product().map(p -> ", " + p.describe()).orElse("")
                + missing;
    }

    /** Steps done. */
    public long steps() {
        return step;
    }

    /**
     * The SAE in raw units. With s the scale of the rows in training, z(s x) = s z_raw(x) when both biases are divided by s, and
     * relu and top-k commute with a positive factor, so the weights stay as they are and f_raw = f / s; thresholds are divided too.
     */
    public Sae result() {
        return new Sae(
                new Matrix(sae.latents(), sae.dIn(), sae.encoder().data().clone()),
                unscaled(sae.encoderBias()),
                new Matrix(sae.latents(), sae.dOut(), sae.decoder().data().clone()),
                unscaled(sae.decoderBias()),
                switch (sae.activation()) {
                    case Activation.TopK topK -> topK;
                    case Activation.Relu relu -> relu;
                    case Activation.JumpRelu jump -> new Activation.JumpRelu(unscaled(jump.threshold()));
                },
                true);
    }

    private float[] unscaled(float[] values) {
        float[] out = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            out[i] = (float) (values[i] / statistics.scale());
        }
        return out;
    }

    /** All that the coming steps depend on, shared with the trainer and not copied. */
    TrainState state() {
        return new TrainState(step, statistics, sae, adam, lastFired);
    }

    /** Goes on from a state of the same configuration: copies its weights and counters. */
    void restore(TrainState from) {
        step = from.step();
        from.copyWeightsTo(state());
    }

    @Override
    public void close() {
        offer.product().ifPresent(LowPrecisionProduct::close);
    }
}
