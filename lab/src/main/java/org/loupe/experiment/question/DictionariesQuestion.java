package org.loupe.experiment.question;

import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.eval.Metric;
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
import org.loupe.experiment.SyntheticWorld;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.SynthConfig;

/** SAEs beside vector quantisation and classic dictionary learning, at equal coefficients and at equal bits. */
final class DictionariesQuestion implements Experiment {
    static final String REAL = "SmolLM2, block 11";
    static final String KNOWN = "known dictionary";

    static final String SAE = "SAE (TopK)";
    static final String PURSUIT = "SAE’s dictionary, pursuit";
    static final String LEARNT = "dictionary learning (OMP)";
    static final String MATCHING = "matching pursuit SAE";
    static final String VQ = "VQ, one code";
    static final String RESIDUAL = "residual VQ, as many codes";
    static final String BITS = "residual VQ, equal bits";

    static final Quantity FVU = Quantity.of(Metric.FVU);
    static final Quantity KL = Quantity.of(Metric.KL);
    static final Quantity CODED = new Quantity(
            "fvu_coded",
            "FVU, coded",
            "",
            "FVU where each coefficient is rounded to 64 levels of its latent’s largest one; codes of VQ have none");
    static final Quantity RATE = new Quantity(
            "bits",
            "bits",
            "a row",
            "log₂ of the number of choices of active latents, and 6 for each coefficient; VQ: log₂ of the codes of each stage");
    static final Quantity FOUND = Quantity.of(Metric.MMCS);

    @Override
    public String name() {
        return "vq-and-dictionaries";
    }

    @Override
    public String question() {
        return "Do SAEs beat vector quantisation and classic dictionary learning, and does the encoder or the dictionary hold them back?";
    }

    @Override
    public List<Quantity> quantities() {
        return List.of(
                FVU,
                CODED,
                RATE,
                Quantity.of(Metric.L0),
                FOUND,
                Quantity.of(Metric.CE_INCREASE),
                Quantity.of(Metric.CE_RECOVERED_MEAN),
                KL,
                Quantity.of(Metric.TOP1_AGREEMENT),
                Trainings.SECONDS);
    }

    /** What one part compares: its trainings, its size, and the evaluation of an SAE that no training made. */
    private record Part(Trainings trainings, int latents, int k, long tokens, Evaluate evaluate) {
        @FunctionalInterface
        interface Evaluate {
            Map<String, Double> of(SaeFolder.Loaded loaded);
        }

        static Part of(
                Laboratory lab,
                String name,
                RowSource rows,
                int latents,
                int k,
                int batch,
                long tokens,
                Evaluate evaluate) {
            Trainings trainings = new Trainings(
                    lab,
                    name,
                    rows,
                    List.of("latents=" + latents, "k=" + k, "batch=" + batch, "tokens=" + tokens),
                    trained -> Trial.Outcome.of(evaluated(evaluate, trained.loaded())));
            return new Part(trainings, latents, k, tokens, evaluate);
        }
    }

    @Override
    public void measure(Laboratory lab) {
        Scale scale = lab.scale();
        for (int seed = 0; seed < scale.seeds(); seed++) {
            SynthConfig config = Worlds.features(false, scale.of(32_768L, 196_608L), seed);
            try (SyntheticWorld world = lab.world(config)) {
                compare(
                        lab,
                        Part.of(
                                lab,
                                KNOWN,
                                world.train(),
                                512,
                                5,
                                1_024,
                                scale.of(200_000L, 2_000_000L),
                                loaded -> known(world, loaded, lab)),
                        seed);
            }
        }
        ActivationStore store = lab.real().store(RealModel.HOOK, scale.of(8_000L, 200_000L));
        for (int seed = 0; seed < scale.seeds(); seed++) {
            compare(
                    lab,
                    Part.of(
                            lab,
                            REAL,
                            store,
                            scale.of(512, 2_048),
                            scale.of(16, 32),
                            scale.of(512, 1_024),
                            scale.of(32_000L, 1_000_000L),
                            loaded -> real(loaded, store, lab)),
                    seed);
        }
    }

    private static void compare(Laboratory lab, Part part, int seed) {
        Trainings trainings = part.trainings;
        String name = trainings.part();
        trainings.train(SAE, seed, "architecture=topk");
        lab.trial(name, PURSUIT, seed, _ -> {
            SaeFolder.Loaded sae = SaeFolder.load(lab.sae(name, SAE, seed));
            Map<String, Double> values = evaluated(part.evaluate, pursued(sae, part.k));
            values.put(Trainings.SECONDS.key(), lab.value(name, SAE, seed, Trainings.SECONDS.key()));
            return Trial.Outcome.of(values);
        });
        trainings.train(MATCHING, seed, "architecture=matching_pursuit", "tokens=" + part.tokens / 4);
        trainings.train(LEARNT, seed, "architecture=dictionary_learning", "tokens=" + part.tokens / 8);
        trainings.train(VQ, seed, "architecture=vq");
        residual(part, RESIDUAL, seed, part.k);
        residual(part, BITS, seed, stages(part.latents, part.k));
    }

