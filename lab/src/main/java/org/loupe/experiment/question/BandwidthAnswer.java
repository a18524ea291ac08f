package org.loupe.experiment.question;

import static org.loupe.experiment.question.BandwidthQuestion.ABSOLUTE;
import static org.loupe.experiment.question.BandwidthQuestion.BEST;
import static org.loupe.experiment.question.BandwidthQuestion.BEST_WIDTH;
import static org.loupe.experiment.question.BandwidthQuestion.DEAD;
import static org.loupe.experiment.question.BandwidthQuestion.DENSITY;
import static org.loupe.experiment.question.BandwidthQuestion.EPSILON;
import static org.loupe.experiment.question.BandwidthQuestion.FVU;
import static org.loupe.experiment.question.BandwidthQuestion.LEAST;
import static org.loupe.experiment.question.BandwidthQuestion.LOG;
import static org.loupe.experiment.question.BandwidthQuestion.MISSED;
import static org.loupe.experiment.question.BandwidthQuestion.OFFSET;
import static org.loupe.experiment.question.BandwidthQuestion.REAL;
import static org.loupe.experiment.question.BandwidthQuestion.SLOW_LOG;
import static org.loupe.experiment.question.BandwidthQuestion.WORLD;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Chart;
import org.loupe.experiment.Contrast;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Rows;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Spread;
import org.loupe.experiment.Trials;
import org.loupe.train.StepKernel;

/** What the trials of {@link BandwidthQuestion} say. */
final class BandwidthAnswer {
    private static final List<String> PARTS = List.of(WORLD, OFFSET, REAL);
    private static final List<String> LEARNT = List.of(WORLD, REAL);
    private static final String PLAIN = BandwidthQuestion.variant(StepKernel.RECTANGLE, 1);

    private final Trials trials;
    private final Bandwidths swept;

    private BandwidthAnswer(Trials trials) {
        this.trials = trials;
        this.swept = new Bandwidths(trials);
    }

    static Answer of(Trials trials, Scale scale, List<Quantity> quantities) {
        BandwidthAnswer answer = new BandwidthAnswer(trials);
        List<Answer.Table> tables = new ArrayList<>();
        List.of(REAL, WORLD, OFFSET, DENSITY)
                .forEach(part -> tables.add(Answer.Table.of(part, trials, part, quantities)));
        return new Answer(
                setting(scale),
                answer.figures(),
                tables,
                answer.onBandwidth() + " " + answer.onScale(),
                "A smaller or larger batch (the best bandwidth of a density estimate falls with the fifth root of the rows), a threshold learning"
                        + " rate tuned to each bandwidth, longer training, and a penalty of fixed weight instead of one that is steered to"
                        + " the L0 asked for, which makes up for much of what a bad bandwidth does.");
    }

    private static String setting(Scale scale) {
        return "JumpReLU learns θ from kernel K((z − θ)/ε)/ε in the place of a delta function: an estimate of the density of pre-activations"
                + " at θ. First that estimate alone, from 1,024 rows of a standard normal variable at a θ that 1 row in 64 passes, by"
                + " quadrature. Then trainings to a given L0 that differ in kernel and ε only; ε is in deviations σ of a pre-activation,"
                + " and kernels other than the rectangle have the ε that gives them its deviation. Known features: 256 in 64"
                + " dimensions, once around the origin and once 9 deviations from it, 256 latents, L0 5, "
                + scale.of("250", "1,000")
                + " steps of 1,024. Language model: SmolLM2-135M, blocks.11.hook_resid_post, "
                + scale.of(
                        "8,000 tokens of WordNet, 512 latents, L0 16, 8 passes",
                        "200,000 tokens of WordNet, 2,048 latents, L0 32, 3 passes")
                + ".";
    }

