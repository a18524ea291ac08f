package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.eval.Metric;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Scale;
import org.loupe.experiment.SyntheticWorld;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.Firing;
import org.loupe.synth.Magnitude;
import org.loupe.synth.SynthConfig;
import org.loupe.tensor.Matrix;
import org.loupe.train.ClosingFigures;
import org.loupe.train.ConfigReader;
import org.loupe.train.TrainConfig;

/** Is TopK's gradient wrong where winners change, and would a softened choice of winners help? */
final class TopKGradientQuestion implements Experiment {
    static final String TIES = "the gradient itself";
    static final String WORLD = "known features";
    static final String REAL = "SmolLM2, block 11";

    static final String BEGINNING = "known features, after 8 steps";
    static final String TRAINED = "known features, trained";
    static final String TRAINED_REAL = "SmolLM2, trained";

    static final String TOPK = "TopK";
    static final String TAUGHT = "TopK, softmax gradient";
    static final String SOFT = "softmax-relaxed";
    static final String GUMBEL = "Gumbel, straight-through";
    static final String RELAXED = "Gumbel, relaxed";
    static final String COOL = "Gumbel, cool";
    static final String HOT = "Gumbel, never cooled";

    static final String CHANGED_CURVE = "changed_by_step";
    static final String RATIO_CURVE = "ratio_by_step";

    static final Quantity CHANGED = new Quantity(
            "changed",
            "rows with other winners",
            "",
            "share of rows whose winners one step of the learning rate changes");
    static final Quantity RATIO = new Quantity(
            "ratio",
            "true slope / gradient",
            "",
            "(L(W+hU) − L(W−hU)) / 2h over ⟨gradient, U⟩, U = sign of the gradient, h = 1e-4; 1: the gradient is right");
    static final Quantity KEPT =
            new Quantity("kept", "the same, winners kept", "", "the same over the rows whose winners do not change");
    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity TRAINING_FVU = new Quantity(
            "fvu_training", "FVU in training", "", "mean over the last steps, of the reconstruction that was trained");
    static final Quantity RECOVERED = Quantity.of(Metric.RECOVERED_FRACTION);
    static final Quantity DEAD = Quantity.of(Metric.DEAD_FRACTION);

    private static final int STEPS = 13;
    private static final double SMALLEST = 1e-5;

    /** A step so small that the error's curvature does not show, and so large that hundreds of rows change. */
    private static final double NEAR = 1e-4;

    @Override
    public String name() {
        return "topk-gradient";
    }

