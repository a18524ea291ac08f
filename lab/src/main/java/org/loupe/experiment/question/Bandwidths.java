package org.loupe.experiment.question;

import static org.loupe.experiment.question.BandwidthQuestion.DEAD;
import static org.loupe.experiment.question.BandwidthQuestion.EPSILON;
import static org.loupe.experiment.question.BandwidthQuestion.FVU;
import static org.loupe.experiment.question.BandwidthQuestion.LOG;
import static org.loupe.experiment.question.BandwidthQuestion.MISSED;
import static org.loupe.experiment.question.BandwidthQuestion.SLOW_LOG;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Trials;
import org.loupe.train.StepKernel;

/** Which of the bandwidths that {@link BandwidthQuestion} tried may be compared, which is best, and which are as good. */
record Bandwidths(Trials trials) {
    static final String RECTANGLE = BandwidthQuestion.name(StepKernel.RECTANGLE);

    /** An L0 further than this from the target is another trade, not the same at another bandwidth. */
    private static final double NEAR_TARGET = 0.1;

    /** A bandwidth with a seed whose FVU is further than this above the best's is not as good, however the other seeds spread. */
    private static final double NEAR_BEST = 0.1;

    /** A training that ends with more dead latents than this has failed. */
    static final double FAILED = 0.5;

    static String kernel(String variant) {
        return variant.substring(0, variant.indexOf(','));
    }

    /** Variants of a kernel with a plain θ, by rising ε. */
    List<String> variants(String part, String kernel) {
        return trials.variants(part).stream()
                .filter(v -> kernel(v).equals(kernel) && !v.equals(LOG) && !v.equals(SLOW_LOG))
                .sorted(Comparator.comparingDouble(v -> trials.mean(part, v, EPSILON)))
                .toList();
    }

    List<String> rectangles(String part) {
        return variants(part, RECTANGLE);
    }

    boolean reaches(String part, String variant) {
        return Math.abs(trials.mean(part, variant, MISSED)) <= NEAR_TARGET;
    }

    /** Bandwidths of the rectangle with about the L0 that was asked for. */
    private List<String> onTarget(String part) {
        return rectangles(part).stream().filter(v -> reaches(part, v)).toList();
    }

    /** The bandwidth of lowest FVU among those. */
    Optional<String> best(String part) {
        return onTarget(part).stream().min(Comparator.comparingDouble(v -> trials.mean(part, v, FVU)));
    }

    /** Bandwidths that the seeds do not tell from the best, none of whose trainings is far worse. */
    List<String> asGood(String part, String best) {
        double most = (1 + NEAR_BEST) * trials.mean(part, best, FVU);
        return onTarget(part).stream()
                .filter(v -> v.equals(best)
                        || (!trials.contrast(part, v, best, FVU).more()
                                && trials.spread(part, v, FVU).high() <= most))
                .toList();
    }

    /** From the least to the most of those, in a unit; of a part that has a best one. */
    Span asGood(String part, Quantity unit) {
        return Span.of(asGood(part, best(part).orElseThrow()).stream()
                .mapToDouble(v -> trials.mean(part, v, unit))
                .toArray());
    }

    /** Whether some seed's training has failed. */
    boolean fails(String part, String variant) {
        return trials.spread(part, variant, DEAD).high() > FAILED;
    }
}
