package org.loupe.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.sae.Activation;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Trains an SAE, one step a call. A step has one dense product (the search for the active latents); decoding, backward and
 * gradients touch the active latents' rows alone, in another order where many are active ({@link DenseRows}). What is particular to an architecture is its {@link Coder}. The trainer logs, saves
 * and resumes nothing: that is {@link TrainRun}'s.
 */
public final class Trainer implements AutoCloseable {
    /** A share of active latents that no batch reaches. */
    private static final double NEVER = 2;

    private final TrainConfig config;
    private final Kernels kernels;
    private final Workers workers;
    private final Schedule schedule;
    private final long steps;
    private final DataStatistics statistics;
    private final BatchReader reader;
    private final Sae sae;

    private final LastFired lastFired;
    private final LowPrecisionProduct.Offer offer;
    private final Batch batch;
    private final Coder coder;
    private final NestedLoss objective;
    private final Judging judging;
    private final SparseRows sparse;
    private final @Nullable SkipPath skip;
    private final @Nullable ScorePath score;
    private final EntriesByLatent entries = new EntriesByLatent();
    private final DenseGradients denseGradients;
    private final @Nullable AuxiliaryLoss auxiliary;
    private final Parameter encoder;
    private final Parameter decoder;

    /** All parameters but the two large ones. */
    private final List<Parameter> others = new ArrayList<>();

    private final Gradients gradients;
    private final Adam adam;
    private final SparsityControl control;
    private final Revival revival;
    private long step;

    /**
     * A trainer before its first step.
     *
     * @param sample rows from which scale, centre and variance are measured, as {@link #step} gets them
     * @param targetWidth how many columns of a row, the last ones, are what a transcoder is to write; 0: rows are their own targets
     * @param steps length of the run
     */
    public Trainer(TrainConfig config, Matrix sample, int targetWidth, long steps, Workers workers) {
        this(
                config,
                DataStatistics.of(sample, List.of(sample.cols() - targetWidth), config.inputInForce(), workers),
                steps,
                workers);
    }

    Trainer(TrainConfig config, DataStatistics statistics, long steps, Workers workers) {
        this(
                config,
                statistics,
                steps,
                SparseRows.breakEven(config.latents(), statistics.targets().centre().length),
                workers);
    }

