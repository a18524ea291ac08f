package org.loupe.experiment.question;

import static org.loupe.experiment.question.DownstreamQuestion.APART;
import static org.loupe.experiment.question.DownstreamQuestion.CAUSAL;
import static org.loupe.experiment.question.DownstreamQuestion.CE;
import static org.loupe.experiment.question.DownstreamQuestion.CONTROL;
import static org.loupe.experiment.question.DownstreamQuestion.DIVERGENCE;
import static org.loupe.experiment.question.DownstreamQuestion.FVU;
import static org.loupe.experiment.question.DownstreamQuestion.INERT;
import static org.loupe.experiment.question.DownstreamQuestion.LOCAL;
import static org.loupe.experiment.question.DownstreamQuestion.LONGER;
import static org.loupe.experiment.question.DownstreamQuestion.MIXED;
import static org.loupe.experiment.question.DownstreamQuestion.NETWORK;
import static org.loupe.experiment.question.DownstreamQuestion.REAL;
import static org.loupe.experiment.question.Trainings.SECONDS;

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

/** What the trials of {@link DownstreamQuestion} say. */
final class DownstreamAnswer {
    private static final double FAR = 2;

    private final Trials trials;

    private DownstreamAnswer(Trials trials) {
        this.trials = trials;
    }

    static Answer of(Trials trials, Scale scale, List<Quantity> quantities) {
        DownstreamAnswer answer = new DownstreamAnswer(trials);
        return new Answer(
                setting(scale),
                answer.figures(),
                List.of(
                        Answer.Table.of("On the language model", trials, REAL, quantities),
                        Answer.Table.of("Known causes, at right angles to what is inert", trials, APART, quantities),
                        Answer.Table.of("Known causes, in the same space", trials, MIXED, quantities)),
                answer.onCauses() + " " + answer.onModel(),
                "More rows and steps (training that runs the model is a thousand times slower a token, so that what it could reach in a"
                        + " long run is not seen here), other layers and widths, a learning rate of their own for objectives that run the model or"
                        + " weigh each token (all share the local error’s; where all is in one space the downstream error itself rises in"
                        + " training), and a measure of quality other than the output’s"
                        + " divergence: whether such latents are easier to understand was not measured.");
    }

    private static String setting(Scale scale) {
        return "All SAEs are TopK with the same number of latents and active latents, trained on the same rows in the same order but for"
                + " the seed. Known causes: 128 features in superposition in 64 dimensions that all fire alike, of which a small network"
                + " reads 64; 64 latents, 3 active, so that not all features can be had. Language model: SmolLM2-135M,"
                + " blocks.11.hook_resid_post, "
                + scale.of(
                        "8,000 tokens of WordNet, 512 latents, 16 active, 4 passes",
                        "100,000 tokens of WordNet, 2,048 latents, 32 active, 10 passes")
                + "; objectives that run the model have "
                + scale.of("2 steps of 256", "24 steps of 512")
                + " rows, alone or after a local training, beside the same steps with the local error and beside local training for three"
                + " times the passes, which takes about as long.";
    }

    private List<Answer.Figure> figures() {
        List<Answer.Figure> figures = new ArrayList<>();
        String most = best(APART, CAUSAL, true);
        String found =
                "Most causal features are found with " + most + ", " + Say.percent(trials.mean(APART, most, CAUSAL))
                        + " where the local error finds " + Say.percent(trials.mean(APART, LOCAL, CAUSAL));
        figures.add(Answer.Figure.of(
                "causal-found",
                found,
                "Share of causal features with a latent of cosine 0.9 or more; rings are seeds, bars their mean.",
                Rows.of(CAUSAL.axis())
                        .group("apart: inert features have no effect", trials, APART, CAUSAL)
                        .group("mixed: all in one space", trials, MIXED, CAUSAL)
                        .fromZero()));
        String inert = "With the local error " + Say.percent(trials.mean(APART, LOCAL, INERT))
                + " of the inert features are found, with " + best(APART, CAUSAL, false) + " "
                + Say.percent(trials.mean(APART, best(APART, CAUSAL, false), INERT));
        figures.add(Answer.Figure.of(
                "inert-found",
                inert,
                "Share of inert features with a latent of cosine 0.9 or more: latents spent on what has no effect.",
                Rows.of(INERT.axis())
                        .group("apart: inert features have no effect", trials, APART, INERT)
                        .group("mixed: all in one space", trials, MIXED, INERT)
                        .fromZero()));
        List<String> lower = better(REAL, DIVERGENCE, false);
        String trade = lower.isEmpty()
                ? "On the language model nothing lowers the divergence beyond the seeds’ spread"
                : Say.sentence(Say.list(lower)) + (lower.size() == 1 ? " changes" : " change")
                        + " the model’s predictions less than the local error does";
        Chart chart = Chart.of(FVU.label(), DIVERGENCE.axis()).logX().logY();
        Chart cost = Chart.of(SECONDS.axis(), DIVERGENCE.axis()).logX().logY();
        Trials near = near();
        String far = far();
        for (String variant : near.variants(REAL)) {
            Spread kl = trials.spread(REAL, variant, DIVERGENCE);
            chart.marks(variant, List.of(Chart.Point.of(trials.mean(REAL, variant, FVU), kl)));
            cost.marks(variant, List.of(Chart.Point.of(trials.mean(REAL, variant, SECONDS), kl)));
        }
        figures.add(Answer.Figure.of(
                "kl-fvu",
                trade,
                "KL of the next token’s distribution on unseen text over the variance that is left; to the lower left is better. Bars span"
                        + " the seeds." + far,
                chart));
        String ce = better(REAL, CE, false).isEmpty()
                ? "The cross-entropy falls with none of them, beyond the seeds’ spread"
                : "The cross-entropy falls with " + Say.list(better(REAL, CE, false));
        figures.add(Answer.Figure.of(
                "ce",
                ce,
                "Increase of the next token’s cross-entropy when the reconstruction stands in for the rows." + far,
                Rows.of(near, REAL, CE)));
        String time = "The fastest takes " + Say.number(extreme(SECONDS, false)) + " s, the slowest "
                + Say.number(extreme(SECONDS, true)) + " s";
        figures.add(Answer.Figure.of("cost", time, "Divergence over the time of all training steps." + far, cost));
        return figures;
    }

