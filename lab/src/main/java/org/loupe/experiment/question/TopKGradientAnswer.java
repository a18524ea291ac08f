package org.loupe.experiment.question;

import static org.loupe.experiment.question.TopKGradientQuestion.CHANGED;
import static org.loupe.experiment.question.TopKGradientQuestion.DEAD;
import static org.loupe.experiment.question.TopKGradientQuestion.FVU;
import static org.loupe.experiment.question.TopKGradientQuestion.KEPT;
import static org.loupe.experiment.question.TopKGradientQuestion.RATIO;
import static org.loupe.experiment.question.TopKGradientQuestion.REAL;
import static org.loupe.experiment.question.TopKGradientQuestion.RECOVERED;
import static org.loupe.experiment.question.TopKGradientQuestion.TIES;
import static org.loupe.experiment.question.TopKGradientQuestion.TOPK;
import static org.loupe.experiment.question.TopKGradientQuestion.TRAINED;
import static org.loupe.experiment.question.TopKGradientQuestion.TRAINED_REAL;
import static org.loupe.experiment.question.TopKGradientQuestion.WORLD;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Rows;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Spread;
import org.loupe.experiment.Trials;

/** What the trials of {@link TopKGradientQuestion} say. */
final class TopKGradientAnswer {
    private final Trials trials;

    private TopKGradientAnswer(Trials trials) {
        this.trials = trials;
    }

