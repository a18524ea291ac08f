package org.loupe.experiment;

import org.loupe.io.BadInput;

/**
 * How much an experiment does.
 *
 * @param small few rows and steps: some minutes, and verdicts that may well be "cannot tell"
 * @param seeds repetitions of every trial
 */
public record Scale(boolean small, int seeds) {
    public Scale {
        if (seeds < 1 || seeds > 100) {
            throw new BadInput("--seeds is " + seeds + ", expected 1 to 100");
        }
    }

    /** One of two values. */
    public <T> T of(T small, T full) {
        return this.small ? small : full;
    }
}
