package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.RowSource;
import org.loupe.causal.EffectConfig;
import org.loupe.eval.Baselines;
import org.loupe.eval.Evaluation;
import org.loupe.eval.LatentMetrics;
import org.loupe.eval.LinearMap;
import org.loupe.eval.MaxCosine;
import org.loupe.eval.Metric;
import org.loupe.eval.RowMetrics;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Contrast;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.RealModel;
import org.loupe.experiment.Rows;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Spread;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.index.IndexInfo;
import org.loupe.lm.HookPoint;
import org.loupe.sae.Activation;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;

/** An SAE of an MLP's output, or a transcoder from its input: In = In or In = Out? */
final class InOutQuestion implements Experiment {
    static final String REAL = "SmolLM2, MLP of block 11";
    static final String KNOWN = "known computation";
    static final String SAE = "SAE (In = In)";
    static final String TRANSCODER = "transcoder (In = Out)";
    static final String SKIP = "skip transcoder";
    static final String LINEAR = "linear map alone";

    private static final HookPoint IN = HookPoint.parse("blocks.11.ln2.hook_normalized");
    private static final HookPoint OUT = HookPoint.parse("blocks.11.hook_mlp_out");

    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity KL = Quantity.of(Metric.KL);
    static final Quantity RECOVERED = Quantity.of(Metric.CE_RECOVERED_MEAN);
    static final Quantity FEW = new Quantity(
            "latents_90",
            "latents for 90 % of the effect",
            "",
            "smallest share of live latents that has 90 % of the exact effect");
    static final Quantity LABELLED = new Quantity(
            "labelled",
            "latents with a clear label",
            "",
            "share of live latents whose strongest documents are clearly of one category of WordNet; the index’s rule");
    static final Quantity CHANCE =
            new Quantity("labelled_by_chance", "the same by chance", "", "the same with categories dealt out anew");
    static final Quantity INPUTS = new Quantity(
            "inputs_found",
            "input features found",
            "",
            "share of the features that are read with a latent whose encoder pattern, covariance of the inputs times encoder row, has cosine ≥"
                    + " 0.9; an SAE of the output reads no inputs");
    static final Quantity SEEN = new Quantity(
            "inputs_seen",
            "input features in activations",
            "",
            "share of the features that are read with a latent whose activations’ covariance with the inputs has cosine ≥ 0.9");
    static final Quantity OUTPUTS = new Quantity(
            "outputs_found",
            "output directions found",
            "",
            "share of the directions that are written with a dictionary row of cosine ≥ 0.9");

    @Override
    public String name() {
        return "in-in-or-in-out";
    }

