package org.loupe.activations;

import org.loupe.tensor.Matrix;

/**
 * Rows of floats in a fixed order, read at random: an activation store, a tensor of a safetensors file, or a matrix in
 * memory. Reading is thread-safe.
 */
public interface RowSource {
    /** Number of rows. */
    long rows();

    /** Width of a row. */
    int width();

    /**
     * Copies rows [from, from + count) as f32.
     *
     * @param out [≥ at + count, width()]; rows at to at + count − 1 are overwritten
     */
    void read(long from, int count, Matrix out, int at);
}
