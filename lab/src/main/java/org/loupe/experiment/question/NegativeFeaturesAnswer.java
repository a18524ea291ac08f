package org.loupe.experiment.question;

import static org.loupe.experiment.question.NegativeFeaturesQuestion.ABSTOPK;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.ALIKE;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.ALIKE_CURVE;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.BOTH;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.FVU;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.LATENTS;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.NEAR_PAIRS;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.OPPOSITE_CURVE;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.PAIRS;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.REAL;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.RELU;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.SIGNED;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.TOPK;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.TWO_SIDED;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.UNSIGNED;
import static org.loupe.experiment.question.NegativeFeaturesQuestion.variant;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Contrast;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Rows;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Spread;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;

/** What the trials of {@link NegativeFeaturesQuestion} say. */
final class NegativeFeaturesAnswer {
    private static final int WORLD_SIZE = Worlds.FEATURES;

    private final Trials trials;
    private final int modelSize;
    private final List<Integer> modelSizes;
    private final List<Integer> worldSizes;

    private NegativeFeaturesAnswer(Trials trials, Scale scale) {
        this.trials = trials;
        this.worldSizes = NegativeFeaturesQuestion.onWorld(scale);
        this.modelSizes = NegativeFeaturesQuestion.onModel(scale);
        this.modelSize = modelSizes.get(1);
    }

    static Answer of(Trials trials, Scale scale, List<Quantity> quantities) {
        NegativeFeaturesAnswer answer = new NegativeFeaturesAnswer(trials, scale);
        return new Answer(
                answer.setting(scale),
                answer.figures(),
                List.of(
                        Answer.Table.of("Where features have either sign", trials, SIGNED, quantities),
                        Answer.Table.of("Where features have one sign", trials, UNSIGNED, quantities),
                        Answer.Table.of("On the language model", trials, REAL, quantities)),
                answer.onWorld() + " " + answer.onModel(),
                "Other layers and models, and larger dictionaries than these; a world in which only some features have two signs. Whether the"
                        + " two ends of a signed latent mean opposite things to a reader was not asked.");
    }

    private String setting(Scale scale) {
        return "TopK and ReLU cannot be negative, AbsTopK keeps the activations of largest size with their signs. Known features: 256 in 64"
                + " dimensions, five on a row, strengths uniform on (0, 1], each with a random sign where they have either; dictionaries of "
                + Say.list(worldSizes.stream().map(String::valueOf).toList())
                + " latents, 5 active. Language model: SmolLM2-135M, blocks.11.hook_resid_post, "
                + scale.of("8,000 tokens of WordNet, 16 active", "200,000 tokens of WordNet, 32 active")
                + ", 4 passes, dictionaries of "
                + Say.list(modelSizes.stream().map(m -> Say.number(m)).toList())
                + " latents, judged on unseen text. Latents for the same FVU are read off the line between neighbouring sizes, log m across.";
    }

