package org.loupe.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Activation;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Trains an SAE, one step a call. A step has one dense product (the search for the active latents); decoding, backward and
 * gradients touch the active latents' rows alone. What is particular to an architecture is its {@link Coder}. The trainer logs, saves
 * and resumes nothing: that is {@link TrainRun}'s.
 */
public final class Trainer implements AutoCloseable {
    private static final int ROW_CHUNK = 64;

    private final TrainConfig config;
    private final Kernels kernels;
    private final Workers workers;
    private final Schedule schedule;
    private final long steps;
    private final long deadAfter;
    private final DataStatistics statistics;
    private final Sae sae;

    /** Rows seen when each latent last fired. */
    private final long[] lastFired;

    private final LowPrecisionProduct.Offer offer;
    private final Batch batch;
    private final Coder coder;
    private final NestedLoss objective;
    private final SparseRows sparse;
    private final @Nullable SkipPath skip;
    private final EntriesByLatent entries = new EntriesByLatent();
    private final @Nullable AuxiliaryLoss auxiliary;
    private final Parameter encoder;
    private final Parameter decoder;

    /** All parameters but the two large ones. */
    private final List<Parameter> others = new ArrayList<>();

    private final Gradients gradients;
    private final Adam adam;
    private final SparsityControl control;
    private long step;

    /**
     * A trainer before its first step.
     *
     * @param sample rows from which scale, centre and variance are measured, as {@link #step} gets them
     * @param targetWidth how many columns of a row, the last ones, are what a transcoder is to write; 0: rows are their own targets
     * @param steps length of the run
     */
    public Trainer(TrainConfig config, Matrix sample, int targetWidth, long steps, Workers workers) {
        this(config, DataStatistics.of(sample, targetWidth, config.input()), steps, workers);
    }

    Trainer(TrainConfig config, DataStatistics statistics, long steps, Workers workers) {
        this.config = config;
        this.kernels = Kernels.BEST;
        this.workers = workers;
        this.schedule = Schedule.of(config, steps);
        this.steps = steps;
        this.deadAfter = config.deadAfter(steps);
        this.statistics = statistics;
        this.sae = InitialSae.of(config, statistics, kernels);
        int m = sae.latents();
        this.lastFired = new long[m];
        this.offer = config.precision().product(m, sae.dIn(), workers.threads());
        double variance = statistics.targets().variance();
        double factor = 1
                / (config.batch()
                        * switch (config.loss()) {
                            case SQUARED -> variance;
                            case NORM -> Math.sqrt(variance);
                        });
        boolean transcoder = !sae.subtractDecoderBias();
        this.batch = new Batch(
                config.batch(),
                sae.dIn(),
                transcoder ? sae.dOut() : 0,
                Coders.levels(config),
                config.architecture() == Architecture.MATCHING_PURSUIT,
                factor);
        this.coder = Coders.of(config, sae, statistics, factor, offer.product().orElse(null), kernels, workers);
        this.objective = new NestedLoss(config.loss(), workers);
        this.sparse = new SparseRows(kernels, workers);
        this.auxiliary = config.auxk().weight() > 0
                ? new AuxiliaryLoss(config.auxk().weight(), config.auxiliaryK(sae.dOut()), batch, kernels, workers)
                : null;
        this.encoder = Parameter.of("encoder", sae.encoder().data(), 1);
        this.decoder = Parameter.of("decoder", sae.decoder().data(), 1);
        Parameter encoderBias = Parameter.of("encoder_bias", sae.encoderBias(), 1);
        Parameter decoderBias = Parameter.of("decoder_bias", sae.decoderBias(), 1);
        others.add(encoderBias);
        others.add(decoderBias);
        others.addAll(coder.parameters());
        Matrix skipped = sae.skip();
        this.skip = skipped == null
                ? null
                : new SkipPath(skipped, Parameter.of("skip", skipped.data(), 1), kernels, workers);
        if (skip != null) {
            others.add(skip.parameter());
        }
        this.gradients = new Gradients(m, encoder, encoderBias, decoder, decoderBias, kernels, workers);
        this.adam = new Adam(config.optimizer(), kernels, workers);
        this.control = new SparsityControl(config, steps, sae.dOut());
    }

    /**
     * One step.
     *
     * @param rows [batch × (dIn + target width)] in raw units; not modified
     */
    public StepStats step(Matrix rows) {
        rows.requireCols(sae.dIn() + (sae.subtractDecoderBias() ? 0 : sae.dOut()), "training step");
        if (rows.rows() != config.batch()) {
            throw new IllegalArgumentException(
                    "training step: " + rows.rows() + " rows, expected the batch of " + config.batch());
        }
        double progress = (double) step / steps;
        double coefficient = control.coefficient(progress);
        forward(rows, progress);
        NestedLoss.Value value = objective.of(batch);
        batch.slopes();
        coder.slopes(batch, sae.decoder(), sparse);
        double loss = value.loss() + coder.backward(batch, sae, coefficient);
        entries.regroup(
                batch.rows,
                batch.levels,
                batch.cuts,
                batch.steps,
                batch.active.index(),
                batch.f,
                batch.slope,
                new int[0],
                sae.latents());
        long seen = step * config.batch();
        int[] dead = dead(seen);
        boolean revive = auxiliary != null && dead.length > 0;
        if (auxiliary != null && revive) {
            loss += auxiliary.loss(batch, dead, sae);
        }
        Gradients.Dictionary dictionary = new Gradients.Dictionary(
                config.norms() == Norms.UNIT, batch.steps, config.aligned(), coder.normGradient());
        gradients.compute(sae, batch, entries, dictionary, revive ? auxiliary : null);
        coder.correct(gradients);
        if (skip != null) {
            skip.gradient(batch);
        }
        double norm = gradients.norm(others);
        step++;
        double rate = schedule.at(step);
        adam.update(step, rate, norm, sae, dictionary, encoder, decoder, others);
        coder.project();
        countFired(seen + batch.rows);
        double l0 = coder.active(batch) / (double) batch.rows;
        control.observe(l0, progress, rate / schedule.peak());
        return new StepStats(
                step,
                step * config.batch(),
                loss,
                value.squares() / spread(batch.target),
                l0,
                dead.length,
                rate,
                norm,
                config.architecture().penalised() ? coefficient : control.wanted());
    }

