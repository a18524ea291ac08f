package org.loupe.experiment.question;

import static org.loupe.experiment.question.LowActivationsQuestion.ARCHITECTURES;
import static org.loupe.experiment.question.LowActivationsQuestion.CHANCE;
import static org.loupe.experiment.question.LowActivationsQuestion.ENERGY;
import static org.loupe.experiment.question.LowActivationsQuestion.KL_ALONE;
import static org.loupe.experiment.question.LowActivationsQuestion.KL_AVERAGED;
import static org.loupe.experiment.question.LowActivationsQuestion.KL_PER_FVU;
import static org.loupe.experiment.question.LowActivationsQuestion.KL_RISE;
import static org.loupe.experiment.question.LowActivationsQuestion.LABELLED;
import static org.loupe.experiment.question.LowActivationsQuestion.LIFT;
import static org.loupe.experiment.question.LowActivationsQuestion.ON_MODEL;
import static org.loupe.experiment.question.LowActivationsQuestion.ON_WORLD;
import static org.loupe.experiment.question.LowActivationsQuestion.RANDOM;
import static org.loupe.experiment.question.LowActivationsQuestion.RATIO_CURVE;
import static org.loupe.experiment.question.LowActivationsQuestion.TRUE_FIRING;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Contrast;
import org.loupe.experiment.Contrast.Direction;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trials;

/** What the trials of {@link LowActivationsQuestion} say. */
final class LowActivationsAnswer {
    private static final String WEAKEST = Bands.NAMES.getFirst();
    private static final String STRONGEST = Bands.NAMES.getLast();
    private static final List<String> AXIS = List.of("weakest", "second", "third", "strongest", "random");

    private final Trials trials;

    private LowActivationsAnswer(Trials trials) {
        this.trials = trials;
    }

    static Answer of(Trials trials, Scale scale, List<Quantity> quantities) {
        LowActivationsAnswer answer = new LowActivationsAnswer(trials);
        List<Answer.Table> tables = new ArrayList<>();
        for (String where : List.of(ON_MODEL, ON_WORLD)) {
            for (String architecture : ARCHITECTURES) {
                tables.add(Answer.Table.of(architecture + where, trials, architecture + where, quantities));
            }
        }
        return new Answer(
                setting(scale),
                answer.figures(),
                tables,
                answer.effect() + " " + answer.meaning(),
                "A control that changes as little as the weak quarters do, other layers and widths, other quarters than each latent’s own (the weakest of each row, or of all latents together), and text"
                        + " whose categories say more about what a latent stands for than WordNet’s lexicographer files do.");
    }

    private static String setting(Scale scale) {
        return "Each latent’s activations on the training rows are cut into quarters by size, from the weakest to the strongest. On unseen text"
                + " one quarter of every latent at once is zeroed, or set to the latent’s mean in that quarter, or kept alone; a quarter of"
                + " all activations drawn at random is the control. Rises are over the SAE as it is. ReLU, TopK and JumpReLU at one number"
                + " of active latents (L0, measured, stands in the tables). Language model: SmolLM2-135M, blocks.11.hook_resid_post, "
                + scale.of(
                        "8,000 tokens of WordNet, 512 latents, 16 active, 4 passes; 256 tokens to judge by",
                        "100,000 tokens of WordNet, 2,048 latents, 32 active, 10 passes; 2,048 tokens to judge by")
                + ". Known features: 256 in 64 dimensions, five on a row, strengths uniform on (0, 1]; 256 latents, 5 active.";
    }

