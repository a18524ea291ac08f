package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.Ranks;
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
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.synth.Codes;
import org.loupe.synth.Firing;
import org.loupe.synth.Magnitude;
import org.loupe.synth.SynthConfig;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Should every token have the same number of active latents? */
final class FixedKQuestion implements Experiment {
    static final String EVEN = "counts alike";
    static final String UNEVEN = "counts unlike";
    static final String REAL = "SmolLM2, block 11";

    static final String TOPK = "TopK";
    static final String ANNEALED = "TopK, k falling";
    static final String BATCH = "BatchTopK";
    static final String JUMP = "JumpReLU";

    static final String COUNTS = "rows_by_active";
    static final String BY_TRUTH = "active_by_true_count";
    static final String FVU_BY_TRUTH = "fvu_by_true_count";
    static final String BY_LOSS = "active_by_loss";
    static final String BY_NORM = "active_by_norm";
    static final String BY_FREQUENCY = "active_by_frequency";
    static final String FVU_BY_LOSS = "fvu_by_loss";

    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity L0 = Quantity.of(Metric.L0);
    static final Quantity RECOVERED = Quantity.of(Metric.RECOVERED_FRACTION);
    static final Quantity F1 = Quantity.of(Metric.TRUTH_F1);
    static final Quantity CE = Quantity.of(Metric.CE_RECOVERED_MEAN);
    static final Quantity SPREAD = new Quantity(
            "spread",
            "spread of active latents",
            "latents",
            "standard deviation over rows of the number of active latents");
    static final Quantity TRACKS = new Quantity(
            "tracks",
            "follows the true count",
            "",
            "Pearson’s correlation over rows of active latents and active features; none where either is constant");
    static final Quantity WITH_LOSS = new Quantity(
            "with_loss",
            "active latents with loss",
            "",
            "Spearman’s correlation over tokens of active latents and the model’s own loss on the next token");
    static final Quantity WITH_NORM = new Quantity("with_norm", "with norm", "", "the same of active latents and ‖x‖");
    static final Quantity WITH_FREQUENCY = new Quantity(
            "with_frequency", "with frequency", "", "the same of active latents and how often the token occurs");
    static final Quantity EASY_FVU = new Quantity(
            "fvu_easy",
            "FVU, easy half",
            "",
            "Σ‖x−x̂‖² / Σ‖x−μ‖² over the half of the tokens with the smaller loss of the model");
    static final Quantity HARD_FVU = new Quantity("fvu_hard", "FVU, hard half", "", "the same over the other half");
    static final Quantity EASY_CE = new Quantity(
            "ce_recovered_easy",
            "CE recovered, easy half",
            "",
            "1 − CE increase / CE increase with the mean row, over the half of the tokens with the smaller loss");
    static final Quantity HARD_CE =
            new Quantity("ce_recovered_hard", "CE recovered, hard half", "", "the same over the other half");
    static final Quantity EASY_KL = new Quantity(
            "kl_easy", "KL, easy half", "nats/token", "mean over the half of the tokens with the smaller loss");
    static final Quantity HARD_KL = new Quantity("kl_hard", "KL, hard half", "nats/token", "mean over the other half");

    private static final int K = 5;

    /** True counts from which on each group of rows begins; the last has all that are higher. */
    private static final int[] FROM = {0, 1, 2, 3, 4, 6, 8, 11, 15};

    private static final int TENTHS = 10;

    /** Bins of the number of active latents: up to four times the mean. */
    private static final int BINS = 32;

    @Override
    public String name() {
        return "fixed-k";
    }