    private List<Answer.Figure> figures() {
        List<Answer.Figure> figures = new ArrayList<>();
        double[] least = trials.variants(DENSITY).stream()
                .mapToDouble(v -> trials.mean(DENSITY, v, LEAST))
                .toArray();
        String kernels = "At its best bandwidth every kernel errs by "
                + Say.percent(Arrays.stream(least).min().orElse(Double.NaN)) + " to "
                + Say.percent(Arrays.stream(least).max().orElse(Double.NaN)) + " of the density";
        Chart estimate = Chart.of("deviation of the kernel, √∫u²K · ε / σ", "error / density")
                .logX()
                .logY();
        trials.variants(DENSITY)
                .forEach(v -> estimate.line(v, trials.points(DENSITY, v, BandwidthQuestion.ERROR_BY_WIDTH)));
        figures.add(Answer.Figure.of(
                "kernels",
                kernels,
                "Root mean squared error of the estimated density at θ from 1,024 rows. To the left it is noise, to the right bias: which"
                        + " kernel matters little once ε gives it the same deviation.",
                estimate));
        String balance = "The rectangle’s noise and bias balance at ε = "
                + Say.number(trials.mean(DENSITY, Bandwidths.RECTANGLE, BEST)) + " σ";
        figures.add(Answer.Figure.of(
                "balance",
                balance,
                "Bias grows with ε², noise falls with √ε; 1,024 rows, of which 1 in 64 passes θ.",
                Chart.of("ε / σ", "share of the density")
                        .logX()
                        .logY()
                        .line("bias", trials.points(DENSITY, Bandwidths.RECTANGLE, BandwidthQuestion.BIAS_BY_EPSILON))
                        .line(
                                "noise",
                                trials.points(DENSITY, Bandwidths.RECTANGLE, BandwidthQuestion.NOISE_BY_EPSILON))));
        String fvu = "Of the bandwidths within 10 % of the L0 asked for the lowest FVU is at "
                + Say.list(PARTS.stream()
                        .map(part -> swept.best(part)
                                .map(b -> "ε = " + Say.number(trials.mean(part, b, EPSILON)) + " σ (" + part + ")")
                                .orElse("none (" + part + ")"))
                        .toList());
        figures.add(Answer.Figure.of(
                "fvu",
                fvu,
                "FVU over the bandwidth of the rectangle. Where the L0 was missed (next figure) it is not comparable. Bars span the seeds.",
                sweep(FVU, PARTS).logY()));
        double furthest = PARTS.stream()
                .flatMap(part -> swept.rectangles(part).stream().map(v -> trials.mean(part, v, MISSED)))
                .max(Comparator.comparingDouble(Math::abs))
                .orElse(Double.NaN);
        String missed = "The L0 asked for is missed by " + Say.percent(Math.abs(furthest))
                + " at the worst of these bandwidths";
        figures.add(Answer.Figure.of(
                "l0",
                missed,
                "L0 on unseen rows over the one asked for, less 1. A controller steers the penalty towards it.",
                sweep(MISSED, PARTS).across(0, "as asked for")));
        List<String> worlds = trials.variants(WORLD).stream()
                .map(Bandwidths::kernel)
                .distinct()
                .toList();
        Chart byKernel = Chart.of("ε / σ of a rectangle of the same deviation", FVU.axis())
                .logX()
                .logY();
        for (String kernel : worlds) {
            byKernel.markedLine(kernel, ofKernel(WORLD, kernel));
        }
        String same = "Known features: the lowest FVU of the kernels is "
                + Say.list(worlds.stream()
                        .map(k -> Say.number(lowest(WORLD, k)) + " (" + k + ")")
                        .toList());
        figures.add(Answer.Figure.of(
                "fvu-kernels",
                same,
                "FVU over the bandwidth, each kernel at the ε that gives it the rectangle’s deviation.",
                byKernel));
        figures.add(Answer.Figure.of(
                "dead",
                "Dead latents on SmolLM2: "
                        + Say.list(swept.rectangles(REAL).stream()
                                .map(v -> Say.percent(trials.mean(REAL, v, DEAD)) + " at " + at(v))
                                .toList()),
                "Share of latents that fire on none of the rows evaluated.",
                sweep(DEAD, PARTS).fromZero()));
        Chart around = Chart.of("(z − θ) / σ", "share of rows per σ").logY();
        Chart frequencies = Chart.of("share of rows on which a latent fires", "share of latents")
                .logX()
                .fromZero();
        for (String variant : swept.rectangles(REAL)) {
            String name = at(variant);
            around.line(name, trials.points(REAL, variant, BandwidthQuestion.AROUND));
            frequencies.line(name, trials.points(REAL, variant, BandwidthQuestion.FREQUENCIES));
        }
        figures.add(Answer.Figure.of(
                "around",
                "At θ itself the density on SmolLM2 is "
                        + Say.list(swept.rectangles(REAL).stream()
                                .map(v -> Say.number(atThreshold(v)) + " at " + at(v))
                                .toList()),
                "Pre-activations of living latents around their thresholds. Rows within ε/2 of 0 are all that θ learns from.",
                around.upright(0, "θ")));
        figures.add(Answer.Figure.of(
                "frequencies",
                "Dense latents, of more than a tenth of the rows: "
                        + Say.list(swept.rectangles(REAL).stream()
                                .map(v -> Say.percent(trials.mean(REAL, v, BandwidthQuestion.DENSE)) + " at " + at(v))
                                .toList()),
                "How often latents fire on SmolLM2’s rows, in quarters of a decade; dead ones are left out.",
                frequencies));
        String log = "Learning log θ in place of θ changes the FVU by "
                + Say.list(LEARNT.stream()
                        .map(part -> logarithm(part, betterLogarithm(part)).text() + " (" + part + ")")
                        .toList())
                + " at the better of two rates";
        Rows raw = Rows.of(FVU.axis());
        LEARNT.forEach(part -> raw.group(part, onlyLogarithms(part), part, FVU));
        figures.add(Answer.Figure.of("log-threshold", log, "FVU with the rectangle at ε = 1 σ; rings are seeds.", raw));
        return figures;
    }

