package org.loupe.train;

/**
 * One group of weights, its gradient of the last step and Adam's moments.
 *
 * @param name of its tensors in a checkpoint
 * @param rate its learning rate as a multiple of the run's
 */
record Parameter(String name, float[] values, float[] gradient, float[] first, float[] second, double rate) {
    /** A group over an array that belongs to somebody else, such as the SAE's own. */
    static Parameter of(String name, float[] values, double rate) {
        return new Parameter(
                name, values, new float[values.length], new float[values.length], new float[values.length], rate);
    }
}
