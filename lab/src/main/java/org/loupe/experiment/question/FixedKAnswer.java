package org.loupe.experiment.question;

import static org.loupe.experiment.question.FixedKQuestion.BATCH;
import static org.loupe.experiment.question.FixedKQuestion.CE;
import static org.loupe.experiment.question.FixedKQuestion.EASY_CE;
import static org.loupe.experiment.question.FixedKQuestion.EVEN;
import static org.loupe.experiment.question.FixedKQuestion.FVU;
import static org.loupe.experiment.question.FixedKQuestion.HARD_CE;
import static org.loupe.experiment.question.FixedKQuestion.JUMP;
import static org.loupe.experiment.question.FixedKQuestion.L0;
import static org.loupe.experiment.question.FixedKQuestion.REAL;
import static org.loupe.experiment.question.FixedKQuestion.RECOVERED;
import static org.loupe.experiment.question.FixedKQuestion.TOPK;
import static org.loupe.experiment.question.FixedKQuestion.TRACKS;
import static org.loupe.experiment.question.FixedKQuestion.UNEVEN;
import static org.loupe.experiment.question.FixedKQuestion.WITH_FREQUENCY;
import static org.loupe.experiment.question.FixedKQuestion.WITH_LOSS;
import static org.loupe.experiment.question.FixedKQuestion.WITH_NORM;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Contrast;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Rows;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Spread;
import org.loupe.experiment.Trials;

/** What the trials of {@link FixedKQuestion} say. */
final class FixedKAnswer {
    private static final List<String> FREE = List.of(BATCH, JUMP);

    private final Trials trials;
    private final Scale scale;

    private FixedKAnswer(Trials trials, Scale scale) {
        this.trials = trials;
        this.scale = scale;
    }

