package org.loupe.synth;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.loupe.io.BadInput;

/**
 * Which features fire together, and how often.
 *
 * <pre>
 * Families      a head and its C children are C + 1 features in a row; without a hierarchy every feature is a head.
 * Groups        g heads in a row; without correlation every head is a group of its own.
 * Probability   of the heads of group r (from 1): p = min(1/2, c w(r)), w = 1 (flat) or r^−s (zipf), c such that the
 *               probabilities of all features sum to the mean number of active ones.
 * Correlation   a = p + ρ (1 − p). A group is switched on with probability p / a; each of its heads then fires with
 *               probability a, independently. So P(i) = p, P(i, j) = p a, and corr(i, j) = (p a − p²) / (p (1 − p)) = ρ.
 * Hierarchy     where a parent fires, one child, all alike, fires with it in half of the cases, no child in the other half.
 *               So P(child) = P(parent) / (2 C).
 * </pre>
 */
final class Law {
    /** Share of a parent's rows on which one of its children fires. */
    private static final double WITH_CHILD = 0.5;

    private final SynthConfig config;
    private final double[] heads;

    Law(SynthConfig config) {
        this.config = config;
        this.heads = headProbabilities(config);
    }

    /** Mean number of features of a family that fire where its head does. */
    static double familySize(int children) {
        return children > 0 ? 1 + WITH_CHILD : 1;
    }

    private static double[] headProbabilities(SynthConfig config) {
        double[] weight = new double[config.heads()];
        for (int h = 0; h < weight.length; h++) {
            int rank = h / config.groupSize() + 1;
            weight[h] = switch (config.firing()) {
                case FLAT -> 1;
                case ZIPF -> Math.pow(rank, -config.zipfExponent());
            };
        }
        double wanted = config.active() / familySize(config.children());
        double most = SynthConfig.MOST_PROBABLE;
        // Summed from the last on: of steep weights the first, taken off a sum of all, would leave its rounding alone.
        double[] rest = weight.clone();
        for (int h = rest.length - 2; h >= 0; h--) {
            rest[h] += rest[h + 1];
        }
        int capped = 0;
        // Weights fall: the first ones are cut until the factor that the others need brings none of them above the
        // bound.
        while (capped < weight.length && (wanted - capped * most) / rest[capped] * weight[capped] > most) {
            capped++;
        }
        if (capped < weight.length && weight[capped] == 0) {
            throw new BadInput("zipf exponent is " + config.zipfExponent() + ", expected one that leaves feature "
                    + capped + " a weight above 0, for active = " + config.active());
        }
        double factor = capped < weight.length
                ? (wanted - capped * most)
                        / Arrays.stream(weight, capped, weight.length).sum()
                : 0;
        for (int h = 0; h < weight.length; h++) {
            weight[h] = h < capped ? most : factor * weight[h];
        }
        return weight;
    }

    /** Probability of each feature, [features]. */
    float[] probabilities() {
        float[] all = new float[config.features()];
        int family = 1 + config.children();
        for (int i = 0; i < all.length; i++) {
            double head = heads[i / family];
            all[i] = (float) (i % family == 0 ? head : head * WITH_CHILD / config.children());
        }
        return all;
    }

    /** Parent of each feature, −1 where it has none, [features]. */
    int[] parents() {
        int[] all = new int[config.features()];
        int family = 1 + config.children();
        for (int i = 0; i < all.length; i++) {
            all[i] = i % family == 0 ? -1 : i / family * family;
        }
        return all;
    }

    /** The codes of so many rows. */
    Codes draw(SplittableRandom random, int rows) {
        Codes.Builder codes = new Codes.Builder(rows);
        int size = config.groupSize();
        for (int r = 0; r < rows; r++) {
            for (int first = 0; first < heads.length; first += size) {
                double p = heads[first];
                double together = size == 1 ? p : p + config.correlation() * (1 - p);
                if (size > 1 && random.nextDouble() >= p / together) {
                    continue;
                }
                for (int h = first; h < Math.min(heads.length, first + size); h++) {
                    if (random.nextDouble() < together) {
                        family(h, random, codes);
                    }
                }
            }
            codes.endRow();
        }
        return codes.build();
    }

    private void family(int head, SplittableRandom random, Codes.Builder codes) {
        int children = config.children();
        int feature = head * (1 + children);
        codes.add(feature, strength(random));
        if (children > 0) {
            double u = random.nextDouble();
            if (u < WITH_CHILD) {
                codes.add(feature + 1 + (int) (u / WITH_CHILD * children), strength(random));
            }
        }
    }

    private float strength(SplittableRandom random) {
        float size = config.magnitude().draw(random);
        return config.signed() && random.nextBoolean() ? -size : size;
    }
}
