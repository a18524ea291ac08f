package org.loupe.experiment.question;

import org.loupe.synth.Firing;
import org.loupe.synth.Magnitude;
import org.loupe.synth.SynthConfig;

/** The world of questions that need features and nothing else. */
final class Worlds {
    static final int FEATURES = 256;

    private Worlds() {}

    /** 256 features in 64 dimensions, five on a row, strengths uniform on (0, 1]; each with a random sign where they are signed. */
    static SynthConfig features(boolean signed, long rows, long seed) {
        return new SynthConfig(
                FEATURES, 64, rows, 16_384, Firing.FLAT, 5.12, 1, Magnitude.UNIFORM, 0, 1, 0, 0.01, signed, 0, seed);
    }
}