    private List<Answer.Figure> figures() {
        List<Answer.Figure> figures = new ArrayList<>();
        String cost = "For the FVU that AbsTopK has with 256 latents, TopK needs " + factor(SIGNED, WORLD_SIZE)
                + " times as many where features have either sign, " + factor(UNSIGNED, WORLD_SIZE)
                + " where they have one";
        Chart sizes = Chart.of("latents", FVU.axis()).logX();
        for (String part : List.of(SIGNED, UNSIGNED)) {
            for (String architecture : List.of(TOPK, ABSTOPK)) {
                sizes.markedLine(
                        architecture + (part.equals(SIGNED) ? ", either sign" : ", one sign"),
                        bySize(part, architecture, worldSizes));
            }
        }
        figures.add(Answer.Figure.of(
                "cost",
                cost,
                "Variance that is left over the size of the dictionary, the number of active latents being the same; bars span the seeds.",
                sizes.fromZero()));
        String both = "With 256 latents TopK has both signs of " + percent(SIGNED, TOPK, WORLD_SIZE, BOTH)
                + " of the features, with 512 of " + percent(SIGNED, TOPK, 2 * WORLD_SIZE, BOTH)
                + "; AbsTopK with 256 of "
                + percent(SIGNED, ABSTOPK, WORLD_SIZE, BOTH);
        figures.add(Answer.Figure.of(
                "both-signs",
                both,
                "Share of true features of which both signs have a latent: two latents of cosine 0.9, or one with signs. Rings are seeds.",
                Rows.of(BOTH.axis()).group(SIGNED, trials, SIGNED, BOTH).fromZero()));
        String pairs = "If each sign took a latent, all 512 would stand in antipodal pairs: of TopK’s "
                + percent(SIGNED, TOPK, 2 * WORLD_SIZE, PAIRS) + " do where features have either sign, "
                + percent(UNSIGNED, TOPK, 2 * WORLD_SIZE, PAIRS) + " where they have one";
        figures.add(Answer.Figure.of(
                "pairs",
                pairs,
                "Share of latents with another whose dictionary row has a cosine of −0.9 or less.",
                Rows.of(PAIRS.axis())
                        .group(SIGNED, trials, SIGNED, PAIRS)
                        .group(UNSIGNED, trials, UNSIGNED, PAIRS)
                        .fromZero()));
        String real = "On the language model " + percent(REAL, TOPK, modelSize, NEAR_PAIRS)
                + " of TopK’s latents have one that points the other way (cosine ≤ −0.5), "
                + percent(REAL, TOPK, modelSize, ALIKE) + " one that points the same way (≥ 0.5)";
        Chart cosines = Chart.of("latents with less (%)", "largest cosine to another latent");
        curve(cosines, "TopK, other way", TOPK, OPPOSITE_CURVE);
        curve(cosines, "ReLU, other way", RELU, OPPOSITE_CURVE);
        curve(cosines, "AbsTopK, other way", ABSTOPK, OPPOSITE_CURVE);
        curve(cosines, "TopK, same way", TOPK, ALIKE_CURVE);
        figures.add(Answer.Figure.of(
                "opposites",
                real,
                "How near each latent’s row comes to another’s, turned round or as it is, from the latent with the least to the one with the"
                        + " most.",
                cosines));
        Contrast gain = trials.contrast(REAL, variant(ABSTOPK, modelSize), variant(TOPK, modelSize), FVU);
        String fvu = "With " + Say.number(modelSize) + " latents AbsTopK’s FVU differs from TopK’s by " + gain.text()
                + "; " + percent(REAL, ABSTOPK, modelSize, TWO_SIDED) + " of its latents use both signs";
        figures.add(Answer.Figure.of(
                "model",
                fvu,
                "Variance that is left on unseen text, the number of active latents being the same.",
                Rows.of(trials, REAL, FVU).fromZero()));
        return figures;
    }

    private List<Chart.Point> bySize(String part, String architecture, List<Integer> sizes) {
        return sizes.stream()
                .map(m -> Chart.Point.of(m, trials.spread(part, variant(architecture, m), FVU)))
                .toList();
    }

    private void curve(Chart chart, String name, String architecture, String curve) {
        chart.markedLine(name, trials.points(REAL, variant(architecture, modelSize), curve));
    }

    private double mean(String part, String architecture, int latents, Quantity quantity) {
        return trials.mean(part, variant(architecture, latents), quantity);
    }

    private String percent(String part, String architecture, int latents, Quantity quantity) {
        return Say.percent(mean(part, architecture, latents, quantity));
    }

    /**
     * Latents that TopK needs for an FVU, with one seed.
     *
     * @param beyond 1 where its largest dictionary is not enough, −1 where its smallest is more than enough; the latents are then that one's
     */
    private record Needed(double latents, int beyond) {}

    private Needed needed(String part, int seed, double fvu) {
        List<Trial> sizes = trials.variants(part).stream()
                .filter(v -> v.startsWith(TOPK))
                .flatMap(v -> trials.of(part, v).stream())
                .filter(t -> t.seed() == seed)
                .sorted(Comparator.comparingDouble(t -> value(t, LATENTS)))
                .toList();
        if (value(sizes.getFirst(), FVU) < fvu) {
            return new Needed(value(sizes.getFirst(), LATENTS), -1);
        }
        for (int i = 1; i < sizes.size(); i++) {
            double before = value(sizes.get(i - 1), FVU);
            double after = value(sizes.get(i), FVU);
            if (after <= fvu) {
                double way = before == after ? 0 : (before - fvu) / (before - after);
                double from = Math.log(value(sizes.get(i - 1), LATENTS));
                double to = Math.log(value(sizes.get(i), LATENTS));
                return new Needed(Math.exp(from + way * (to - from)), 0);
            }
        }
        return new Needed(value(sizes.getLast(), LATENTS), 1);
    }

