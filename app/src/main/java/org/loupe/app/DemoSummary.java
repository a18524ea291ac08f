package org.loupe.app;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Metric;
import org.loupe.index.IndexInfo;
import org.loupe.index.LatentProfile;

/** What the demo prints at its end. */
final class DemoSummary {
    /** Latents worth looking at that are shown. */
    private static final int SHOWN = 3;

    /** Documents in which one of them must fire at least, so that its examples are more than a handful. */
    private static final int DOCUMENTS = 50;

    /** Different strings that its strongest tokens must have at least. */
    private static final int STRINGS = 5;

    private DemoSummary() {}

    /** The figures of the SAE. */
    static String figures(EvalReport report, IndexInfo index) {
        IndexInfo.Counts counts = index.counts();
        StringBuilder text = new StringBuilder();
        row(text, "FVU", EvalStage.figure(report, Metric.FVU), "share of the variance that is lost; 1 is the mean");
        row(text, "L0", EvalStage.figure(report, Metric.L0), "active latents of a token");
        row(
                text,
                "CE recovered",
                EvalStage.figure(report, Metric.CE_RECOVERED_MEAN),
                "of the loss that mean ablation costs, on unseen text");
        row(
                text,
                "dead latents",
                EvalStage.figure(report, Metric.DEAD_FRACTION),
                String.format(
                        Locale.ROOT,
                        "of %,d, on %,d rows",
                        index.latents(),
                        report.window().rows()));
        row(
                text,
                "clear label",
                String.format(Locale.ROOT, "%,d", counts.labelled()),
                String.format(
                        Locale.ROOT,
                        "of %,d live latents; %,d where documents' categories are permuted (the null)",
                        counts.live(),
                        counts.labelledPermuted()));
        row(
                text,
                "flagged",
                String.format(Locale.ROOT, "%,d", counts.singleToken() + counts.position()),
                String.format(
                        Locale.ROOT,
                        "%,d single-token, %,d position latents",
                        counts.singleToken(),
                        counts.position()));
        return text.toString();
    }

    /** Time and rate of each stage; those of an earlier start where there was nothing left to do. */
    static String times(Map<String, DemoTimes.Stage> stages) {
        StringBuilder text = new StringBuilder();
        double total = 0;
        for (Map.Entry<String, DemoTimes.Stage> stage : stages.entrySet()) {
            double seconds = stage.getValue().seconds();
            total += seconds;
            long tokens = stage.getValue().tokens();
            row(
                    text,
                    stage.getKey(),
                    Progress.clock(seconds),
                    tokens > 0 && seconds > 0 ? String.format(Locale.ROOT, "%,.0f tokens/s", tokens / seconds) : "");
        }
        row(text, "total", Progress.clock(total), "");
        return text.toString();
    }

    private static void row(StringBuilder text, String name, String value, String note) {
        text.append(String.format(Locale.ROOT, "  %-13s %9s   %s", name, value, note)
                        .stripTrailing())
                .append('\n');
    }

    /**
     * The latents with a clear label and no flag that fire in at least {@value #DOCUMENTS} documents and on at least
     * {@value #STRINGS} different tokens, by lift, one for each category.
     */
    static List<LatentProfile> worthLookingAt(List<LatentProfile> all) {
        List<LatentProfile> clear = all.stream()
                .filter(p -> !p.label().isEmpty() && p.flags().isEmpty())
                .filter(p -> p.documents() >= DOCUMENTS && p.topTokens().size() >= STRINGS)
                .sorted(Comparator.comparingDouble(DemoSummary::lift)
                        .reversed()
                        .thenComparingInt(LatentProfile::latent))
                .toList();
        List<LatentProfile> chosen = new ArrayList<>();
        Set<String> categories = new HashSet<>();
        for (LatentProfile profile : clear) {
            if (chosen.size() < SHOWN && categories.add(profile.category())) {
                chosen.add(profile);
            }
        }
        return chosen;
    }

    private static double lift(LatentProfile profile) {
        return profile.best() == null ? 0 : profile.best().lift();
    }

    /** A latent in a line. */
    static String line(LatentProfile profile) {
        return String.format(
                Locale.ROOT, "  latent %d: %s (lift %.0f)", profile.latent(), profile.label(), lift(profile));
    }
}