    private static void residual(Part part, String variant, int seed, int stages) {
        part.trainings.train(
                variant,
                seed,
                "architecture=residual_vq",
                "latents=" + part.latents / stages * stages,
                "k=" + stages,
                "tokens=" + part.tokens / 2);
    }

    private static Map<String, Double> evaluated(Part.Evaluate evaluate, SaeFolder.Loaded loaded) {
        Map<String, Double> values = new LinkedHashMap<>(evaluate.of(loaded));
        double l0 = values.getOrDefault(Quantity.of(Metric.L0).key(), Double.NaN);
        values.put(RATE.key(), Codings.bits(loaded.sae(), l0));
        return values;
    }

    /** The dictionary of an SAE with an encoder that needs no training: orthogonal matching pursuit. */
    static SaeFolder.Loaded pursued(SaeFolder.Loaded loaded, int k) {
        Sae sae = loaded.sae();
        return new SaeFolder.Loaded(
                new Sae(
                        sae.decoder(),
                        new float[sae.latents()],
                        sae.decoder(),
                        sae.decoderBias(),
                        new Activation.Omp(k, false),
                        true),
                loaded.info());
    }

    /**
     * The number of stages, of ⌊m / stages⌋ codes each, whose codes take the number of bits nearest to that of k coefficients of m
     * latents.
     */
    static int stages(int latents, int k) {
        double wanted = Codings.bits(latents, k);
        return IntStream.rangeClosed(1, latents / 2)
                .boxed()
                .min(Comparator.comparingDouble(stages -> Math.abs(bitsOfStages(latents, stages) - wanted)))
                .orElse(1);
    }

    private static double bitsOfStages(int latents, int stages) {
        int codes = latents / stages;
        return stages * Math.log(codes) / Math.log(2);
    }

    private static Map<String, Double> known(SyntheticWorld world, SaeFolder.Loaded loaded, Laboratory lab) {
        Map<String, Double> values =
                new LinkedHashMap<>(world.evaluate(loaded, List.of(Metric.FVU, Metric.L0, Metric.MMCS), lab.workers()));
        values.put(CODED.key(), Codings.fvu(loaded.sae(), world.eval(), lab.workers()));
        return values;
    }

    private static Map<String, Double> real(SaeFolder.Loaded loaded, ActivationStore store, Laboratory lab) {
        Map<String, Double> values = new LinkedHashMap<>(lab.real().splice(loaded, store));
        values.put(CODED.key(), Codings.fvu(loaded.sae(), store, lab.workers()));
        return values;
    }

