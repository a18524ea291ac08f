package org.loupe.experiment.question;

import static org.loupe.experiment.question.ThresholdQuestion.BIAS;
import static org.loupe.experiment.question.ThresholdQuestion.DIVERGENCE;
import static org.loupe.experiment.question.ThresholdQuestion.FVU;
import static org.loupe.experiment.question.ThresholdQuestion.GATED;
import static org.loupe.experiment.question.ThresholdQuestion.JUMP;
import static org.loupe.experiment.question.ThresholdQuestion.KEPT;
import static org.loupe.experiment.question.ThresholdQuestion.KEPT_CURVE;
import static org.loupe.experiment.question.ThresholdQuestion.L0;
import static org.loupe.experiment.question.ThresholdQuestion.OPENING;
import static org.loupe.experiment.question.ThresholdQuestion.OPENING_CURVE;
import static org.loupe.experiment.question.ThresholdQuestion.REAL;
import static org.loupe.experiment.question.ThresholdQuestion.RELU;
import static org.loupe.experiment.question.ThresholdQuestion.RESCALED;
import static org.loupe.experiment.question.ThresholdQuestion.STEP;
import static org.loupe.experiment.question.ThresholdQuestion.STEP_SHARE;
import static org.loupe.experiment.question.ThresholdQuestion.TRUE_SLOPE;
import static org.loupe.experiment.question.ThresholdQuestion.WORLD;

import java.util.ArrayList;
import java.util.List;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Contrast;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Rows;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trials;

/** What the trials of {@link ThresholdQuestion} say. */
final class ThresholdAnswer {
    private final Trials trials;

    private ThresholdAnswer(Trials trials) {
        this.trials = trials;
    }