    /** @param dense share of active latents from which on a batch is dense; above 1: none is */
    Trainer(TrainConfig config, DataStatistics statistics, long steps, double dense, Workers workers) {
        this.config = config;
        this.kernels = Kernels.BEST;
        this.workers = workers;
        this.schedule = Schedule.of(config, steps);
        this.steps = steps;
        this.statistics = statistics;
        boolean unweighted = config.metric() > 0 && statistics.inputs().map().isScaled();
        if (unweighted || (config.readsGradients() && !(statistics.gradientScale() > 0))) {
            throw new BadInput(
                    "objective: gradient_weighted, downstream.metric and gradient.select need a store with gradients");
        }
        if (config.cosine() && !statistics.inputs().map().isScaled()) {
            throw new BadInput("cosine: rows of several hook points have a factor each, expected one hook point");
        }
        this.sae = InitialSae.of(config, statistics, kernels);
        int m = sae.latents();
        this.lastFired = new LastFired(m, config.deadAfter(steps));
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
                m,
                Coders.levels(config),
                config.architecture().steps(),
                config.cosine(),
                factor,
                workers);
        this.reader = new BatchReader(statistics, config.readsGradients(), kernels, workers);
        if (config.readsGradients()) {
            batch.modelGradient = Matrix.zeros(config.batch(), sae.dIn());
        }
        this.sparse = new SparseRows(kernels, workers, config.cosine() ? NEVER : dense);
        this.coder = Coders.of(
                config, sae, statistics, factor, offer.product().orElse(null), sparse, dense, kernels, workers);
        this.objective = new NestedLoss(config.loss(), config.tokenTerm(), workers);
        this.judging = new Judging(
                config.downstream().of(config.objective()), statistics.targets().map());
        this.denseGradients = new DenseGradients(kernels, workers);
        this.auxiliary = config.auxk().weight() > 0 && !config.architecture().classic()
                ? new AuxiliaryLoss(
                        config.auxk().weight(), config.auxiliaryK(sae.dOut()), batch, sparse, kernels, workers)
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
        this.score = config.cosine() ? new ScorePath(sae.dIn(), kernels, workers) : null;
        if (score != null) {
            others.add(score.parameter());
        }
        this.gradients =
                new Gradients(m, config.cosine(), encoder, encoderBias, decoder, decoderBias, kernels, workers);
        this.adam = new Adam(config.optimizer(), kernels, workers);
        this.control = new SparsityControl(config, steps);
        this.revival = new Revival(
                config, steps, statistics.inputs().centre(), sae, encoder, encoderBias, decoder, coder, kernels);
    }

    /** Begins with an SAE in raw units in place of a new one; before the first step. */
    void startFrom(Sae raw) {
        StartFrom.put(raw, sae, statistics.targets().map(), config.norms());
    }

    /**
     * One step.
     *
     * @param rows [batch × (dIn + target width)] in raw units, behind them [batch × dIn] gradients where the configuration reads them;
     *     not modified
     */
    public StepStats step(Matrix rows) {
        return step(rows, null);
    }

    /** @param judge what judges the reconstruction with an objective that runs the model, else null */
    StepStats step(Matrix rows, @Nullable Judge judge) {
        Look look = look(rows);
        return learn(
                look,
                judge == null ? look.value.loss() : judging.add(batch, judge, look.value.loss()),
                Gradients.Added.NONE);
    }

    /** The first half of a step: what the batch is reconstructed as, and how far that is from it. */
    record Look(NestedLoss.Value value, double coefficient, double progress) {}

    /** {@link #step} up to {@link #batch}'s dL/dx̂, to which another loss may add. */
    Look look(Matrix rows) {
        rows.requireCols(
                sae.dIn() + (sae.subtractDecoderBias() ? 0 : sae.dOut()) + batch.modelGradient.cols(), "training step");
        if (rows.rows() != config.batch()) {
            throw new IllegalArgumentException(
                    "training step: " + rows.rows() + " rows, expected the batch of " + config.batch());
        }
        double progress = (double) step / steps;
        double coefficient = control.coefficient(progress);
        long seen = step * config.batch();
        batch.dead = lastFired.dead(seen);
        coder.penalty(coefficient);
        forward(rows, progress);
        return new Look(objective.of(batch), coefficient, progress);
    }

    /**
     * The rest of the step.
     *
     * @param reconstruction the loss so far
     */
    StepStats learn(Look look, double reconstruction, Gradients.Added added) {
        long seen = step * config.batch();
        batch.slopes();
        coder.slopes(batch, sae.decoder(), sparse);
        double loss = reconstruction + coder.backward(batch, sae, look.coefficient);
        if (score != null) {
            score.gradient(batch, sae);
        }
        boolean dense =
                !config.architecture().classic() && sparse.dense(batch.rows, batch.levels, batch.cuts, sae.latents());
        if (dense) {
            denseGradients.begin(batch, sae.latents());
        } else {
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
        }
        boolean revive = auxiliary != null && batch.dead.length > 0;
        if (auxiliary != null && revive) {
            loss += auxiliary.loss(batch, batch.dead, sae);
        }
        step++;
        double rate = schedule.at(step);
        double norm =
                coder.learn(batch, entries, sae, step) ? 0 : descend(dense, revive ? auxiliary : null, added, rate);
        seen += batch.rows;
        lastFired.note(dense ? denseGradients::fired : entries::fired, seen);
        int[] unused = lastFired.dead(seen);
        if (unused.length > 0 && coder.move(unused, batch, sae, step)) {
            for (int i : unused) {
                lastFired.begin(i, seen);
            }
        }
        revival.after(step, rate, unused, batch, lastFired);
        double l0 = coder.active(batch) / (double) batch.rows;
        double inForce = config.penalised() ? look.coefficient : control.wanted();
        control.observe(l0, look.progress, rate / schedule.peak(), coder.balance());
        return new StepStats(
                step,
                step * config.batch(),
                loss,
                look.value.squares() / batch.spread(kernels),
                l0,
                batch.dead.length,
                rate,
                norm,
                inForce);
    }

    /** A step along the gradients; their norm. */
    private double descend(boolean dense, @Nullable AuxiliaryLoss auxiliaryLoss, Gradients.Added added, double rate) {
        Gradients.Dictionary dictionary = new Gradients.Dictionary(
                config.norms() == Norms.UNIT,
                sae.activation().tied(),
                config.aligned(),
                coder.normGradient(),
                coder.commonSlope());
        gradients.compute(sae, batch, entries, dense ? denseGradients : null, dictionary, auxiliaryLoss, added);
        coder.correct(gradients);
        if (skip != null) {
            skip.gradient(batch);
        }
        double norm = gradients.norm(others);
        adam.update(step, rate, norm, sae, dictionary, encoder, decoder, others);
        coder.project();
        if (score != null) {
            score.project();
        }
        return norm;
    }

    private void forward(Matrix rows, double progress) {
        reader.read(rows, sae, batch);
        if (score != null) {
            score.weigh(batch);
        }
        batch.renew();
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

    /** One line: which kernels and which product run, and why not a faster one that was asked for. */
    public String describe() {
        String missing = offer.reason().isEmpty() ? "" : "; f32 product: " + offer.reason();
        return kernels.describe()
                + offer.product().map(p -> ", " + p.describe()).orElse("")
                + missing;
    }

    /** The batch that was looked at last. */
    Batch batch() {
        return batch;
    }

    /** What the data's statistics say of the rows. */
    DataStatistics statistics() {
        return statistics;
    }

    /** Steps done. */
    public long steps() {
        return step;
    }

    /** The SAE in raw units; see {@link Folding}. */
    public Sae result() {
        return new Folding(statistics.inputs().map(), statistics.targets().map(), workers).fold(training());
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
        arrays.putAll(coder.state());
        return new TrainState(step, statistics, arrays, control.state(), lastFired.rows());
    }

    /**
     * Goes on from a state of the same configuration: copies its weights and counters.
     *
     * @param file where it was read
     */
    void restore(TrainState from, Path file) {
        step = from.step();
        from.copyTo(state(), file);
    }

    /** The SAE as it is being trained, in scaled units. */
    Sae training() {
        return new Sae(
                sae.encoder(),
                sae.encoderBias(),
                sae.decoder(),
                sae.decoderBias(),
                coder.activation(sae),
                sae.subtractDecoderBias(),
                sae.skip(),
                score == null ? null : score.score());
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
