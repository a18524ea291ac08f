package org.loupe.train;

import java.nio.file.Path;
import java.util.Map;
import org.loupe.io.BadInput;

/**
 * All that the coming steps of a run depend on, beside its configuration and the data: order of rows and schedule are functions
 * of the step.
 *
 * @param step steps done
 * @param arrays weights and moments by name
 * @param control memory of the {@link SparsityControl}
 * @param lastFired rows seen when each latent last fired
 */
record TrainState(
        long step, DataStatistics statistics, Map<String, float[]> arrays, double[] control, long[] lastFired) {
    /**
     * Copies every array into the arrays of another state of the same shape.
     *
     * @param file where this one was read
     * @throws BadInput where it is of another shape
     */
    void copyTo(TrainState to, Path file) {
        to.arrays.forEach((name, into) -> {
            float[] from = arrays.getOrDefault(name, new float[0]);
            require(file, name, from.length, into.length);
            System.arraycopy(from, 0, into, 0, into.length);
        });
        require(file, "control", control.length, to.control.length);
        System.arraycopy(control, 0, to.control, 0, control.length);
        require(file, "last_fired", lastFired.length, to.lastFired.length);
        System.arraycopy(lastFired, 0, to.lastFired, 0, lastFired.length);
    }

    private static void require(Path file, String name, int values, int expected) {
        if (values != expected) {
            throw BadInput.in(
                    file, "'" + name + "' has " + values + " values, expected " + expected + " for this configuration");
        }
    }
}
