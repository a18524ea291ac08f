package org.loupe.eval;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.loupe.synth.Truth;
import org.loupe.tensor.Matrix;

/**
 * How well the matched latents tell when true features fire, and how strongly. A latent fires where its activation is not 0, a
 * feature where its true activation is not 0. docs/metrics.md has the formulas.
 */
final class TruthFirings {
    /** Rise of F1 from which on one more latent counts as covering a feature (SAEBench's for split features). */
    private static final double F1_RISE = 0.03;

    private final TruthMatch match;
    private final Matrix directions;
    private final Matrix decoder;
    private final Truth.Activity activity;
    private final Occurrences features;
    private final Occurrences latents;
    private final List<TrueFeature> table = new ArrayList<>();
    private final double[] absorbed;
    /** Σ true activation · share and Σ true activation², of recovered features where both fire. */
    private final double[] slope = new double[2];

    private long together;
    private long silentTogether;
    private long alone;
    private long silentAlone;

    TruthFirings(
            TruthMatch match,
            Matrix directions,
            Matrix decoder,
            Truth.Activity activity,
            Occurrences features,
            Occurrences latents) {
        this.match = match;
        this.directions = directions;
        this.decoder = decoder;
        this.activity = activity;
        this.features = features;
        this.latents = latents;
        this.absorbed = new double[match.features()];
        Arrays.fill(absorbed, Double.NaN);
        absorption();
        for (int t = 0; t < match.features(); t++) {
            table.add(feature(t));
        }
    }

    /** All features, in order. */
    List<TrueFeature> table() {
        return table;
    }

    Scores scores() {
        return Scores.NONE
                .with(Metric.TRUTH_PRECISION, mean(TrueFeature::precision))
                .with(Metric.TRUTH_RECALL, mean(TrueFeature::recall))
                .with(Metric.TRUTH_F1, mean(TrueFeature::f1))
                .with(Metric.TRUTH_SHRINKAGE, slope[0] / slope[1])
                .with(Metric.SPLITTING, mean(t -> t.covering() > 0 ? t.covering() : Double.NaN))
                .with(Metric.ABSORPTION, (double) silentTogether / together)
                .with(Metric.ABSORPTION_ALONE, (double) silentAlone / alone);
    }

    /** Mean over the features that have the figure; NaN where none has. */
    private double mean(ToDoubleFunction<TrueFeature> figure) {
        return table.stream()
                .mapToDouble(figure)
                .filter(value -> !Double.isNaN(value))
                .average()
                .orElse(Double.NaN);
    }

    private TrueFeature feature(int t) {
        int latent = match.latent(t);
        BitSet fires = rows(features, t);
        BitSet on = latent < 0 ? new BitSet() : rows(latents, latent);
        int fired = features.count(t);
        int hits = common(fires, on);
        int heard = on.cardinality();
        return new TrueFeature(
                t,
                activity.parents()[t],
                activity.probabilities()[t],
                fired,
                latent,
                match.cosine(t),
                fired == 0 ? Double.NaN : heard == 0 ? 0 : (double) hits / heard,
                fired == 0 ? Double.NaN : (double) hits / fired,
                fired == 0 ? Double.NaN : f1(fires, on),
                shrinkage(t, latent),
                covering(t, fires),
                absorbed[t]);
    }

    private static BitSet rows(Occurrences of, int column) {
        BitSet rows = new BitSet();
        for (int e = of.from(column); e < of.to(column); e++) {
            rows.set(of.row(e));
        }
        return rows;
    }

    private static int common(BitSet a, BitSet b) {
        BitSet both = (BitSet) a.clone();
        both.and(b);
        return both.cardinality();
    }

    /** 2 |a ∩ b| / (|a| + |b|). */
    private static double f1(BitSet a, BitSet b) {
        return 2.0 * common(a, b) / (a.cardinality() + b.cardinality());
    }

    /** argmin over s of Σ (f ⟨d, t⟩ / ‖t‖² − s a)² over the rows where both fire. */
    private double shrinkage(int t, int latent) {
        if (latent < 0) {
            return Double.NaN;
        }
        double dot = 0;
        double norm = 0;
        for (int c = 0; c < directions.cols(); c++) {
            dot += (double) directions.at(t, c) * decoder.at(latent, c);
            norm += (double) directions.at(t, c) * directions.at(t, c);
        }
        double product = 0;
        double square = 0;
        int e = latents.from(latent);
        for (int f = features.from(t); f < features.to(t); f++) {
            while (e < latents.to(latent) && latents.row(e) < features.row(f)) {
                e++;
            }
            if (e < latents.to(latent) && latents.row(e) == features.row(f)) {
                double truth = features.value(f);
                product += truth * latents.value(e) * dot / norm;
                square += truth * truth;
            }
        }
        if (match.recovered(t)) {
            slope[0] += product;
            slope[1] += square;
        }
        return square > 0 ? product / square : Double.NaN;
    }

    /** Takes near latents, the nearest first, each that raises the F1 of "any of them fires" by more than the bound. */
    private int covering(int t, BitSet fires) {
        BitSet any = new BitSet();
        double best = 0;
        int count = 0;
        for (int latent : fires.isEmpty() ? new int[0] : match.near(t)) {
            BitSet more = (BitSet) any.clone();
            more.or(rows(latents, latent));
            double f1 = f1(fires, more);
            if (f1 > best + F1_RISE) {
                any = more;
                best = f1;
                count++;
            }
        }
        return count;
    }

    /** Counts the rows on which parents' latents are silent, of parents whose latents work where they fire alone. */
    private void absorption() {
        List<List<Integer>> children = new ArrayList<>();
        for (int t = 0; t < match.features(); t++) {
            children.add(new ArrayList<>());
        }
        for (int t = 0; t < match.features(); t++) {
            if (activity.parents()[t] >= 0) {
                children.get(activity.parents()[t]).add(t);
            }
        }
        for (int parent = 0; parent < match.features(); parent++) {
            if (!children.get(parent).isEmpty() && match.latent(parent) >= 0) {
                absorption(parent, children.get(parent));
            }
        }
    }

    private void absorption(int parent, List<Integer> children) {
        BitSet fires = rows(features, parent);
        BitSet on = rows(latents, match.latent(parent));
        BitSet lonely = (BitSet) fires.clone();
        for (int child : children) {
            lonely.andNot(rows(features, child));
        }
        int heard = common(lonely, on);
        int count = lonely.cardinality();
        if (2 * heard <= count) {
            return;
        }
        alone += count;
        silentAlone += count - heard;
        for (int child : children) {
            BitSet both = rows(features, child);
            both.and(fires);
            int rows = both.cardinality();
            int silent = rows - common(both, on);
            together += rows;
            silentTogether += silent;
            absorbed[child] = rows == 0 ? Double.NaN : (double) silent / rows;
        }
    }
}