    static Answer of(Trials trials, Scale scale, List<Quantity> quantities) {
        FixedKAnswer answer = new FixedKAnswer(trials, scale);
        return new Answer(
                answer.setting(),
                answer.figures(),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities),
                        Answer.Table.of("Known features, counts unlike", trials, UNEVEN, quantities),
                        Answer.Table.of("Known features, counts alike", trials, EVEN, quantities)),
                answer.onTruth() + " " + answer.onTokens(),
                "Longer training, other sparsity (the fewer latents, the more their distribution matters) and text whose tokens differ more"
                        + " than a dictionary’s do. Tokens count as hard by the model’s loss on what follows; since that loss also"
                        + " decides what an error can cost, CE on hard tokens has a bias that KL has not.");
    }

    private int k() {
        return scale.of(16, 32);
    }

    private String setting() {
        return "All SAEs are trained alike for the same mean number of active latents (the L0 that each has on unseen rows is in the tables)."
                + " TopK gives every row k; with k falling it begins at 4 k and reaches k half-way; BatchTopK gives a batch k a row and"
                + " encodes with one threshold; JumpReLU learns a threshold for each latent. Known features: 256 in 64 dimensions, 5.1 of"
                + " them active in the mean, independently (counts alike: a standard deviation of 2.2) or in loose groups of 32 that come and go"
                + " together (counts unlike: 4.6); 256 latents, k = 5. Language model: SmolLM2-135M, blocks.11.hook_resid_post, "
                + scale.of(
                        "8,000 tokens of WordNet, 512 latents, k = 16",
                        "200,000 tokens of WordNet, 2,048 latents, k = 32")
                + "; an unseen token is the harder the larger the model’s own loss on what follows it.";
    }

    private List<Answer.Figure> figures() {
        List<Answer.Figure> figures = new ArrayList<>();
        String truth = "Where true counts are unlike, " + BATCH + " follows them with a correlation of "
                + Say.number(trials.mean(UNEVEN, BATCH, TRACKS)) + " and " + JUMP + " with "
                + Say.number(trials.mean(UNEVEN, JUMP, TRACKS));
        figures.add(Answer.Figure.of(
                "by-truth",
                truth,
                "Mean number of active latents over the number of features that are truly active, groups of rows; TopK cannot follow. Bars span"
                        + " the seeds.",
                curves(
                                UNEVEN,
                                FixedKQuestion.BY_TRUTH,
                                "active features of the row",
                                "active latents",
                                trials.variants(UNEVEN))
                        .fromZero()));
        String worst = "On rows with 15 active features and more the error is "
                + Say.list(trials.variants(UNEVEN).stream()
                        .map(v -> Say.number(last(UNEVEN, v, FixedKQuestion.FVU_BY_TRUTH)) + " (" + v + ")")
                        .toList())
                + " of a row’s mean variation";
        figures.add(Answer.Figure.of(
                "error-by-truth",
                worst,
                "Squared error of a row, divided by the mean variation of all rows, over its number of active features.",
                curves(
                                UNEVEN,
                                FixedKQuestion.FVU_BY_TRUTH,
                                "active features of the row",
                                "error / mean variation",
                                trials.variants(UNEVEN))
                        .fromZero()));
        String counts = "On SmolLM2 "
                + Say.list(FREE.stream()
                        .map(v -> v + " spreads by " + Say.number(trials.mean(REAL, v, FixedKQuestion.SPREAD)))
                        .toList())
                + " latents around TopK’s " + k();
        figures.add(Answer.Figure.of(
                "counts",
                counts,
                "Share of unseen tokens by their number of active latents; the rightmost point has all that have more.",
                curves(REAL, FixedKQuestion.COUNTS, "active latents of the token", "share of tokens per latent", FREE)
                        .fromZero()
                        .upright(k(), "TopK: every token")));
        figures.add(Answer.Figure.of(
                "by-loss",
                follows("the model’s loss", WITH_LOSS),
                "Mean number of active latents in each tenth of the unseen tokens, from those whose successor the model knows to those where it"
                        + " is lost.",
                byDifficulty(FixedKQuestion.BY_LOSS, "loss of the model on the next token (nats)")));
        figures.add(Answer.Figure.of(
                "by-norm",
                follows("the row’s norm", WITH_NORM),
                "The same by the norm of the row.",
                byDifficulty(FixedKQuestion.BY_NORM, "norm of the row")));
        figures.add(Answer.Figure.of(
                "by-frequency",
                follows("the token’s frequency", WITH_FREQUENCY),
                "The same by how often the token occurs in the text trained on.",
                byDifficulty(FixedKQuestion.BY_FREQUENCY, "share of all tokens that are this one")
                        .logX()));
        String fvu = better(REAL, FVU, false).isEmpty()
                ? "No free number of latents reconstructs SmolLM2’s rows better, beyond the seeds’ spread"
                : Say.sentence(Say.list(better(REAL, FVU, false))) + " reconstruct SmolLM2’s rows better than TopK";
        figures.add(Answer.Figure.of(
                "fvu-by-loss",
                fvu,
                "Variance that is left in each tenth of the unseen tokens.",
                curves(
                        REAL,
                        FixedKQuestion.FVU_BY_LOSS,
                        "loss of the model on the next token (nats)",
                        "FVU",
                        trials.variants(REAL))));
        String ce = "CE recovered on hard tokens: "
                + Say.list(trials.variants(REAL).stream()
                        .map(v -> v + " " + Say.number(trials.mean(REAL, v, HARD_CE)))
                        .toList());
        figures.add(Answer.Figure.of(
                "ce",
                ce,
                "Share of the loss that the mean row would add and the reconstruction does not, by halves of the unseen tokens; to the right"
                        + " is better.",
                Rows.of("CE recovered")
                        .group("easy half", trials, REAL, EASY_CE)
                        .group("hard half", trials, REAL, HARD_CE)));
        return figures;
    }

    private Chart byDifficulty(String curve, String axis) {
        return curves(REAL, curve, axis, "active latents", FREE).across(k(), "TopK");
    }

    private String follows(String what, Quantity quantity) {
        return "Active latents follow " + what + " with a rank correlation of "
                + Say.list(FREE.stream()
                        .map(v -> Say.number(trials.mean(REAL, v, quantity)) + " (" + v + ")")
                        .toList());
    }

    private Chart curves(String part, String curve, String x, String y, List<String> variants) {
        Chart chart = Chart.of(x, y);
        for (String variant : variants) {
            chart.markedLine(variant, trials.points(part, variant, curve));
        }
        return chart;
    }

    private double last(String part, String variant, String curve) {
        List<Spread> spreads = trials.curve(part, variant, curve);
        return spreads.isEmpty() ? Double.NaN : spreads.getLast().mean();
    }

    /** Variants with a free number of latents that beat TopK by more than the seeds' spread, the best first. */
    private List<String> better(String part, Quantity quantity, boolean more) {
        return trials.better(FREE, part, TOPK, quantity, more);
    }

    private String against(String part, String variant, Quantity quantity) {
        return Say.number(trials.mean(part, variant, quantity)) + " against "
                + Say.number(trials.mean(part, TOPK, quantity)) + " ("
                + trials.contrast(part, variant, TOPK, quantity).text() + ")";
    }

    /** What both had on unseen rows, which is not quite what was asked for. */
    private String at(String part, String variant) {
        return " at an L0 of " + Say.number(trials.mean(part, variant, L0)) + " against "
                + Say.number(trials.mean(part, TOPK, L0));
    }

    private String onTruth() {
        String best = FREE.stream()
                .min(Comparator.comparingDouble(v -> trials.mean(UNEVEN, v, FVU)))
                .orElse(BATCH);
        String numbers = best + " has FVU " + against(UNEVEN, best, FVU) + at(UNEVEN, best)
                + " and its count follows the true one with a correlation of "
                + Say.number(trials.mean(UNEVEN, best, TRACKS));
        Contrast uneven = trials.contrast(UNEVEN, best, TOPK, FVU);
        String found = switch (trials.contrast(UNEVEN, best, TOPK, RECOVERED).direction()) {
            case LESS -> ", though it finds fewer of the features, ";
            case MORE -> ", and it finds more of the features, ";
            case UNCLEAR -> ", and it finds, as far as these seeds tell, as many of the features, ";
        };
        String even = found + against(UNEVEN, best, RECOVERED) + "; where counts are alike it has FVU "
                + against(EVEN, best, FVU) + ".";
        return switch (uneven.direction()) {
            case LESS ->
                "Where the number of true features varies from row to row a fixed k reconstructs worse: " + numbers
                        + even;
            case MORE ->
                "Even where the number of true features varies from row to row a fixed k reconstructs better: "
                        + numbers + even;
            case UNCLEAR ->
                "Where the number of true features varies from row to row we cannot tell at this size whether a fixed k reconstructs worse: "
                        + numbers + even;
        };
    }

    private String onTokens() {
        if (trials.spread(REAL, TOPK, FVU).count() < 2) {
            return "On the language model one seed cannot tell.";
        }
        String best = FREE.stream()
                .min(Comparator.comparingDouble(v -> trials.mean(REAL, v, FVU)))
                .orElse(BATCH);
        Spread loss = trials.spread(REAL, best, WITH_LOSS);
        String allots = Math.abs(loss.mean()) <= loss.error()
                ? "gives tokens that are hard for the model, as far as these seeds tell, neither more latents nor fewer"
                : loss.mean() > 0
                        ? "gives more latents to tokens that are hard for the model"
                        : "gives fewer latents to tokens that are hard for the model";
        String how = allots + " (rank correlation " + Say.number(loss.mean()) + " ± " + Say.number(loss.error()) + ")";
        String fvu = switch (trials.contrast(REAL, best, TOPK, FVU).direction()) {
            case LESS -> "reconstructs better";
            case MORE -> "reconstructs worse";
            case UNCLEAR -> "reconstructs, as far as these seeds tell, neither better nor worse";
        };
        String ce = switch (trials.contrast(REAL, best, TOPK, CE).direction()) {
            case MORE -> "recovers more of the cross-entropy";
            case LESS -> "recovers less of the cross-entropy";
            case UNCLEAR -> "recovers, as far as they tell, neither more nor less of the cross-entropy";
        };
        return "On the language model " + best + " " + how + ", " + fvu + " than TopK (FVU " + against(REAL, best, FVU)
                + at(REAL, best)
                + ") and " + ce + " (" + against(REAL, best, CE) + "; on hard tokens " + against(REAL, best, HARD_CE)
                + (trials.contrast(REAL, best, TOPK, HARD_CE).direction() == Contrast.Direction.UNCLEAR
                        ? ", which these seeds cannot tell)."
                        : ").");
    }
}