    private Trials onlyLogarithms(String part) {
        List<String> compared = List.of(PLAIN, LOG, SLOW_LOG);
        return new Trials(trials.all().stream()
                .filter(t -> t.part().equals(part) && compared.contains(t.variant()))
                .toList());
    }

    /** The rate of log θ with the lower FVU, of those that reach the L0 where any does. */
    private String betterLogarithm(String part) {
        List<String> both = List.of(LOG, SLOW_LOG);
        List<String> reach = both.stream().filter(v -> swept.reaches(part, v)).toList();
        return (reach.isEmpty() ? both : reach)
                .stream()
                        .min(Comparator.comparingDouble(v -> trials.mean(part, v, FVU)))
                        .orElseThrow();
    }

    private Contrast logarithm(String part, String variant) {
        return trials.contrast(part, variant, PLAIN, FVU);
    }

    private double atThreshold(String variant) {
        List<Spread> around = trials.curve(REAL, variant, BandwidthQuestion.AROUND);
        return around.isEmpty()
                ? Double.NaN
                : (around.get(around.size() / 2 - 1).mean()
                                + around.get(around.size() / 2).mean())
                        / 2;
    }

    /** A quantity of the rectangle over ε, a line a part. */
    private Chart sweep(Quantity quantity, List<String> parts) {
        Chart chart = Chart.of(EPSILON.axis(), quantity.axis()).logX();
        for (String part : parts) {
            chart.markedLine(
                    part,
                    swept.rectangles(part).stream()
                            .map(v -> Chart.Point.of(trials.mean(part, v, EPSILON), trials.spread(part, v, quantity)))
                            .toList());
        }
        return chart;
    }

    private List<Chart.Point> ofKernel(String part, String kernel) {
        double scale = StepEstimate.deviation(StepKernel.valueOf(kernel.toUpperCase(Locale.ROOT)))
                / StepEstimate.deviation(StepKernel.RECTANGLE);
        return swept.variants(part, kernel).stream()
                .map(v -> Chart.Point.of(scale * trials.mean(part, v, EPSILON), trials.spread(part, v, FVU)))
                .toList();
    }

    private double lowest(String part, String kernel) {
        return swept.variants(part, kernel).stream()
                .mapToDouble(v -> trials.mean(part, v, FVU))
                .min()
                .orElse(Double.NaN);
    }

    private String onBandwidth() {
        Optional<String> found = swept.best(REAL);
        String estimate = "Alone the estimator is best at ε = "
                + Say.number(trials.mean(DENSITY, Bandwidths.RECTANGLE, BEST)) + " σ (a kernel’s deviation of "
                + Say.number(trials.mean(DENSITY, Bandwidths.RECTANGLE, BEST_WIDTH)) + " σ); ";
        if (found.isEmpty()) {
            return estimate
                    + "on SmolLM2 we cannot tell at this size, for no bandwidth came within 10 % of the L0 asked for.";
        }
        String best = found.get();
        String is = Say.number(trials.mean(REAL, best, EPSILON)) + " σ has the lowest FVU on SmolLM2, "
                + Say.number(trials.mean(REAL, best, FVU));
        if (trials.spread(REAL, best, FVU).count() < 2) {
            return estimate + "ε = " + is + ", which one seed cannot tell from its neighbours.";
        }
        List<String> good = swept.asGood(REAL, best);
        List<String> worse = new ArrayList<>();
        List<String> off = new ArrayList<>();
        for (String v : swept.rectangles(REAL)) {
            if (!swept.reaches(REAL, v)) {
                off.add(at(v) + " misses the L0 by " + Say.percent(Math.abs(trials.mean(REAL, v, MISSED))));
            } else if (!good.contains(v)) {
                worse.add(at(v) + " is worse by "
                        + trials.contrast(REAL, v, best, FVU).text());
            }
        }
        String others = worse.isEmpty()
                ? ", and none that reaches the L0 is worse beyond the seeds’ spread"
                : ", and " + Say.list(worse);
        return estimate + "in training ε = " + is + others + (off.isEmpty() ? "." : "; " + Say.list(off) + ".");
    }

