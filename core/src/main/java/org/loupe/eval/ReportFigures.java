package org.loupe.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The plots of a report, each under a sentence that says what it shows. */
final class ReportFigures {
    /** Dots of a plot at most. */
    private static final int MOST_DOTS = 2000;

    private final EvalReport report;

    ReportFigures(EvalReport report) {
        this.report = report;
    }

    /** A plot, what it says, and what it is drawn from. */
    record Figure(String message, String detail, String svg) {}

    private Scores baseline(String name) {
        return report.baselines().getOrDefault(name, Scores.NONE);
    }

    /** The annotation that the check asks for would be a dependency of its own. */
    @SuppressWarnings("AnnotateFormatMethod")
    private static String say(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    /** FVU beside the baselines, and the ladder of cross-entropies where there is a model. */
    List<Figure> comparisons() {
        List<Figure> figures = new ArrayList<>();
        figures.add(variance());
        if (report.scores().has(Metric.CE_CLEAN)) {
            figures.add(ladder());
        }
        return figures;
    }

    private Figure variance() {
        int k = report.sae().coefficients();
        List<Plots.Bar> bars = new ArrayList<>();
        bar(bars, "SAE", report.scores(), "sae");
        bar(bars, "SAE, held-out", report.heldOut(), "held");
        bar(bars, "PCA, " + k, baseline(Baselines.PCA), "pca");
        bar(bars, "random", baseline(Baselines.RANDOM), "random");
        bar(bars, "linear", baseline(Baselines.LINEAR), "random");
        bar(bars, "mean", baseline(Baselines.MEAN), "mean");
        String message = say("The SAE leaves %.0f %% of the variance", 100 * report.value(Metric.FVU));
        if (baseline(Baselines.PCA).has(Metric.FVU)) {
            message += say(
                    "; %d principal components leave %.0f %%",
                    k, 100 * baseline(Baselines.PCA).value(Metric.FVU));
        }
        String detail = report.scores().has(Metric.PCA_COMPONENTS)
                ? say(
                        "FVU, lower is better. PCA needs %.0f components to leave as little.",
                        report.value(Metric.PCA_COMPONENTS))
                : "FVU, lower is better.";
        return new Figure(message, detail, Plots.bars(bars, "fraction of variance unexplained (FVU)"));
    }

    private static void bar(List<Plots.Bar> bars, String label, Scores scores, String style) {
        if (scores.has(Metric.FVU)) {
            double fvu = scores.value(Metric.FVU);
            bars.add(new Plots.Bar(label, fvu, say("%.3f", fvu), style));
        }
    }

    private Figure ladder() {
        List<Plots.Bar> steps = new ArrayList<>();
        double clean = report.value(Metric.CE_CLEAN);
        steps.add(new Plots.Bar("clean", clean, say("%.3f", clean), "clean"));
        step(steps, "SAE", report.value(Metric.CE_SPLICED), "sae");
        step(
                steps,
                "PCA, " + report.sae().coefficients(),
                baseline(Baselines.PCA).value(Metric.CE_SPLICED),
                "pca");
        step(steps, "random", baseline(Baselines.RANDOM).value(Metric.CE_SPLICED), "random");
        step(steps, "linear", baseline(Baselines.LINEAR).value(Metric.CE_SPLICED), "random");
        step(steps, "mean", report.value(Metric.CE_MEAN), "mean");
        step(steps, "zero", report.value(Metric.CE_ZERO), "zero");
        return new Figure(
                say(
                        "Splicing the SAE in costs %.2f nats a token; the mean in its place costs %.2f",
                        report.value(Metric.CE_INCREASE), report.value(Metric.CE_MEAN) - clean),
                "Next-token cross-entropy when the activations are replaced, on held-out text.",
                Plots.ladder(steps, "cross-entropy, nats per token"));
    }

    private static void step(List<Plots.Bar> steps, String label, double value, String style) {
        if (!Double.isNaN(value)) {
            steps.add(new Plots.Bar(label, value, say("%.3f", value), style));
        }
    }

    /** How often latents fire and how strongly. */
    List<Figure> usage() {
        List<Figure> figures = new ArrayList<>();
        Histogram density = report.histograms().density();
        if (density.total() > 0) {
            double median = density.quantile(0.5);
            long dead =
                    Math.round(report.value(Metric.DEAD_FRACTION) * report.sae().latents());
            figures.add(new Figure(
                    say("The median latent fires on one row in %,.0f", 1 / median)
                            + (dead == 0 ? "; none is silent" : say("; %,d never fire", dead)),
                    say("%,d living latents by the share of rows on which they fire.", density.total()),
                    Plots.histogram(
                            density,
                            "firing frequency, share of rows",
                            "latents",
                            List.of(new Plots.Mark(median, "median")),
                            "sae")));
        }
        Histogram sizes = report.histograms().activations();
        if (sizes.total() > 0) {
            double median = sizes.quantile(0.5);
            double top = sizes.quantile(0.99);
            figures.add(new Figure(
                    say("One activation in a hundred is %.0f times the median or more", top / median),
                    say("%,d activations by size, of all latents together.", sizes.total()),
                    Plots.histogram(
                            sizes,
                            "activation, units of the activations",
                            "activations",
                            List.of(new Plots.Mark(median, "median"), new Plots.Mark(top, "99 %")),
                            "sae")));
        }
        return figures;
    }

    /** Why latents are dead, where some are. */
    List<Figure> deaths() {
        double away = report.value(Metric.DEAD_TURNED_AWAY);
        double high = report.value(Metric.DEAD_THRESHOLD_TOO_HIGH);
        double beaten = report.value(Metric.DEAD_NEVER_WON);
        double all = away + high + beaten;
        if (!(all > 0)) {
            return List.of();
        }
        String most = away >= Math.max(high, beaten)
                ? say("%,.0f of %,.0f point away from the data’s mean", away, all)
                : high >= beaten
                        ? say("%,.0f of %,.0f come near their threshold and stay below it", high, all)
                        : say("%,.0f of %,.0f are above 0 and never among the k largest", beaten, all);
        double gamma = report.value(Metric.MEAN_TO_SPREAD);
        return List.of(new Figure(
                "Dead latents: " + most,
                (Double.isNaN(gamma)
                                ? ""
                                : say("The inputs’ mean is %.2f times as long as they spread around it. ", gamma))
                        + "Turned away: the pre-activation’s mean is more than 4 standard deviations below the threshold.",
                Plots.bars(
                        List.of(
                                new Plots.Bar("turned away", away, say("%,.0f", away), "random"),
                                new Plots.Bar("threshold", high, say("%,.0f", high), "pca"),
                                new Plots.Bar("never won", beaten, say("%,.0f", beaten), "sae")),
                        "dead latents")));
    }

    /** How well each true feature that fires was found, over how often it fires. */
    List<Figure> truth(List<TrueFeature> features) {
        List<TrueFeature> firing =
                features.stream().filter(t -> t.fired() > 0 && t.latent() >= 0).toList();
        if (firing.isEmpty()) {
            return List.of();
        }
        int step = (firing.size() + MOST_DOTS - 1) / MOST_DOTS;
        List<double[]> cosines = new ArrayList<>();
        List<double[]> f1 = new ArrayList<>();
        for (int i = 0; i < firing.size(); i += step) {
            TrueFeature t = firing.get(i);
            double frequency = (double) t.fired() / report.window().rows();
            cosines.add(new double[] {frequency, Math.abs(t.cosine())});
            f1.add(new double[] {frequency, t.f1()});
        }
        String detail = say(
                "%,d true features that fire%s, each with the latent matched to it.",
                firing.size(), step == 1 ? "" : say(", one in %d drawn", step));
        String frequency = "firing frequency, share of rows";
        return List.of(
                new Figure(
                        say(
                                "%.0f %% of the %,d true features have a latent of their direction",
                                100 * report.value(Metric.RECOVERED_FRACTION), features.size()),
                        detail + " 0.9 counts as recovered.",
                        Plots.scatter(cosines, frequency, "|cosine| with its latent", "sae")),
                new Figure(
                        say(
                                "Latents fire on %.0f %% of their feature’s rows and are right in %.0f %% of the cases",
                                100 * report.value(Metric.TRUTH_RECALL), 100 * report.value(Metric.TRUTH_PRECISION)),
                        detail,
                        Plots.scatter(f1, frequency, "F1 of firing", "random")));
    }

    /** Loss, FVU, L0 and dead latents over the tokens of the training. */
    List<Figure> training(TrainingCurves curves) {
        List<Figure> figures = new ArrayList<>();
        curve(figures, curves, "fvu", "FVU of the batch", "FVU ends at %.3f", "sae");
        curve(figures, curves, "loss", "loss", "The loss ends at %.4g", "pca");
        curve(figures, curves, "dead", "dead latents", "Dead latents at the end: %,.0f", "random");
        curve(figures, curves, "l0", "L0, latents per row", "L0 ends at %.1f", "zero");
        return figures;
    }

    private static void curve(
            List<Figure> figures, TrainingCurves curves, String key, String yLabel, String message, String style) {
        List<double[]> points = curves.points(key);
        if (points.size() < 2) {
            return;
        }
        figures.add(new Figure(
                say(message, points.getLast()[1]),
                say("%,d points over %,.0f tokens.", points.size(), points.getLast()[0]),
                Plots.curve(points, "tokens", yLabel, style)));
    }
}
