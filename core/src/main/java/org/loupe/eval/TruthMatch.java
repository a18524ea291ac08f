package org.loupe.eval;

import java.util.Comparator;
import java.util.stream.IntStream;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * True features and latents, matched one to one with the largest total affinity. The affinity of a feature t and a latent i is
 * max(0, cos(t, dᵢ)) where activations are non-negative: a latent can then stand for one sign of a feature only, and one that points
 * away is worth no less than one at a right angle. A latent with signed activations stands for both: |cos(t, dᵢ)|.
 */
final class TruthMatch {
    /** Affinity above which a feature counts as recovered. */
    static final double RECOVERED = 0.9;

    /** √½: of orthogonal features, a latent can have an affinity above it to one at most. */
    static final double NEAR = Math.sqrt(0.5);

    /** Pairs whose cosines are held at a time at most, twice 256 MiB. */
    private static final long MOST_PAIRS = 1L << 26;

    private final Matrix cosines;
    private final Matrix affinities;
    private final int[] latents;

    private TruthMatch(Matrix cosines, Matrix affinities) {
        this.cosines = cosines;
        this.affinities = affinities;
        this.latents = Assignment.largest(affinities);
    }

    /** Whether that many pairs can be matched: all their cosines are held at once. */
    static boolean fits(Matrix truth, Matrix decoder) {
        return (long) truth.rows() * decoder.rows() <= MOST_PAIRS;
    }

    /**
     * @param truth directions of the features, [F × d]
     * @param decoder [m × d]
     * @param signed whether activations can be negative
     */
    static TruthMatch of(Matrix truth, Matrix decoder, boolean signed, Workers workers) {
        Matrix cosines = MaxCosine.all(truth, decoder, workers);
        Matrix affinities = Matrix.zeros(cosines.rows(), cosines.cols());
        for (int i = 0; i < affinities.data().length; i++) {
            float cosine = cosines.data()[i];
            affinities.data()[i] = signed ? Math.abs(cosine) : Math.max(0, cosine);
        }
        return new TruthMatch(cosines, affinities);
    }

    int features() {
        return affinities.rows();
    }

    /** The latent of a feature; −1 where it has none, because there are fewer latents than features. */
    int latent(int feature) {
        return latents[feature];
    }

    /** cos of a feature and its latent, whatever the sign; NaN without a latent. */
    double cosine(int feature) {
        return latents[feature] < 0 ? Double.NaN : cosines.at(feature, latents[feature]);
    }

    boolean recovered(int feature) {
        return latents[feature] >= 0 && affinities.at(feature, latents[feature]) > RECOVERED;
    }

    /** Latents with an affinity above {@link #NEAR} to a feature, the nearest first, of equal ones the lower first. */
    int[] near(int feature) {
        return IntStream.range(0, affinities.cols())
                .filter(i -> affinities.at(feature, i) > NEAR)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -affinities.at(feature, i)))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /** Mean affinity of the pairs, share of features recovered, and uniqueness. */
    Scores scores() {
        double sum = 0;
        int pairs = 0;
        int recovered = 0;
        for (int t = 0; t < latents.length; t++) {
            if (latents[t] >= 0) {
                sum += affinities.at(t, latents[t]);
                pairs++;
            }
            recovered += recovered(t) ? 1 : 0;
        }
        return Scores.NONE
                .with(Metric.MATCH_COSINE, sum / pairs)
                .with(Metric.RECOVERED_FRACTION, (double) recovered / latents.length)
                .with(Metric.UNIQUENESS, uniqueness());
    }

    private double uniqueness() {
        boolean[] tracked = new boolean[affinities.rows()];
        int distinct = 0;
        for (int i = 0; i < affinities.cols(); i++) {
            int best = 0;
            for (int t = 1; t < affinities.rows(); t++) {
                best = affinities.at(t, i) > affinities.at(best, i) ? t : best;
            }
            distinct += tracked[best] ? 0 : 1;
            tracked[best] = true;
        }
        return (double) distinct / affinities.cols();
    }
}