    @Override
    public Answer answer(Trials trials, Scale scale) {
        return new Answer(
                "All have the same number of latents, codes or atoms and see the same rows. A known dictionary: 256 features in 64"
                        + " dimensions, 512 latents, 5 coefficients. Language model: SmolLM2-135M, blocks.11.hook_resid_post, "
                        + scale.of("512 latents, 16 coefficients", "2,048 latents, 32 coefficients")
                        + ". Residual VQ has as many stages as the SAE has coefficients, and then as many as take about the same"
                        + " bits; codes are moving means of the rows that take them. Pursuit is orthogonal matching pursuit with non-negative coefficients; residual VQ, matching pursuit SAEs"
                        + " and dictionary learning see a half, a quarter and an eighth of the rows, for they are slow. FVU on the language model is of"
                        + " unseen text, coded FVU of the store’s rows.",
                figures(trials),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities()),
                        Answer.Table.of("A known dictionary", trials, KNOWN, quantities())),
                verdict(trials),
                "Longer training of the slow methods, another number of coefficients, signed coefficients for dictionary learning, or an"
                        + " entropy code in place of counted bits.");
    }

    private static List<Answer.Figure> figures(Trials trials) {
        Chart rate = Chart.of(RATE.axis(), CODED.label()).logX();
        for (String variant : trials.variants(REAL)) {
            rate.marks(
                    variant,
                    List.of(Chart.Point.of(trials.mean(REAL, variant, RATE), trials.spread(REAL, variant, CODED))));
        }
        String bits = "At about as many bits residual VQ leaves " + Say.percent(trials.mean(REAL, BITS, CODED))
                + " of the language model’s variance, the SAE " + Say.percent(trials.mean(REAL, SAE, CODED));
        String gap = "With the SAE’s own dictionary a pursuit leaves " + Say.percent(trials.mean(REAL, PURSUIT, FVU))
                + " of the variance where its encoder leaves " + Say.percent(trials.mean(REAL, SAE, FVU));
        String kl = "What each does to the model’s predictions, at as many coefficients: SAE "
                + Say.number(trials.mean(REAL, SAE, KL)) + " nats, dictionary learning "
                + Say.number(trials.mean(REAL, LEARNT, KL)) + ", residual VQ "
                + Say.number(trials.mean(REAL, RESIDUAL, KL));
        String truth = "The SAE finds the known dictionary with a mean cosine of "
                + Say.number(trials.mean(KNOWN, SAE, FOUND)) + ", dictionary learning with "
                + Say.number(trials.mean(KNOWN, LEARNT, FOUND)) + ", residual VQ with "
                + Say.number(trials.mean(KNOWN, RESIDUAL, FOUND));
        return List.of(
                Answer.Figure.of(
                        "rate",
                        bits,
                        "Variance that is left over the bits that a row’s code takes; to the lower left is better. Bars span the seeds.",
                        rate),
                Answer.Figure.of(
                        "fvu",
                        gap,
                        "Variance that is left, at equal numbers of coefficients but for VQ; rings are seeds.",
                        Rows.of(FVU.axis())
                                .group("language model, unseen text", trials, REAL, FVU)
                                .group("known dictionary", trials, KNOWN, FVU)
                                .fromZero()),
                Answer.Figure.of(
                        "kl",
                        kl,
                        "KL of the next token’s distribution on unseen text with the reconstruction in place of the rows.",
                        Rows.of(trials, REAL, KL).fromZero()),
                Answer.Figure.of(
                        "truth",
                        truth,
                        "Mean over true features of the largest cosine to a latent, atom or code.",
                        Rows.of(trials, KNOWN, FOUND).fromZero()));
    }

    private static String verdict(Trials trials) {
        Contrast amortised = trials.contrast(REAL, PURSUIT, SAE, FVU);
        Contrast learnt = trials.contrast(REAL, LEARNT, SAE, FVU);
        String codes = atEqualBits(trials);
        String classic = switch (learnt.direction()) {
            case LESS -> "classic dictionary learning reconstructs better than the SAE (FVU " + learnt.text() + ")";
            case MORE -> "classic dictionary learning reconstructs worse than the SAE (FVU " + learnt.text() + ")";
            case UNCLEAR ->
                "whether classic dictionary learning reconstructs better cannot be told (FVU " + learnt.text() + ")";
        };
        double encoder = trials.mean(REAL, SAE, FVU);
        double share = 1 - trials.mean(REAL, PURSUIT, FVU) / encoder;
        String gap = switch (amortised.direction()) {
            case LESS ->
                "Of what the SAE leaves a pursuit with its own dictionary would explain " + Say.percent(share)
                        + " (FVU " + amortised.text()
                        + "): that much is the encoder’s, the rest the dictionary’s and the number of coefficients’.";
            case MORE ->
                "A pursuit with the SAE’s own dictionary does worse than its encoder (FVU " + amortised.text()
                        + "): the greedy choice, not the encoder, would hold it back.";
            case UNCLEAR ->
                "Whether a pursuit codes better than the SAE’s encoder cannot be told at this size (FVU "
                        + amortised.text() + ").";
        };
        return codes + "; " + classic + ". " + gap;
    }

    /** Codes and SAEs by what is left of the rows, with the SAE's encoder and with a pursuit, and by what the model predicts then. */
    private static String atEqualBits(Trials trials) {
        Contrast coded = trials.contrast(REAL, BITS, SAE, CODED);
        String codes = switch (coded.direction()) {
            case MORE -> "At equal bits SAEs beat residual VQ on the language model";
            case LESS -> "At equal bits residual VQ beats SAEs on the language model";
            case UNCLEAR -> "At equal bits we cannot tell SAEs from residual VQ on the language model";
        };
        codes += " (coded FVU " + coded.text() + " for VQ)";
        if (trials.contrast(REAL, BITS, RESIDUAL, CODED).more()) {
            codes += ", though it does worse with so many stages ("
                    + Say.number(trials.mean(REAL, BITS, CODED)) + ") than with fewer ("
                    + Say.number(trials.mean(REAL, RESIDUAL, CODED))
                    + "), so that its training, not its code, may be what is compared";
        }
        Contrast pursued = trials.contrast(REAL, BITS, PURSUIT, CODED);
        codes += switch (pursued.direction()) {
            case MORE -> ", a pursuit with the SAE’s dictionary beats it";
            case LESS -> ", it beats a pursuit with the SAE’s dictionary";
            case UNCLEAR -> ", we cannot tell it from a pursuit with the SAE’s dictionary";
        };
        Contrast predictions = trials.contrast(REAL, BITS, SAE, KL);
        return codes + " (" + pursued.text() + "), and the model’s predictions "
                + switch (predictions.direction()) {
                    case MORE -> "change more with VQ than with the SAE";
                    case LESS -> "change less with VQ than with the SAE";
                    case UNCLEAR -> "change as much with either, as far as these seeds tell";
                }
                + " (KL " + predictions.text() + ")";
    }
}