    private List<Answer.Figure> figures() {
        List<Answer.Figure> figures = new ArrayList<>();
        String rise = "Zeroing the weakest quarter costs "
                + each(a ->
                        times(trials.mean(a + ON_MODEL, WEAKEST, KL_RISE), trials.mean(a + ON_MODEL, RANDOM, KL_RISE)))
                + " of what a random quarter costs";
        figures.add(Answer.Figure.of(
                "kl",
                rise,
                "Rise of the KL of the next token’s distribution when a quarter of every latent’s activations is zeroed; bars span the seeds.",
                bands(KL_RISE, ON_MODEL, true).logY()));
        String unit = "For what it adds to the FVU, the weakest quarter does "
                + each(a -> times(
                        trials.mean(a + ON_MODEL, WEAKEST, KL_PER_FVU), trials.mean(a + ON_MODEL, RANDOM, KL_PER_FVU)))
                + " of what a random quarter does, the strongest "
                + each(a -> times(
                        trials.mean(a + ON_MODEL, STRONGEST, KL_PER_FVU),
                        trials.mean(a + ON_MODEL, RANDOM, KL_PER_FVU)));
        figures.add(Answer.Figure.of(
                "kl-per-fvu",
                unit,
                "The same rise over the rise of the FVU: equal heights would mean that an activation matters by what it adds to the"
                        + " reconstruction alone. The random quarter changes more than the weakest three do, and the KL may rise faster than"
                        + " in proportion.",
                bands(KL_PER_FVU, ON_MODEL, true).fromZero()));
        String averaged = "Each quarter at its latent’s mean in place of its values: the weakest then costs "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, WEAKEST, KL_AVERAGED))) + " nats, the strongest "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, STRONGEST, KL_AVERAGED)));
        figures.add(Answer.Figure.of(
                "averaged",
                averaged,
                "Rise of the KL when a quarter’s activations are set to their mean: that they fire is kept, how strongly is lost.",
                bands(KL_AVERAGED, ON_MODEL, false).fromZero()));
        String alone = "Kept alone, the strongest quarter leaves a KL of "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, STRONGEST, KL_ALONE))) + " nats, the weakest "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, WEAKEST, KL_ALONE)));
        figures.add(Answer.Figure.of(
                "alone",
                alone,
                "KL to the model as it is where all activations but one quarter’s are zeroed.",
                bands(KL_ALONE, ON_MODEL, false).fromZero()));
        String latents = "Latent by latent: the median latent’s weakest quarter has "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, WEAKEST, LowActivationsQuestion.EFFECT_RATIO)))
                + " times the effect that its share of f² suggests";
        figures.add(Answer.Figure.of(
                "by-latent",
                latents,
                "Share of a latent’s effect on the output (to second order) over its share of f², for the weakest and the strongest quarter,"
                        + " from the latent with the least to the one with the most.",
                ratios().across(1, "by size alone").logY()));
        String labels = "By the documents of their weakest quarter "
                + each(a -> Say.percent(trials.mean(a + ON_MODEL, WEAKEST, LABELLED)))
                + " of the latents have a clear category, by those of their strongest "
                + each(a -> Say.percent(trials.mean(a + ON_MODEL, STRONGEST, LABELLED)));
        Chart labelled = bands(LABELLED, ON_MODEL, true).fromZero();
        labelled.marks(
                "by chance, TopK",
                points(
                        "TopK" + ON_MODEL,
                        CHANCE,
                        Stream.concat(Bands.NAMES.stream(), Stream.of(RANDOM)).toList()));
        figures.add(Answer.Figure.of(
                "labels",
                labels,
                "Share of latents whose documents of a quarter, equally many of each, have an enriched WordNet category; “random” are"
                        + " documents of any quarter. By chance: the categories dealt out anew.",
                labelled));
        String lift = "The strongest quarter’s category comes up "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, WEAKEST, LIFT)))
                + " times as often as by chance in documents of the weakest quarter, "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, STRONGEST, LIFT))) + " times in others of its own";
        figures.add(Answer.Figure.of(
                "lift",
                lift,
                "The category that half of the strongest quarter’s documents suggests, counted in the documents of every quarter, in the"
                        + " strongest in the other half; 1 is chance.",
                bands(LIFT, ON_MODEL, true).across(1, "chance").fromZero()));
        String truth = "Where the features are known, "
                + each(a -> Say.percent(trials.mean(a + ON_WORLD, WEAKEST, TRUE_FIRING)))
                + " of the weakest activations stand on rows where the feature fires, "
                + each(a -> Say.percent(trials.mean(a + ON_WORLD, STRONGEST, TRUE_FIRING))) + " of the strongest";
        figures.add(Answer.Figure.of(
                "true-firings",
                truth,
                "Share of activations on whose rows the latent’s feature does fire; “random” are activations of any size.",
                bands(TRUE_FIRING, ON_WORLD, true).fromZero()));
        return figures;
    }

    private Chart bands(Quantity quantity, String where, boolean random) {
        List<String> variants =
                random ? Stream.concat(Bands.NAMES.stream(), Stream.of(RANDOM)).toList() : Bands.NAMES;
        Chart chart = Chart.of("quarter of each latent’s activations", quantity.axis())
                .categories(AXIS.subList(0, variants.size()));
        ARCHITECTURES.forEach(a -> chart.marks(a, points(a + where, quantity, variants)));
        return chart;
    }

    private List<Chart.Point> points(String part, Quantity quantity, List<String> variants) {
        List<Chart.Point> points = new ArrayList<>();
        for (int i = 0; i < variants.size(); i++) {
            points.add(Chart.Point.of(i, trials.spread(part, variants.get(i), quantity)));
        }
        return points;
    }

    private Chart ratios() {
        Chart chart = Chart.of("latents with less (%)", "effect share / f² share");
        for (String band : List.of(WEAKEST, STRONGEST)) {
            for (String a : ARCHITECTURES) {
                chart.markedLine(
                        a + (band.equals(WEAKEST) ? ", weakest" : ", strongest"),
                        trials.points(a + ON_MODEL, band, RATIO_CURVE));
            }
        }
        return chart;
    }

    private static String times(double value, double of) {
        return Say.percent(value / of);
    }

    /** A text for each architecture: "1 (ReLU), 2 (TopK) and 3 (JumpReLU)". */
    private static String each(Function<String, String> text) {
        return Say.list(
                ARCHITECTURES.stream().map(a -> text.apply(a) + " (" + a + ")").toList());
    }

    /** What the seeds allow to say of a difference: one text where all architectures go the same way, else each way's with its architectures. */
    private String say(Quantity quantity, String variant, String than, Map<Direction, String> texts) {
        Map<Direction, List<String>> ways = ways(quantity, variant, than);
        return ways.entrySet().stream()
                .map(way -> texts.get(way.getKey()) + (ways.size() == 1 ? "" : " (" + Say.list(way.getValue()) + ")"))
                .collect(Collectors.joining(", "));
    }

    private Map<Direction, List<String>> ways(Quantity quantity, String variant, String than) {
        return ARCHITECTURES.stream()
                .collect(Collectors.groupingBy(
                        a -> trials.contrast(a + ON_MODEL, variant, than, quantity)
                                .direction(),
                        LinkedHashMap::new,
                        Collectors.toList()));
    }

    private boolean oneSeed() {
        return trials.spread(ARCHITECTURES.getFirst() + ON_MODEL, WEAKEST, KL_RISE)
                        .count()
                < 2;
    }

    private boolean matters() {
        return ARCHITECTURES.stream().allMatch(a -> new Contrast(trials.spread(a + ON_MODEL, WEAKEST, KL_RISE)).more());
    }

    private String effect() {
        String numbers = "zeroing the weakest quarter of every latent’s activations, "
                + each(a -> Say.percent(trials.mean(a + ON_MODEL, WEAKEST, ENERGY))) + " of f², raises the KL by "
                + each(a -> new Contrast(trials.spread(a + ON_MODEL, WEAKEST, KL_RISE)).text())
                + " nats a token, a random quarter by "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, RANDOM, KL_RISE)));
        if (oneSeed()) {
            return "One seed cannot tell: " + numbers + ".";
        }
        String whole = Say.sentence(say(
                KL_RISE,
                WEAKEST,
                RANDOM,
                Map.of(
                        Direction.LESS,
                        matters() ? "little, but not nothing" : "no effect that one can tell at this size",
                        Direction.MORE,
                        "yes, more than others",
                        Direction.UNCLEAR,
                        "we cannot tell at this size")));
        if (!ways(KL_RISE, WEAKEST, RANDOM).keySet().equals(Set.of(Direction.LESS))) {
            return whole + ": " + numbers + ".";
        }
        String size = say(
                KL_PER_FVU,
                WEAKEST,
                RANDOM,
                Map.of(
                        Direction.LESS,
                        "less than their part in the reconstruction says",
                        Direction.MORE,
                        "more than their part in the reconstruction says",
                        Direction.UNCLEAR,
                        "whether as much as their part in the reconstruction says cannot be told"));
        return whole + ", and " + size + ": " + numbers + ".";
    }

    private String meaning() {
        String numbers = "the category of the strongest quarter’s documents comes up "
                + each(a -> Say.number(trials.mean(a + ON_MODEL, WEAKEST, LIFT)) + " against "
                        + Say.number(trials.mean(a + ON_MODEL, STRONGEST, LIFT)))
                + " times as often as by chance in the weakest’s and in others of its own, and where the features are known "
                + each(a -> Say.percent(trials.mean(a + ON_WORLD, WEAKEST, TRUE_FIRING)) + " against "
                        + Say.percent(trials.mean(a + ON_WORLD, STRONGEST, TRUE_FIRING)))
                + " of the weakest and of the strongest activations are true firings";
        if (oneSeed()) {
            return "Nor can it tell whether they are harder to interpret: " + numbers + ".";
        }
        String harder = say(
                LIFT,
                WEAKEST,
                STRONGEST,
                Map.of(
                        Direction.LESS,
                        "they are harder to interpret",
                        Direction.MORE,
                        "they are easier to interpret",
                        Direction.UNCLEAR,
                        "whether they are harder to interpret cannot be told"));
        return Say.sentence(harder) + ": " + numbers + ".";
    }
}