    @Override
    public String question() {
        return "Should an SAE reconstruct what it reads (In = In), or what the network makes of it (In = Out)?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(
                FVU,
                Quantity.of(Metric.L0),
                KL,
                Quantity.of(Metric.CE_INCREASE),
                RECOVERED,
                Quantity.of(Metric.TOP1_AGREEMENT),
                FEW,
                LABELLED,
                CHANCE,
                INPUTS,
                SEEN,
                OUTPUTS);
    }

    @Override
    public void measure(Laboratory lab) {
        for (int seed = 0; seed < lab.scale().seeds(); seed++) {
            known(lab, seed);
        }
        real(lab);
    }

    private static void known(Laboratory lab, int seed) {
        KnownComputation world = new KnownComputation(seed);
        int steps = lab.scale().of(300, 1_500);
        List<String> base = List.of("latents=96", "k=3", "batch=1024", "tokens=" + steps * 1024L, "seed=" + seed);
        variants()
                .forEach((variant, settings) -> lab.trial(KNOWN, variant, seed, _ -> {
                    List<String> all = new ArrayList<>(base);
                    all.addAll(settings);
                    boolean transcodes = !variant.equals(SAE);
                    RowSource rows = transcodes
                            ? world.pairs()
                            : new MatrixRows(world.train().targets());
                    Sae sae = lab.train(lab.sae(KNOWN, variant, seed), rows, null, all)
                            .sae();
                    return Trial.Outcome.of(found(sae, world, transcodes, lab));
                }));
    }

    private static Map<String, Double> found(Sae sae, KnownComputation world, boolean transcodes, Laboratory lab) {
        KnownComputation.Pairs unseen = world.eval();
        Matrix y = unseen.targets();
        Matrix x = transcodes ? unseen.inputs() : y;
        Latents latents = new Encoder(sae, lab.workers()).encode(x);
        Matrix out = Matrix.zeros(y.rows(), y.cols());
        Decoder.decode(sae, latents, out, lab.workers());
        Decoder.addSkip(sae, x, out, lab.workers());
        RowMetrics rows = new RowMetrics(y.cols());
        rows.add(y, out, lab.workers());
        LatentMetrics usage = new LatentMetrics(sae.latents());
        usage.add(latents);
        Map<String, Double> values = new LinkedHashMap<>();
        RealModel.put(values, Metric.FVU, rows.scores().value(Metric.FVU));
        RealModel.put(values, Metric.L0, usage.scores().value(Metric.L0));
        if (transcodes) {
            values.put(INPUTS.key(), share(world.inputDirections(), world.patterns(sae.encoder(), lab.workers()), lab));
        }
        values.put(SEEN.key(), share(world.inputDirections(), world.covariances(latents, lab.workers()), lab));
        values.put(OUTPUTS.key(), share(world.outputDirections(), sae.decoder(), lab));
        return values;
    }

    private static double share(Matrix truth, Matrix rows, Laboratory lab) {
        float[] nearest = MaxCosine.between(truth, rows, lab.workers());
        int found = 0;
        for (float cosine : nearest) {
            found += cosine >= KnownCauses.FOUND ? 1 : 0;
        }
        return (double) found / nearest.length;
    }

    private static void real(Laboratory lab) {
        Scale scale = lab.scale();
        long tokens = scale.of(8_000L, 200_000L);
        List<String> base = List.of(
                "latents=" + scale.of(128, 2_048), "k=" + scale.of(8, 32), "batch=" + scale.of(512, 1_024), "passes=6");
        variants()
                .forEach((variant, settings) -> lab.trials(REAL, variant, seed -> {
                    ActivationStore store = variant.equals(SAE)
                            ? lab.real().store(OUT, tokens)
                            : lab.real().pairs(IN, OUT, tokens);
                    List<String> all = new ArrayList<>(base);
                    all.addAll(settings);
                    all.add("seed=" + seed);
                    Laboratory.Trained trained = lab.train(lab.sae(REAL, variant, seed), store, null, all);
                    Map<String, Double> values = new LinkedHashMap<>(lab.real().splice(trained.loaded(), store));
                    IndexInfo index = lab.real()
                            .index(trained, store, new EffectConfig(scale.of(256, 4_096), 1, 1, seed))
                            .info();
                    double live = index.counts().live();
                    values.put(
                            FEW.key(),
                            Objects.requireNonNull(index.effects(), "effects were asked for")
                                    .summary()
                                    .concentration()
                                    .most());
                    values.put(LABELLED.key(), index.counts().labelled() / live);
                    values.put(CHANCE.key(), index.counts().labelledPermuted() / live);
                    return Trial.Outcome.of(values);
                }));
        lab.trial(REAL, LINEAR, 0, _ -> {
            ActivationStore store = lab.real().pairs(IN, OUT, tokens);
            SaeFolder.Loaded transcoder = SaeFolder.load(lab.sae(REAL, TRANSCODER, 0));
            Baselines.Rival rival = Evaluation.rows(
                            transcoder,
                            store,
                            Evaluation.Options.DEFAULT,
                            lab.workers(),
                            (stage, done, total) -> lab.progress(stage, "rows", done, total))
                    .baselines()
                    .rival();
            if (!(rival instanceof Baselines.Rival.Linear(LinearMap map))) {
                throw new IllegalStateException("a transcoder's rival is a linear map");
            }
            return Trial.Outcome.of(
                    lab.real().splice(new SaeFolder.Loaded(withoutLatents(map), transcoder.info()), store));
        });
    }

    /** A linear map as a skip transcoder whose one latent writes nothing. */
    private static Sae withoutLatents(LinearMap map) {
        int dIn = map.meanIn().length;
        int dOut = map.meanOut().length;
        Matrix skip = Matrix.zeros(dOut, dIn);
        float[] bias = new float[dOut];
        for (int o = 0; o < dOut; o++) {
            double constant = map.meanOut()[o];
            for (int c = 0; c < dIn; c++) {
                skip.data()[o * dIn + c] = (float) map.weights()[o][c];
                constant -= map.weights()[o][c] * map.meanIn()[c];
            }
            bias[o] = (float) constant;
        }
        return new Sae(
                Matrix.zeros(1, dIn), new float[1], Matrix.zeros(1, dOut), bias, new Activation.TopK(1), false, skip);
    }

    private static Map<String, List<String>> variants() {
        Map<String, List<String>> variants = new LinkedHashMap<>();
        variants.put(SAE, List.of());
        variants.put(TRANSCODER, List.of());
        variants.put(SKIP, List.of("skip=true"));
        return variants;
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return new Answer(
                "All are TopK with the same number of latents and active latents, trained for the same steps to write the same rows. Known"
                        + " computation: 128 features in superposition in 64 dimensions, of which 64 are read, each writing a direction of"
                        + " its own; 96 latents, 3 active. Language model: SmolLM2-135M, the MLP of block 11, from"
                        + " ln2.hook_normalized to hook_mlp_out, "
                        + scale.of("128 latents, 8 active", "2,048 latents, 32 active")
                        + "; effects from ablating one firing of each latent exactly. The linear map, which the skip transcoder has beside its"
                        + " latents, is the least-squares fit to the same rows.",
                figures(trials),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities()),
                        Answer.Table.of("Known computation", trials, KNOWN, quantities())),
                verdict(trials),
                "More rows and latents, which transcoders need more than SAEs do, another layer, or another reading of the same latents: a"
                        + " transcoder’s encoder says what the MLP looks for, an SAE’s only what it has written.");
    }

    private static List<Answer.Figure> figures(Trials trials) {
        String trade = "Of the MLP’s output the SAE leaves " + Say.percent(trials.mean(REAL, SAE, FVU))
                + " of the variance, the transcoder "
                + Say.percent(trials.mean(REAL, TRANSCODER, FVU)) + ", the skip transcoder "
                + Say.percent(trials.mean(REAL, SKIP, FVU));
        Chart chart = Chart.of(FVU.label(), KL.axis());
        for (String variant : trials.variants(REAL)) {
            chart.marks(
                    variant,
                    List.of(Chart.Point.of(trials.mean(REAL, variant, FVU), trials.spread(REAL, variant, KL))));
        }
        String few = Say.percent(trials.mean(REAL, SAE, FEW)) + " of the SAE’s latents have 90 % of the effect, "
                + Say.percent(trials.mean(REAL, TRANSCODER, FEW)) + " of the transcoder’s";
        String labels = Say.percent(trials.mean(REAL, SAE, LABELLED)) + " of the SAE’s latents have a clear label, "
                + Say.percent(trials.mean(REAL, TRANSCODER, LABELLED)) + " of the transcoder’s, "
                + Say.percent(trials.mean(REAL, SKIP, LABELLED)) + " of the skip transcoder’s";
        String known = "Where the computation is known, the transcoder’s encoder finds "
                + Say.percent(trials.mean(KNOWN, TRANSCODER, INPUTS)) + " of the features that are read; the SAE sees "
                + Say.percent(trials.mean(KNOWN, SAE, OUTPUTS)) + " of the directions that are written";
        Chart computed = Chart.of("", "share found")
                .categories(List.of("inputs, by encoder", "inputs, by activations", "outputs"))
                .fromZero();
        for (String variant : trials.variants(KNOWN)) {
            List<Chart.Point> points = new ArrayList<>();
            Spread inputs = trials.spread(KNOWN, variant, INPUTS);
            if (inputs.count() > 0) {
                points.add(Chart.Point.of(0, inputs));
            }
            points.add(Chart.Point.of(1, trials.spread(KNOWN, variant, SEEN)));
            points.add(Chart.Point.of(2, trials.spread(KNOWN, variant, OUTPUTS)));
            computed.marks(variant, points);
        }
        return List.of(
                Answer.Figure.of(
                        "kl-fvu",
                        trade,
                        "KL of the next token’s distribution on unseen text over the variance that is left of the MLP’s output; to the lower"
                                + " left is better. Bars span the seeds.",
                        chart),
                Answer.Figure.of(
                        "few",
                        few,
                        "Smallest share of live latents that has 90 % of the exact effect; rings are seeds.",
                        Rows.of(trials, REAL, FEW).fromZero()),
                Answer.Figure.of(
                        "labels",
                        labels,
                        "Share of live latents with a clear label, and by chance; rings are seeds.",
                        Rows.of(LABELLED.axis())
                                .group("as they are", trials, REAL, LABELLED)
                                .group("categories dealt out anew", trials, REAL, CHANCE)
                                .fromZero()),
                Answer.Figure.of("known", known, "Cosine 0.9 or more; bars span the seeds.", computed));
    }

    private static String verdict(Trials trials) {
        Contrast plain = trials.contrast(REAL, TRANSCODER, SAE, KL);
        Contrast linear = trials.contrast(REAL, SKIP, SAE, KL);
        String head = "Which is more faithful to the model cannot be told at this size";
        if (plain.less()) {
            head = "For faithfulness In = Out";
        } else if (linear.less()) {
            head = "For faithfulness In = Out with a linear path past the latents, and without one In = In";
        } else if (plain.more() && linear.more()) {
            head = "For faithfulness In = In";
        }
        String faithful = head + ": with as many latents the model’s predictions change by "
                + Say.number(trials.mean(REAL, SAE, KL)) + " nats a token with an SAE of the MLP’s output, by "
                + Say.number(trials.mean(REAL, TRANSCODER, KL)) + " with a transcoder (" + plain.text() + ") and by "
                + Say.number(trials.mean(REAL, SKIP, KL)) + " with a skip transcoder (" + linear.text()
                + "), whose linear map alone would change them by " + Say.number(trials.mean(REAL, LINEAR, KL));
        Contrast labels = trials.contrast(REAL, TRANSCODER, SAE, LABELLED);
        String read = switch (labels.direction()) {
            case MORE -> "more of its latents have a clear label (" + labels.text() + ")";
            case LESS -> "fewer of its latents have a clear label (" + labels.text() + ")";
            case UNCLEAR -> "whether more of its latents have a clear label cannot be told (" + labels.text() + ")";
        };
        return faithful + ". In = Out shows in its weights what is read: where that is known its encoder finds "
                + Say.percent(trials.mean(KNOWN, TRANSCODER, INPUTS))
                + " of the features (activations set against the inputs show "
                + Say.percent(trials.mean(KNOWN, TRANSCODER, SEEN)) + " of them, those of the SAE "
                + Say.percent(trials.mean(KNOWN, SAE, SEEN)) + "), and on the language model " + read + ".";
    }
}