    @Override
    public String question() {
        return "Is a fixed number of active latents right, or do hard tokens need more of them?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(
                FVU,
                L0,
                SPREAD,
                TRACKS,
                RECOVERED,
                F1,
                WITH_LOSS,
                WITH_NORM,
                WITH_FREQUENCY,
                CE,
                Quantity.of(Metric.KL),
                EASY_FVU,
                HARD_FVU,
                EASY_CE,
                HARD_CE,
                EASY_KL,
                HARD_KL,
                Trainings.SECONDS);
    }

    /** About five active features a row, independent of each other, or in loose groups that come and go together. */
    private static SynthConfig world(boolean even, long seed) {
        return new SynthConfig(
                256,
                64,
                131_072,
                16_384,
                Firing.FLAT,
                5.12,
                1,
                Magnitude.UNIFORM,
                even ? 0 : 0.1,
                even ? 1 : 32,
                0,
                0.01,
                false,
                0,
                seed);
    }

    @Override
    public void measure(Laboratory lab) {
        toy(lab, EVEN, true);
        toy(lab, UNEVEN, false);
        real(lab);
    }

    private static void toy(Laboratory lab, String part, boolean even) {
        List<String> base = List.of(
                "latents=256", "l0=" + K, "batch=1024", "tokens=" + lab.scale().of(300, 2_000) * 1024L);
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            try (SyntheticWorld world = lab.world(world(even, seed))) {
                Trainings trainings = new Trainings(lab, part, world.train(), base, trained -> {
                    Map<String, Double> values = world.evaluate(
                            trained.loaded(),
                            List.of(Metric.FVU, Metric.L0, Metric.RECOVERED_FRACTION, Metric.TRUTH_F1),
                            lab.workers());
                    return counted(trained.sae(), world, values, lab.workers());
                });
                train(trainings, seed);
            }
        }
    }

    private static void train(Trainings trainings, int seed) {
        trainings.train(TOPK, seed, "architecture=topk");
        trainings.train(ANNEALED, seed, "architecture=topk", "arch.anneal.from=4");
        trainings.train(BATCH, seed, "architecture=batchtopk");
        trainings.train(JUMP, seed, "architecture=jumprelu");
    }

    /** Adds how the number of active latents goes with the true count. */
    private static Trial.Outcome counted(Sae sae, SyntheticWorld world, Map<String, Double> values, Workers workers) {
        Matrix x = Matrix.zeros((int) world.eval().rows(), world.eval().width());
        world.eval().read(0, x.rows(), x, 0);
        Latents latents = new Encoder(sae, workers).encode(x);
        Matrix out = Matrix.zeros(x.rows(), x.cols());
        Decoder.decode(sae, latents, out, workers);
        Codes codes = java.util.Objects.requireNonNull(world.truth().activity()).codes();
        double[] truth = counts(codes.starts());
        double[] active = counts(latents.starts());
        double[] mean = new double[x.cols()];
        x.meanInto(mean);
        double[] error = new double[x.rows()];
        double variation = 0;
        for (int r = 0; r < x.rows(); r++) {
            for (int c = 0; c < mean.length; c++) {
                error[r] += Math.pow((double) x.at(r, c) - out.at(r, c), 2);
                variation += Math.pow(x.at(r, c) - mean[c], 2) / x.rows();
            }
        }
        put(values, SPREAD, deviation(active));
        put(values, TRACKS, Ranks.pearson(active, truth));
        double[] places = new double[FROM.length];
        double[] byTruth = new double[FROM.length];
        double[] fvu = new double[FROM.length];
        for (int g = 0; g < FROM.length; g++) {
            int from = FROM[g];
            int to = g + 1 < FROM.length ? FROM[g + 1] : Integer.MAX_VALUE;
            int[] rows = IntStream.range(0, truth.length)
                    .filter(r -> truth[r] >= from && truth[r] < to)
                    .toArray();
            places[g] = g + 1 < FROM.length ? (from + to - 1) / 2.0 : from;
            byTruth[g] =
                    Arrays.stream(rows).mapToDouble(r -> active[r]).average().orElse(0);
            fvu[g] = Arrays.stream(rows).mapToDouble(r -> error[r]).average().orElse(0) / variation;
        }
        return new Trial.Outcome(
                values,
                Map.of(
                        COUNTS, histogram(active, K),
                        BY_TRUTH, new Trial.Curve(places, byTruth),
                        FVU_BY_TRUTH, new Trial.Curve(places, fvu)));
    }

    private static double[] counts(int[] starts) {
        return IntStream.range(0, starts.length - 1)
                .mapToDouble(r -> starts[r + 1] - starts[r])
                .toArray();
    }

    private static double deviation(double[] values) {
        double mean = Arrays.stream(values).average().orElseThrow();
        return Math.sqrt(Arrays.stream(values)
                .map(v -> (v - mean) * (v - mean))
                .average()
                .orElseThrow());
    }

    /** A correlation that is not defined is left out. */
    private static void put(Map<String, Double> values, Quantity quantity, double value) {
        if (Double.isFinite(value)) {
            values.put(quantity.key(), value);
        }
    }

    /** Share of rows by their number of active latents, per latent of the axis; the last bin has all that are higher. */
    private static Trial.Curve histogram(double[] active, int k) {
        int width = Math.max(1, 4 * k / BINS);
        double[] places = new double[BINS];
        double[] share = new double[BINS];
        Arrays.setAll(places, b -> width * b + (width - 1) / 2.0);
        for (double count : active) {
            share[(int) Math.min(BINS - 1, count / width)] += 1.0 / active.length / width;
        }
        return new Trial.Curve(places, share);
    }

    private static void real(Laboratory lab) {
        Scale scale = lab.scale();
        int k = scale.of(16, 32);
        ActivationStore store = lab.real().store(RealModel.HOOK, scale.of(8_000, 200_000));
        HeldOutTokens tokens = new HeldOutTokens(lab.real(), RealModel.HOOK, store, lab.workers());
        List<String> base = List.of(
                "l0=" + k,
                "latents=" + scale.of(512, 2_048),
                "batch=" + scale.of(512, 1_024),
                "passes=" + scale.of(6, 5));
        Trainings trainings = new Trainings(
                lab, REAL, store, base, trained -> tokens(tokens.difficulty(), tokens.coded(trained.loaded()), k));
        for (int seed = 0; seed < scale.seeds(); seed++) {
            train(trainings, seed);
        }
    }

    /** What the tokens' difficulty has to do with an SAE's figures. */
    static Trial.Outcome tokens(HeldOutTokens.Difficulty of, HeldOutTokens.Coded coded, int k) {
        Map<String, Double> values = new LinkedHashMap<>();
        RealModel.put(values, Metric.FVU, sum(coded.error()) / sum(of.variation()));
        RealModel.put(values, Metric.L0, sum(coded.active()) / coded.active().length);
        RealModel.put(values, Metric.CE_RECOVERED_MEAN, 1 - sum(coded.increase()) / sum(of.meanIncrease()));
        RealModel.put(values, Metric.KL, sum(coded.kl()) / coded.kl().length);
        put(values, SPREAD, deviation(coded.active()));
        put(values, WITH_LOSS, Ranks.spearman(coded.active(), of.loss()));
        put(values, WITH_NORM, Ranks.spearman(coded.active(), of.norm()));
        put(values, WITH_FREQUENCY, Ranks.spearman(coded.active(), of.frequency()));
        Groups halves = Groups.of(of.loss(), 2);
        List<Quantity> fvu = List.of(EASY_FVU, HARD_FVU);
        List<Quantity> ce = List.of(EASY_CE, HARD_CE);
        List<Quantity> kl = List.of(EASY_KL, HARD_KL);
        for (int h = 0; h < 2; h++) {
            put(values, fvu.get(h), halves.sum(h, coded.error()) / halves.sum(h, of.variation()));
            put(values, ce.get(h), 1 - halves.sum(h, coded.increase()) / halves.sum(h, of.meanIncrease()));
            put(values, kl.get(h), halves.mean(h, coded.kl()));
        }
        Groups loss = Groups.of(of.loss(), TENTHS);
        Groups norm = Groups.of(of.norm(), TENTHS);
        Groups frequency = Groups.of(of.frequency(), TENTHS);
        return new Trial.Outcome(
                values,
                Map.of(
                        COUNTS, histogram(coded.active(), k),
                        BY_LOSS, loss.curve(of.loss(), g -> loss.mean(g, coded.active())),
                        BY_NORM, norm.curve(of.norm(), g -> norm.mean(g, coded.active())),
                        BY_FREQUENCY, frequency.curve(of.frequency(), g -> frequency.mean(g, coded.active())),
                        FVU_BY_LOSS,
                                loss.curve(of.loss(), g -> loss.sum(g, coded.error()) / loss.sum(g, of.variation()))));
    }

    private static double sum(double[] values) {
        return Arrays.stream(values).sum();
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return FixedKAnswer.of(trials, scale, quantities());
    }
}
