package org.loupe.onednn;

import java.lang.foreign.MemorySegment;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.tensor.Matrix;

/** How rows and encoders become short numbers, and what that costs. */
interface Rounding {
    /**
     * Each latent's sum is multiplied by its factor, then its offset is added.
     *
     * @param factors [latents of the slice] f32, 1 at first
     * @param offsets [latents of the slice] f32, 0 at first
     */
    record Columns(MemorySegment factors, MemorySegment offsets) {}

    LowPrecisionProduct.Numbers numbers();

    /** Short numbers of a row: d, and what the rounding adds. */
    int depth();

    /** oneDNN's type of a rounded row's elements. */
    int rowType();

    /** oneDNN's type of what {@link #slice} writes. */
    int plainType();

    /** oneDNN's type of the weights in the product, to which oneDNN rounds what {@link #slice} wrote. */
    int weightType();

    /** Begins with a new encoder; see {@link LowPrecisionProduct#weights}. */
    void begin(Matrix w, float norm, Matrix x);

    /**
     * Writes latents [from, to) of the encoder as one slice of the product; runs on several workers at once.
     *
     * @param plain [(to − from) × depth], overwritten
     * @param columns what the product is to do with each latent's sums
     */
    void slice(int slice, Matrix w, int from, int to, MemorySegment plain, Columns columns, int worker);

    /** Ends with an encoder, all slices written. */
    void end();

    /**
     * Writes rows [from, to) of x; see {@link LowPrecisionProduct#rows}.
     *
     * @param out [(to − from) × depth], overwritten
     */
    void rows(int worker, Matrix x, int from, int to, MemorySegment out, float[] factor, float[] error);
}