    private static double value(Trial trial, Quantity quantity) {
        return trial.values().getOrDefault(quantity.key(), Double.NaN);
    }

    /** How many times AbsTopK's latents TopK needs for AbsTopK's FVU. */
    private String factor(String part, int latents) {
        List<Needed> needed = trials.of(part, variant(ABSTOPK, latents)).stream()
                .map(abs -> needed(part, abs.seed(), value(abs, FVU)))
                .toList();
        Spread factors =
                Spread.of(needed.stream().mapToDouble(n -> n.latents / latents).toArray());
        if (needed.stream().anyMatch(n -> n.beyond > 0)) {
            return "more than " + Say.number(factors.mean());
        }
        if (needed.stream().anyMatch(n -> n.beyond < 0)) {
            return "fewer than " + Say.number(factors.mean());
        }
        return Say.number(factors.mean()) + (factors.count() > 1 ? " ± " + Say.number(factors.error()) : "");
    }

    private boolean oneSeed() {
        return trials.of(SIGNED, variant(TOPK, WORLD_SIZE)).size() < 2;
    }

    private String onWorld() {
        String others = worldSizes.stream()
                .filter(m -> m != WORLD_SIZE
                        && !trials.of(SIGNED, variant(ABSTOPK, m)).isEmpty())
                .map(m -> factor(SIGNED, m) + " with " + Say.number(m) + ", ")
                .collect(Collectors.joining());
        String numbers = "where every feature has either sign TopK needs " + factor(SIGNED, WORLD_SIZE)
                + " times AbsTopK’s latents for the FVU that that has with " + WORLD_SIZE + " (" + others
                + factor(UNSIGNED, WORLD_SIZE) + " with " + WORLD_SIZE + " where features have one sign), and "
                + percent(SIGNED, TOPK, 2 * WORLD_SIZE, PAIRS) + " of its 512 latents stand in antipodal pairs";
        if (oneSeed()) {
            return "One seed cannot tell: " + numbers + ".";
        }
        Contrast gain = trials.contrast(SIGNED, variant(ABSTOPK, WORLD_SIZE), variant(TOPK, WORLD_SIZE), FVU);
        return switch (gain.direction()) {
            case LESS -> "Yes: " + numbers + ".";
            case MORE -> "No, a sign is no gain even there: " + numbers + ".";
            case UNCLEAR -> "We cannot tell at this size: " + numbers + " (FVU " + gain.text() + " with 256 latents).";
        };
    }

    private String onModel() {
        String pairs = percent(REAL, TOPK, modelSize, NEAR_PAIRS) + " of TopK’s " + Say.number(modelSize)
                + " latents have one that points the other way (cosine ≤ −0.5; of AbsTopK’s "
                + percent(REAL, ABSTOPK, modelSize, NEAR_PAIRS) + "), while "
                + percent(REAL, ABSTOPK, modelSize, TWO_SIDED) + " of AbsTopK’s use both signs";
        Contrast gain = trials.contrast(REAL, variant(ABSTOPK, modelSize), variant(TOPK, modelSize), FVU);
        String numbers = "the FVU changes by " + gain.text() + " with signs, and " + pairs + ".";
        if (oneSeed()) {
            return "Nor can it on the language model: " + numbers;
        }
        return switch (gain.direction()) {
            case LESS ->
                "On the language model it is a cost too, " + factor(REAL, modelSizes.getFirst())
                        + " times the latents: " + numbers;
            case MORE -> "On the language model it is no cost: " + numbers;
            case UNCLEAR -> "On the language model we cannot tell at this size: " + numbers;
        };
    }
}