    static Answer of(Trials trials, Scale scale, List<Quantity> quantities) {
        ThresholdAnswer answer = new ThresholdAnswer(trials);
        return new Answer(
                setting(scale),
                answer.figures(),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities),
                        Answer.Table.of("Where the features are known", trials, WORLD, quantities)),
                answer.moved() + " " + answer.trained(),
                "Other layers, widths and numbers of active latents; a dictionary that is trained further after θ has moved, which would adapt"
                        + " its rows too and not their lengths only. That the same latents stay active is no finding but algebra: z > θ and"
                        + " z − θ > 0 are one condition.");
    }

    private static String setting(Scale scale) {
        return "ReLU, Gated and JumpReLU SAEs are trained to the same number of active latents (L0, measured, stands in the tables). JumpReLU gives"
                + " z where z > θ; as relu(z − θ) the same latents are active and each activation is smaller by θ. “Rescaled” has the factor"
                + " for every latent and the offset that reconstruct best, fitted jointly on training rows. “Gate alone” has one constant"
                + " for each latent in place of its activation. Known features: 256 in 64 dimensions, five on a row, strengths uniform on"
                + " (0, 1]; 256 latents, 5 active, "
                + scale.of("400", "3,000") + " steps. Language model: SmolLM2-135M, blocks.11.hook_resid_post, "
                + scale.of(
                        "8,000 tokens of WordNet, 512 latents, 16 active, 8 passes",
                        "200,000 tokens of WordNet, 2,048 latents, 32 active, 6 passes")
                + "; judged on unseen text.";
    }

    private List<Answer.Figure> figures() {
        List<Answer.Figure> figures = new ArrayList<>();
        String moved = "Moving θ into the bias takes the FVU from " + number(REAL, JUMP, FVU) + " to "
                + number(REAL, BIAS, FVU) + "; rescaled it is " + number(REAL, BIAS + RESCALED, FVU);
        figures.add(Answer.Figure.of(
                "fvu",
                moved,
                "Variance that is left on unseen rows, at the same active latents; rings are seeds, bars their mean.",
                Rows.of(FVU.axis())
                        .group(REAL, trials, REAL, FVU)
                        .group(WORLD, trials, WORLD, FVU)
                        .fromZero()));
        String effect = "In the model’s predictions: KL " + number(REAL, JUMP, DIVERGENCE) + " with θ, "
                + number(REAL, BIAS, DIVERGENCE) + " with a bias in its place, "
                + number(REAL, BIAS + RESCALED, DIVERGENCE) + " rescaled";
        figures.add(Answer.Figure.of(
                "kl",
                effect,
                "KL of the next token’s distribution when the reconstruction stands in for the rows.",
                Rows.of(trials, REAL, DIVERGENCE).fromZero()));
        String opens = "Half of the JumpReLU latents cannot be weaker than " + percent(REAL, JUMP, OPENING)
                + " of their mean activation, of the Gated ones than " + percent(REAL, GATED, OPENING);
        figures.add(Answer.Figure.of(
                "opening",
                opens,
                "The smallest activation that a latent can have over its mean activation, from the latent with the least to the one with"
                        + " the most, on the language model. ReLU can come down to 0.",
                curves("latents with less (%)", "opening / mean activation", OPENING_CURVE, List.of(RELU, GATED, JUMP))
                        .fromZero()));
        String shrinks = "The median latent of ReLU has " + percent(REAL, RELU, KEPT)
                + " of the activation that reconstructs best, of JumpReLU " + percent(REAL, JUMP, KEPT)
                + ", with θ as a bias " + percent(REAL, BIAS, KEPT);
        figures.add(Answer.Figure.of(
                "shrinkage",
                shrinks,
                "Activation over the activation that reconstructs best (1/a), latent by latent, on the language model; below 1 is shrinkage.",
                curves(
                                "latents with less (%)",
                                "activation / best activation", KEPT_CURVE, List.of(RELU, GATED, JUMP, BIAS))
                        .across(1, "no shrinkage")));
        String truth = "Against the true strengths: slope " + number(WORLD, RELU, TRUE_SLOPE) + " with ReLU, "
                + number(WORLD, JUMP, TRUE_SLOPE) + " with JumpReLU, " + number(WORLD, BIAS, TRUE_SLOPE)
                + " with θ as a bias";
        figures.add(Answer.Figure.of(
                "slope",
                truth,
                "Slope of activations against the true ones, of features that are recovered; 1 is no shrinkage.",
                Rows.of(trials, WORLD, TRUE_SLOPE)));
        return figures;
    }

    private Chart curves(String x, String y, String name, List<String> variants) {
        Chart chart = Chart.of(x, y);
        for (String variant : variants) {
            chart.markedLine(variant, trials.points(REAL, variant, name));
        }
        return chart;
    }

    private String number(String part, String variant, Quantity quantity) {
        return Say.number(trials.mean(part, variant, quantity));
    }

    private String percent(String part, String variant, Quantity quantity) {
        return Say.percent(trials.mean(part, variant, quantity));
    }

    private Contrast contrast(String part, String variant, String than) {
        return trials.contrast(part, variant, than, FVU);
    }

    /** What moving θ costs, and what a factor for each latent brings back. */
    private String moved() {
        String numbers = "θ moved into the bias leaves the same latents active and takes the FVU from "
                + number(REAL, JUMP, FVU) + " to " + number(REAL, BIAS, FVU) + " on the language model, "
                + number(REAL, BIAS + RESCALED, FVU) + " with the best factor for each latent";
        Contrast plain = contrast(REAL, BIAS, JUMP);
        Contrast rescaled = contrast(REAL, BIAS + RESCALED, JUMP);
        if (plain.difference().count() < 2) {
            return "One seed cannot tell: " + numbers + "; the step is " + percent(REAL, JUMP, STEP_SHARE)
                    + " of all activation.";
        }
        return switch (rescaled.direction()) {
            case MORE ->
                "No: as a gate θ is a bias, as a measure it is not; " + numbers + ", and the rest ("
                        + rescaled.text() + ", where the gate alone without any measure has "
                        + number(REAL, STEP, FVU) + ") is what a bias cannot replace.";
            case LESS -> "Yes: " + numbers + ", which is even less (" + rescaled.text() + ").";
            case UNCLEAR ->
                plain.more()
                        ? "Up to a factor for each latent, as far as one can tell at this size: " + numbers + " ("
                                + rescaled.text() + ")."
                        : "We cannot tell at this size: " + numbers + " (" + rescaled.text() + ").";
        };
    }

    /** How a trained ReLU stands to JumpReLU's dictionary with ReLU's form. */
    private String form() {
        Contrast form = contrast(REAL, RELU + RESCALED, BIAS + RESCALED);
        return switch (form.direction()) {
                    case LESS -> "better than";
                    case MORE -> "worse than";
                    case UNCLEAR -> "not told apart from";
                }
                + " JumpReLU’s own latents with θ in the bias (" + form.text() + ")";
    }

    /** ReLU, which has had its bias all along. */
    private String trained() {
        String same = "A ReLU that was trained with a bias of its own to " + number(REAL, RELU, L0)
                + " active latents, JumpReLU having " + number(REAL, JUMP, L0) + ",";
        Contrast plain = contrast(REAL, RELU, JUMP);
        Contrast rescaled = contrast(REAL, RELU + RESCALED, JUMP + RESCALED);
        String numbers =
                "(FVU " + plain.text() + "; " + rescaled.text() + " with both rescaled; where the features are known "
                        + contrast(WORLD, RELU, JUMP).text() + " and "
                        + contrast(WORLD, RELU + RESCALED, JUMP + RESCALED).text() + ")";
        if (plain.difference().count() < 2) {
            return same + " is not told apart from it by one seed " + numbers + ".";
        }
        return same
                + switch (plain.direction()) {
                    case LESS -> " is even better " + numbers + ".";
                    case UNCLEAR -> " is not told apart from it at this size " + numbers + ".";
                    case MORE ->
                        switch (rescaled.direction()) {
                            case MORE ->
                                " is worse, and not by shrinkage alone " + numbers + "; rescaled it is " + form() + ".";
                            case UNCLEAR ->
                                " is worse, by no more than shrinkage as far as one can tell " + numbers + ".";
                            case LESS -> " is worse, by shrinkage: rescaled it is the better one " + numbers + ".";
                        };
                };
    }
}