    /** A bandwidth on the language model. */
    private String at(String variant) {
        return "ε = " + Say.number(trials.mean(REAL, variant, EPSILON)) + " σ";
    }

    private String onScale() {
        List<String> parts =
                PARTS.stream().filter(part -> swept.best(part).isPresent()).toList();
        if (parts.size() < 2
                || trials.spread(parts.getFirst(), swept.best(parts.getFirst()).orElseThrow(), FVU)
                                .count()
                        < 2) {
            return "How ε should scale with the inputs and whether log θ is better cannot be told at this size.";
        }
        List<Span> relative =
                parts.stream().map(part -> swept.asGood(part, EPSILON)).toList();
        List<Span> absolute =
                parts.stream().map(part -> swept.asGood(part, ABSOLUTE)).toList();
        String rule = scale(parts.size(), Span.common(relative), Span.common(absolute)) + " (as good as the best: "
                + Say.list(named(parts, relative)) + " in the one, "
                + Say.list(absolute.stream().map(Span::toString).toList()) + " in the other)";
        return rule + failures() + "; learning log θ " + onLogarithm();
    }

    /** Where some seed's training has failed. */
    private String failures() {
        List<String> where = new ArrayList<>();
        for (String part : PARTS) {
            List<String> failed = swept.rectangles(part).stream()
                    .filter(v -> swept.fails(part, v))
                    .map(v -> Say.number(trials.mean(part, v, EPSILON)))
                    .toList();
            if (!failed.isEmpty()) {
                where.add("ε = " + Say.list(failed) + " σ (" + part + ")");
            }
        }
        return where.isEmpty()
                ? ""
                : "; with some seed more than " + Say.percent(Bandwidths.FAILED) + " of the latents die at "
                        + Say.list(where);
    }

    private String onLogarithm() {
        String log = betterLogarithm(REAL);
        if (!swept.reaches(REAL, log)) {
            return "misses the L0 on SmolLM2 by " + Say.percent(Math.abs(trials.mean(REAL, log, MISSED))) + ".";
        }
        Contrast change = logarithm(REAL, log);
        String does = switch (change.direction()) {
            case LESS -> "lowers the FVU on SmolLM2";
            case MORE -> "raises the FVU on SmolLM2";
            case UNCLEAR -> "does not change the FVU on SmolLM2 beyond the seeds’ spread";
        };
        return "at the better of two rates " + does + " (" + change.text() + ").";
    }

    /** @param sets how many data sets there are */
    private static String scale(int sets, Optional<Span> sigma, Optional<Span> norm) {
        String served = " serves all " + sets + " data sets";
        String untold = "so that these do not tell how it should scale with the inputs";
        if (sigma.isPresent()) {
            String first = "ε = " + sigma.get() + " σ" + served;
            return norm.isPresent()
                    ? first + ", and so does ε = " + norm.get() + " where E‖x‖² = d, " + untold
                    : first
                            + ", and none of those tried does where E‖x‖² = d, which speaks for scaling it with the deviation of"
                            + " pre-activations, not with the norm of the inputs";
        }
        String first = "None of the ε tried, in units of σ," + served;
        return norm.isPresent()
                ? first + ", and ε = " + norm.get()
                        + " does where E‖x‖² = d, which speaks for scaling it with the norm of"
                        + " the inputs, not with the deviation of pre-activations"
                : first + ", nor one where E‖x‖² = d, " + untold;
    }

    private static List<String> named(List<String> parts, List<Span> spans) {
        return IntStream.range(0, parts.size())
                .mapToObj(i -> spans.get(i) + " (" + parts.get(i) + ")")
                .toList();
    }
}