    @Override
    public String question() {
        return "Is TopK’s gradient wrong because TopK is not differentiable, and would Gumbel-softmax help?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(
                FVU,
                TRAINING_FVU,
                Quantity.of(Metric.L0),
                RECOVERED,
                Quantity.of(Metric.MATCH_COSINE),
                DEAD,
                Quantity.of(Metric.CE_INCREASE),
                Quantity.of(Metric.CE_RECOVERED_MEAN),
                Quantity.of(Metric.KL),
                Quantity.of(Metric.TOP1_AGREEMENT),
                Trainings.SECONDS,
                CHANGED,
                RATIO,
                KEPT);
    }

    /** 256 features whose probabilities fall as 1/rank: the rare ones are what an SAE may miss. */
    private static SynthConfig world(long seed) {
        return new SynthConfig(
                256, 64, 131_072, 16_384, Firing.ZIPF, 5.12, 1, Magnitude.UNIFORM, 0, 1, 0, 0.01, false, 0, seed);
    }

    @Override
    public void measure(Laboratory lab) {
        Scale scale = lab.scale();
        List<String> toy = List.of("latents=512", "k=5", "batch=1024", "tokens=" + scale.of(200, 1_500) * 1024L);
        for (int seed = 0; seed < scale.seeds(); seed++) {
            try (SyntheticWorld world = lab.world(world(seed))) {
                Trainings trainings = new Trainings(lab, WORLD, world.train(), toy, trained -> {
                    Map<String, Double> values = world.evaluate(
                            trained.loaded(),
                            List.of(
                                    Metric.FVU,
                                    Metric.L0,
                                    Metric.RECOVERED_FRACTION,
                                    Metric.MATCH_COSINE,
                                    Metric.DEAD_FRACTION),
                            lab.workers());
                    values.put(
                            TRAINING_FVU.key(),
                            ClosingFigures.read(trained.folder()).fvu());
                    return Trial.Outcome.of(values);
                });
                train(trainings, seed, true);
                int at = seed;
                double rate = rate(trainings, seed);
                lab.trial(TIES, BEGINNING, seed, _ -> {
                    List<String> few = List.of("tokens=" + 8 * 1024, "lr=" + rate, "optimizer.decay=0");
                    Laboratory.Trained begun =
                            lab.train(lab.sae(TIES, BEGINNING, at), world.train(), null, trainings.settings(at, few));
                    return ties(lab, begun.sae(), world.eval(), 16_384, rate);
                });
                lab.trial(TIES, TRAINED, seed, _ -> ties(lab, topk(lab, WORLD, at), world.eval(), 16_384, rate));
            }
        }
        real(lab);
    }

    private static void real(Laboratory lab) {
        Scale scale = lab.scale();
        ActivationStore store = lab.real().store(RealModel.HOOK, scale.of(8_000, 200_000));
        List<String> base = List.of(
                "latents=" + scale.of(512, 2_048),
                "k=" + scale.of(16, 32),
                "batch=" + scale.of(512, 1_024),
                "passes=" + scale.of(4, 3));
        Trainings trainings = new Trainings(lab, REAL, store, base, trained -> {
            Map<String, Double> values = lab.real().splice(trained.loaded(), store);
            RealModel.put(
                    values,
                    Metric.DEAD_FRACTION,
                    Usage.of(trained.sae(), store, 1 << 16, lab.workers())
                            .scores()
                            .value(Metric.DEAD_FRACTION));
            values.put(TRAINING_FVU.key(), ClosingFigures.read(trained.folder()).fvu());
            return Trial.Outcome.of(values);
        });
        for (int seed = 0; seed < scale.seeds(); seed++) {
            train(trainings, seed, false);
            int at = seed;
            lab.trial(
                    TIES,
                    TRAINED_REAL,
                    seed,
                    _ -> ties(lab, topk(lab, REAL, at), store, scale.of(2_048, 4_096), rate(trainings, at)));
        }
    }

    private static void train(Trainings trainings, int seed, boolean toy) {
        trainings.train(TOPK, seed, "architecture=topk");
        trainings.train(SOFT, seed, "architecture=gumbel_topk", "arch.gumbel.noise=0", "arch.gumbel.form=relaxed");
        trainings.train(GUMBEL, seed, "architecture=gumbel_topk");
        if (toy || !trainings.lab().scale().small()) {
            trainings.train(TAUGHT, seed, "architecture=gumbel_topk", "arch.gumbel.noise=0");
            trainings.train(RELAXED, seed, "architecture=gumbel_topk", "arch.gumbel.form=relaxed");
        }
        if (toy) {
            trainings.train(COOL, seed, "architecture=gumbel_topk", "arch.gumbel.temperature=0.1");
            trainings.train(HOT, seed, "architecture=gumbel_topk", "arch.gumbel.final_temperature=0.5");
        }
    }

    /** The learning rate at its highest. */
    private static double rate(Trainings trainings, int seed) {
        TrainConfig config =
                ConfigReader.read(TrainConfig.DEFAULT, null, trainings.settings(seed, List.of("architecture=topk")));
        return config.peakLearningRate(config.steps(trainings.rows().rows()));
    }

    private static Sae topk(Laboratory lab, String part, int seed) {
        return SaeFolder.load(lab.sae(part, TOPK, seed)).sae();
    }

    private static Trial.Outcome ties(Laboratory lab, Sae sae, RowSource source, int most, double rate) {
        Matrix rows = Matrix.zeros((int) Math.min(most, source.rows()), source.width());
        source.read(0, rows.rows(), rows, 0);
        WinnerChanges changes = new WinnerChanges(sae, rows, lab.workers());
        Matrix direction = changes.direction();
        double[] sizes = new double[STEPS];
        Arrays.setAll(sizes, i -> SMALLEST * Math.pow(10, i / 4.0));
        double[] changed = new double[STEPS];
        double[] ratio = new double[STEPS];
        for (int i = 0; i < STEPS; i++) {
            WinnerChanges.Step step = changes.step(direction, sizes[i]);
            changed[i] = step.changed();
            ratio[i] = step.ratio();
        }
        WinnerChanges.Step near = changes.step(direction, NEAR);
        Map<String, Double> values = new LinkedHashMap<>();
        values.put(CHANGED.key(), changes.step(direction, rate).changed());
        values.put(RATIO.key(), near.ratio());
        values.put(KEPT.key(), near.kept());
        return new Trial.Outcome(
                values,
                Map.of(
                        CHANGED_CURVE, new Trial.Curve(sizes, changed),
                        RATIO_CURVE, new Trial.Curve(sizes, ratio)));
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return TopKGradientAnswer.of(trials, scale, quantities());
    }
}
