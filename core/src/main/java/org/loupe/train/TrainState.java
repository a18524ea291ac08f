package org.loupe.train;

import java.util.Map;

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
    /** Copies every array into the arrays of another state of the same shape. */
    void copyTo(TrainState to) {
        for (Map.Entry<String, float[]> into : to.arrays.entrySet()) {
            float[] from = arrays.get(into.getKey());
            if (from == null || from.length != into.getValue().length) {
                throw new IllegalArgumentException("state: '" + into.getKey() + "' is missing or of another size");
            }
            System.arraycopy(from, 0, into.getValue(), 0, from.length);
        }
        System.arraycopy(control, 0, to.control, 0, control.length);
        System.arraycopy(lastFired, 0, to.lastFired, 0, lastFired.length);
    }
}
