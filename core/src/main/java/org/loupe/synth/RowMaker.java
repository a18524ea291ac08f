package org.loupe.synth;

import java.util.SplittableRandom;
import org.loupe.tensor.Matrix;

/** Makes rows x = μ + Σᵢ fᵢ dᵢ + σ ε from codes f; ε is standard normal in each column, the sum runs by ascending feature. */
final class RowMaker {
    private final SynthConfig config;
    private final Law law;
    private final Matrix directions;
    private final float[] mean;

    /**
     * Draws the dictionary and the offset.
     *
     * @param dictionary random numbers of the directions
     * @param offset random numbers of the offset's direction
     */
    RowMaker(SynthConfig config, Law law, SplittableRandom dictionary, SplittableRandom offset) {
        this(
                config,
                law,
                Truth.unitRows(config.features(), config.width(), dictionary),
                Truth.unitRows(1, config.width(), offset).data());
        for (int c = 0; c < mean.length; c++) {
            mean[c] *= (float) config.mean();
        }
    }

    /**
     * Takes a dictionary that is there.
     *
     * @param directions [features × width]
     * @param mean the offset, [width]
     */
    RowMaker(SynthConfig config, Law law, Matrix directions, float[] mean) {
        this.config = config;
        this.law = law;
        this.directions = directions;
        this.mean = mean;
    }

    Matrix directions() {
        return directions;
    }

    /**
     * Makes the next rows of a stream of random numbers.
     *
     * @param out rows {@code at} to {@code at + count − 1} are overwritten
     * @return their codes
     */
    Codes make(SplittableRandom random, int count, Matrix out, int at) {
        Codes codes = law.draw(random, count);
        float[] x = out.data();
        int width = config.width();
        for (int r = 0; r < count; r++) {
            int row = out.offset(at + r);
            System.arraycopy(mean, 0, x, row, width);
            for (int e = codes.starts()[r]; e < codes.starts()[r + 1]; e++) {
                int direction = directions.offset(codes.index()[e]);
                float value = codes.value()[e];
                for (int c = 0; c < width; c++) {
                    x[row + c] += value * directions.data()[direction + c];
                }
            }
            if (config.noise() > 0) {
                for (int c = 0; c < width; c++) {
                    x[row + c] += (float) (config.noise() * random.nextGaussian());
                }
            }
        }
        return codes;
    }
}