    /** The trials but those on the model of variants whose divergence would squeeze all others into a corner of a chart. */
    private Trials near() {
        return new Trials(trials.all().stream()
                .filter(trial -> !trial.part().equals(REAL) || !isFar(trial.variant()))
                .toList());
    }

    private boolean isFar(String variant) {
        return trials.mean(REAL, variant, DIVERGENCE) > FAR * trials.mean(REAL, LOCAL, DIVERGENCE);
    }

    private String far() {
        List<String> named = trials.variants(REAL).stream()
                .filter(this::isFar)
                .map(v -> v + " (KL " + Say.number(trials.mean(REAL, v, DIVERGENCE)) + ")")
                .toList();
        return named.isEmpty() ? "" : " Beyond the chart: " + Say.list(named) + ", which have few steps.";
    }

    private double extreme(Quantity quantity, boolean largest) {
        var values = trials.variants(REAL).stream()
                .mapToDouble(v -> trials.mean(REAL, v, quantity))
                .filter(Double::isFinite);
        return (largest ? values.max() : values.min()).orElse(Double.NaN);
    }

    /** Variants that are better than the local error by more than the seeds' spread, best first. */
    private List<String> better(String part, Quantity quantity, boolean more) {
        return trials.better(others(part), part, LOCAL, quantity, more);
    }

    private String best(String part, Quantity quantity, boolean withLocal) {
        return trials.variants(part).stream()
                .filter(v -> !v.equals(NETWORK) && (withLocal || !v.equals(LOCAL)))
                .max(Comparator.comparingDouble(v -> trials.mean(part, v, quantity)))
                .orElse(LOCAL);
    }

    private List<String> others(String part) {
        return trials.variants(part).stream()
                .filter(v -> !v.equals(LOCAL) && !v.equals(NETWORK))
                .toList();
    }

    private String onCauses() {
        List<String> better = better(APART, CAUSAL, true);
        if (trials.spread(APART, LOCAL, CAUSAL).count() < 2) {
            String most = best(APART, CAUSAL, true);
            return "Where the causes are known, " + most + " finds most of them, "
                    + Say.percent(trials.mean(APART, most, CAUSAL))
                    + " where the local error finds " + Say.percent(trials.mean(APART, LOCAL, CAUSAL))
                    + ", in one seed, which cannot tell what another gives.";
        }
        if (better.isEmpty()) {
            return "Where the causes are known, no objective found more of them than the local error ("
                    + Say.percent(trials.mean(APART, LOCAL, CAUSAL)) + ") by more than the seeds’ spread.";
        }
        String first = better.getFirst();
        List<String> mixed = better(MIXED, CAUSAL, true);
        return "Where the causes are known, yes: " + first + " finds " + Say.percent(trials.mean(APART, first, CAUSAL))
                + " of the causal features and " + Say.percent(trials.mean(APART, first, INERT))
                + " of the inert ones, the local error " + Say.percent(trials.mean(APART, LOCAL, CAUSAL)) + " and "
                + Say.percent(trials.mean(APART, LOCAL, INERT)) + "; with both in one space "
                + (mixed.isEmpty()
                        ? "nothing beats the local error beyond the seeds’ spread."
                        : mixed.getFirst() + " finds " + Say.percent(trials.mean(MIXED, mixed.getFirst(), CAUSAL))
                                + " against " + Say.percent(trials.mean(MIXED, LOCAL, CAUSAL)) + ".");
    }

    private String onModel() {
        List<String> controls = List.of(CONTROL, LONGER);
        List<String> winners = better(REAL, DIVERGENCE, false).stream()
                .filter(v -> !controls.contains(v))
                .filter(v -> controls.stream()
                        .allMatch(c -> trials.contrast(REAL, v, c, DIVERGENCE).less()))
                .toList();
        if (trials.spread(REAL, LOCAL, FVU).count() < 2) {
            return "On the language model one seed cannot tell.";
        }
        if (winners.isEmpty()) {
            return "On the language model we cannot tell at this size: nothing lowers the divergence beyond what more local training"
                    + " gives.";
        }
        String winner = winners.getFirst();
        Contrast ce = trials.contrast(REAL, winner, LOCAL, CE);
        return "On the language model " + winner + " is what we recommend: KL "
                + Say.change(trials.mean(REAL, winner, DIVERGENCE), trials.mean(REAL, LOCAL, DIVERGENCE))
                + " against the local error ("
                + trials.contrast(REAL, winner, LOCAL, DIVERGENCE).text()
                + " nats a token) where the same further steps of local"
                + " training give "
                + Say.change(trials.mean(REAL, CONTROL, DIVERGENCE), trials.mean(REAL, LOCAL, DIVERGENCE))
                + " and three times the passes "
                + Say.change(trials.mean(REAL, LONGER, DIVERGENCE), trials.mean(REAL, LOCAL, DIVERGENCE)) + "; "
                + switch (ce.direction()) {
                    case LESS -> "the cross-entropy falls too (" + ce.text() + ").";
                    case MORE -> "but the cross-entropy rises (" + ce.text() + ").";
                    case UNCLEAR -> "the cross-entropy does not change beyond the seeds’ spread (" + ce.text() + ").";
                };
    }
}