    static Answer of(Trials trials, Scale scale, List<Quantity> quantities) {
        TopKGradientAnswer answer = new TopKGradientAnswer(trials);
        return new Answer(
                setting(scale),
                answer.figures(),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities),
                        Answer.Table.of("Known features", trials, WORLD, quantities),
                        Answer.Table.of("The gradient beside difference quotients", trials, TIES, quantities)),
                answer.onGradient() + " " + answer.onTraining(),
                "Learning rates chosen for each variant, as all have TopK’s here; longer runs, in which a method that learns slowly may catch"
                        + " up; a softmax over all latents in place of the 4 k largest; and another gradient for what ties leave out, such as"
                        + " one that weighs each near-tie by the density of ties, as JumpReLU’s does.");
    }

    private static String setting(Scale scale) {
        return "TopK passes gradients to its winners as if they were given. That gradient is compared with difference quotients of the mean"
                + " error, all encoder weights moving by h against its sign as in Adam’s first step. Then SAEs are trained alike but for the"
                + " choice of winners: hard; hard with the gradient of a softmax relaxation; the relaxation itself (p z with Σ p = k, no"
                + " noise); and both with Gumbel noise, whose temperature falls from 0.5 to 0.02 deviations of the pre-activations (cool: from"
                + " 0.1; never cooled: 0.5). All encode with plain TopK in the end, k = "
                + scale.of("5 and 16", "5 and 32")
                + ". Known features: 256 in 64 dimensions, probabilities falling as 1/rank, 512 latents, "
                + scale.of("200", "1,500")
                + " steps of 1,024. Language model: SmolLM2-135M, blocks.11.hook_resid_post, "
                + scale.of(
                        "8,000 tokens of WordNet, 512 latents, 4 passes",
                        "200,000 tokens of WordNet, 2,048 latents, 3 passes")
                + ".";
    }

    private List<Answer.Figure> figures() {
        List<Answer.Figure> figures = new ArrayList<>();
        String changed = "A step of the peak rate in every encoder weight gives "
                + Say.percent(trials.mean(TIES, TRAINED, CHANGED))
                + " of the rows other winners once the known features are learnt, "
                + Say.percent(trials.mean(TIES, TRAINED_REAL, CHANGED)) + " on SmolLM2";
        figures.add(Answer.Figure.of(
                "ties",
                changed,
                "Share of rows whose winners change when every encoder weight moves by so much against the gradient’s sign. The share falls"
                        + " with the step: no single row is at a tie, but some row always is near one. Bars span the seeds.",
                curves("rows with other winners", TopKGradientQuestion.CHANGED_CURVE)
                        .logX()
                        .logY()));
        double trained = trials.mean(TIES, TRAINED, RATIO);
        String slope = "With winners changing, the mean error falls " + Say.number(trained)
                + " times as steeply as the gradient says on known features, "
                + Say.number(trials.mean(TIES, TRAINED_REAL, RATIO))
                + " times on SmolLM2";
        figures.add(Answer.Figure.of(
                "slope",
                slope,
                "Difference quotient of the mean error over all rows, divided by what the gradient promises: 1 is a gradient that is right."
                        + " At small steps few rows change and the quotient is noisy; at large ones the error’s curvature shows.",
                curves("true slope / gradient", TopKGradientQuestion.RATIO_CURVE)
                        .across(1, "the gradient is right")
                        .logX()));
        figures.add(rows(
                "recovered",
                better(WORLD, RECOVERED, true),
                "finds",
                "find",
                "more of the known features than TopK",
                "Share of true features with a matched latent of cosine above 0.9; rings are seeds, bars their mean.",
                Rows.of(trials, WORLD, RECOVERED)));
        figures.add(rows(
                "fvu",
                better(REAL, FVU, false),
                "reconstructs",
                "reconstruct",
                "SmolLM2’s rows better than TopK",
                "Variance that is left at equal L0, all encoding with plain TopK; to the left is better.",
                Rows.of(FVU.axis())
                        .group("known features", trials, WORLD, FVU)
                        .group("SmolLM2, unseen text", trials, REAL, FVU)));
        figures.add(rows(
                "dead",
                better(REAL, DEAD, false),
                "has",
                "have",
                "fewer dead latents than TopK on SmolLM2",
                "Share of latents that fire on none of the rows evaluated.",
                Rows.of(DEAD.axis())
                        .group("known features", trials, WORLD, DEAD)
                        .group("SmolLM2", trials, REAL, DEAD)
                        .fromZero()));
        String time = "Softened winners cost " + Say.number(slowest() / trials.mean(REAL, TOPK, Trainings.SECONDS))
                + " times TopK’s time at most";
        figures.add(Answer.Figure.of(
                "time",
                time,
                "Time of the same number of training steps on SmolLM2.",
                Rows.of(trials, REAL, Trainings.SECONDS).fromZero()));
        return figures;
    }

    private Answer.Figure rows(
            String name, List<String> better, String one, String several, String than, String detail, Rows plot) {
        String message = better.isEmpty()
                ? "No softened choice " + one + " " + than + ", beyond the seeds’ spread"
                : Say.sentence(Say.list(better)) + " " + (better.size() == 1 ? one : several) + " " + than;
        return Answer.Figure.of(name, message, detail, plot);
    }

    private Chart curves(String label, String curve) {
        Chart chart = Chart.of("step of every encoder weight", label);
        for (String variant : trials.variants(TIES)) {
            chart.markedLine(variant, trials.points(TIES, variant, curve));
        }
        return chart;
    }

    private double slowest() {
        return trials.variants(REAL).stream()
                .mapToDouble(v -> trials.mean(REAL, v, Trainings.SECONDS))
                .max()
                .orElse(Double.NaN);
    }

    /** Variants that beat TopK by more than the seeds' spread, the best first. */
    private List<String> better(String part, Quantity quantity, boolean more) {
        List<String> softened =
                trials.variants(part).stream().filter(v -> !v.equals(TOPK)).toList();
        return trials.better(softened, part, TOPK, quantity, more);
    }

    private String onGradient() {
        Spread ratio = trials.spread(TIES, TRAINED_REAL, RATIO);
        String exact = "Where winners stay the gradient is exact (difference quotients are "
                + Say.number(trials.mean(TIES, TRAINED_REAL, KEPT)) + " times it)";
        String change = "a step of the peak rate in every weight changes the winners of "
                + Say.percent(trials.mean(TIES, TRAINED_REAL, CHANGED))
                + " of SmolLM2’s rows, and with those that change the mean error falls " + Say.number(ratio.mean())
                + " times";
        if (Double.isNaN(ratio.error())) {
            return exact + "; " + change
                    + " as steeply as the gradient says, though one seed cannot tell whether that is other than 1.";
        }
        String interval = " (± " + Say.number(ratio.error()) + ") as steeply as the gradient says";
        if (Math.abs(ratio.mean() - 1) <= ratio.error()) {
            return exact + "; " + change + interval + ": nothing that these seeds can tell is missing.";
        }
        return exact + ", but " + change + interval
                + (ratio.mean() > 1
                        ? ": what it leaves out points the same way."
                        : ratio.mean() > 0
                                ? ": what it leaves out works against it."
                                : ": what it leaves out outweighs it, so that a small step raises the error.");
    }

    private String onTraining() {
        if (trials.spread(REAL, TOPK, FVU).count() < 2) {
            return "Whether softening the choice helps one seed cannot tell; the lowest FVU on SmolLM2 is that of "
                    + trials.variants(REAL).stream()
                            .min(Comparator.comparingDouble(v -> trials.mean(REAL, v, FVU)))
                            .orElse(TOPK)
                    + ".";
        }
        List<String> better = better(REAL, FVU, false);
        List<String> found = better(WORLD, RECOVERED, true);
        if (!better.isEmpty()) {
            String best = better.getFirst();
            return "Softening the choice helps: " + best + " has FVU " + Say.number(trials.mean(REAL, best, FVU))
                    + " against "
                    + Say.number(trials.mean(REAL, TOPK, FVU)) + " on SmolLM2 ("
                    + trials.contrast(REAL, best, TOPK, FVU).text() + "), and "
                    + (found.isEmpty()
                            ? "none finds more of the known features beyond the seeds’ spread."
                            : found.getFirst() + " finds "
                                    + Say.percent(trials.mean(WORLD, found.getFirst(), RECOVERED))
                                    + " of the known features against "
                                    + Say.percent(trials.mean(WORLD, TOPK, RECOVERED))
                                    + ".");
        }
        boolean allWorse = trials.variants(REAL).stream()
                .filter(v -> !v.equals(TOPK))
                .allMatch(v -> trials.contrast(REAL, v, TOPK, FVU).more());
        String next = trials.variants(REAL).stream()
                .filter(v -> !v.equals(TOPK))
                .min(Comparator.comparingDouble(v -> trials.mean(REAL, v, FVU)))
                .orElse(TOPK);
        String on = next + " comes nearest with an FVU of " + Say.number(trials.mean(REAL, next, FVU)) + " against "
                + Say.number(trials.mean(REAL, TOPK, FVU)) + " ("
                + trials.contrast(REAL, next, TOPK, FVU).text() + ")";
        String features = found.isEmpty()
                ? ""
                : ", though " + found.getFirst() + " finds "
                        + Say.percent(trials.mean(WORLD, found.getFirst(), RECOVERED))
                        + " of the known features against " + Say.percent(trials.mean(WORLD, TOPK, RECOVERED));
        return (allWorse
                        ? "Softening the choice does not help on SmolLM2: every variant reconstructs worse, "
                        : "Whether softening the choice helps on SmolLM2 cannot be told at this size: ")
                + on + features + ".";
    }
}