    private void forward(Matrix rows, double progress) {
        int dIn = sae.dIn();
        int dOut = sae.subtractDecoderBias() ? 0 : sae.dOut();
        float[] subtracted = sae.subtractDecoderBias() ? sae.decoderBias() : new float[dIn];
        workers.forEach(batch.rows, ROW_CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int c = 0; c < dIn; c++) {
                    float x = (float) (rows.data()[r * (dIn + dOut) + c]
                            * statistics.inputs().scale());
                    batch.x.data()[r * dIn + c] = x;
                    batch.inputs.data()[r * dIn + c] = x - subtracted[c];
                }
                for (int c = 0; c < dOut; c++) {
                    batch.target.data()[r * dOut + c] = (float) (rows.data()[r * (dIn + dOut) + dIn + c]
                            * statistics.targets().scale());
                }
            }
        });
        coder.code(batch, sae, progress, control.wanted());
        sparse.decode(
                batch.rows,
                batch.levels,
                batch.cuts,
                batch.active.index(),
                batch.f,
                sae.decoder(),
                sae.decoderBias(),
                batch.reconstruction);
        if (skip != null) {
            skip.add(batch);
        }
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
            for (int e = entries.starts[i]; e < entries.starts[i + 1]; e++) {
                if (entries.value[e] != 0) {
                    lastFired[i] = seen;
                    break;
                }
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
     * The SAE in raw units. With s the scale of the inputs and t that of the targets in training, f_raw = f / t: relu and top-k commute with
     * a positive factor, so W_enc becomes (s / t) W_enc, and b_enc, thresholds and b_dec are divided by t. An
     * autoencoder, whose s is t, keeps its weights as they are.
     */
    public Sae result() {
        double t = statistics.targets().scale();
        float ratio = (float) (statistics.inputs().scale() / t);
        Matrix dictionary =
                new Matrix(sae.latents(), sae.dOut(), sae.decoder().data().clone());
        Matrix skipped = sae.skip();
        return new Sae(
                batch.steps ? dictionary : times(sae.encoder(), ratio),
                divided(sae.encoderBias(), t),
                dictionary,
                divided(sae.decoderBias(), t),
                switch (sae.activation()) {
                    case Activation.TopK _, Activation.AbsTopK _, Activation.Relu _, Activation.MatchingPursuit _ ->
                        sae.activation();
                    case Activation.JumpRelu jump -> new Activation.JumpRelu(divided(jump.threshold(), t));
                    case Activation.Gated gated ->
                        new Activation.Gated(gated.logScale().clone(), divided(gated.magnitudeBias(), t));
                },
                sae.subtractDecoderBias(),
                skipped == null ? null : times(skipped, ratio));
    }

    private Matrix times(Matrix weights, float factor) {
        float[] out = Arrays.copyOf(weights.data(), weights.rows() * weights.cols());
        if (factor != 1) {
            kernels.scale(factor, out, 0, out.length);
        }
        return new Matrix(weights.rows(), weights.cols(), out);
    }

    private static float[] divided(float[] values, double scale) {
        float[] out = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            out[i] = (float) (values[i] / scale);
        }
        return out;
    }

    /** All that the coming steps depend on, shared with the trainer and not copied. */
    TrainState state() {
        Map<String, float[]> arrays = new LinkedHashMap<>();
        for (Parameter p : all()) {
            arrays.put(p.name(), p.values());
            arrays.put(p.name() + ".first", p.first());
            arrays.put(p.name() + ".second", p.second());
        }
        if (sae.activation() instanceof Activation.JumpRelu jump) {
            arrays.put("threshold", jump.threshold());
        }
        return new TrainState(step, statistics, arrays, control.state(), lastFired);
    }

    /** Goes on from a state of the same configuration: copies its weights and counters. */
    void restore(TrainState from) {
        step = from.step();
        from.copyTo(state());
    }

    /** The SAE as it is being trained, in scaled units. */
    Sae training() {
        return sae;
    }

    /** A group of weights by its name. */
    Parameter parameter(String name) {
        return all().stream().filter(p -> p.name().equals(name)).findFirst().orElseThrow();
    }

    /** Names of all groups of weights. */
    List<String> parameters() {
        return all().stream().map(Parameter::name).toList();
    }

    private List<Parameter> all() {
        List<Parameter> all = new ArrayList<>(List.of(encoder, decoder));
        all.addAll(others);
        return all;
    }

    @Override
    public void close() {
        offer.product().ifPresent(LowPrecisionProduct::close);
    }
}
