package org.loupe.lm;

import java.util.SplittableRandom;

/** Chooses the next token. */
@FunctionalInterface
public interface Sampler {
    /** @param logProbabilities of every token id, nats */
    int next(float[] logProbabilities);

    /** The most likely token, the first of equal ones. */
    static Sampler mostLikely() {
        return p -> {
            int best = 0;
            for (int id = 1; id < p.length; id++) {
                best = p[id] > p[best] ? id : best;
            }
            return best;
        };
    }

    /** Draws with probabilities in proportion to p^(1 / temperature). */
    static Sampler at(double temperature, long seed) {
        if (!(temperature > 0)) {
            throw new IllegalArgumentException("temperature " + temperature + ", expected a number above 0");
        }
        SplittableRandom random = new SplittableRandom(seed);
        return p -> {
            double[] upTo = new double[p.length];
            double sum = 0;
            for (int id = 0; id < p.length; id++) {
                sum += Math.exp(p[id] / temperature);
                upTo[id] = sum;
            }
            double drawn = random.nextDouble() * sum;
            int id = 0;
            while (id < p.length - 1 && upTo[id] <= drawn) {
                id++;
            }
            return id;
        };
    }
}
