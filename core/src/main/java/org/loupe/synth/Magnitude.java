package org.loupe.synth;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.SplittableRandom;

/** The law of a feature's strength where it fires. All have the mean 1/2, so that the noise weighs the same. */
public enum Magnitude {
    /** Uniform on (0, 1]. */
    @JsonProperty("uniform")
    UNIFORM,
    /** Exponential. */
    @JsonProperty("exponential")
    EXPONENTIAL,
    /** |g| of a Gaussian g with deviation √(π/8). */
    @JsonProperty("halfnormal")
    HALFNORMAL,
    /** Always 1/2. */
    @JsonProperty("constant")
    CONSTANT;

    static final double MEAN = 0.5;

    /** One strength, above 0. */
    float draw(SplittableRandom random) {
        float value;
        do {
            value = (float)
                    switch (this) {
                        case UNIFORM -> 1 - random.nextDouble();
                        case EXPONENTIAL -> MEAN * random.nextExponential();
                        case HALFNORMAL -> MEAN * Math.sqrt(Math.PI / 2) * Math.abs(random.nextGaussian());
                        case CONSTANT -> MEAN;
                    };
        } while (value == 0);
        return value;
    }
}
