package org.loupe.eval;

import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * What stands in for rows at a hook point: x ↦ x̂, in the units of the activations. What replaces a transcoder's output is
 * given both its sides, [x | y] ↦ ŷ, so that it can look at either.
 */
@FunctionalInterface
public interface Reconstruction {
    /**
     * Reconstructs rows.
     *
     * @param x [rows × d], not modified
     * @param out [rows × d], overwritten; for a transcoder [rows × dOut]
     */
    void apply(Matrix x, Matrix out);

    /** This one applied to columns [from, from + count) of the rows that it is given. */
    default Reconstruction ofColumns(int from, int count) {
        return (x, out) -> apply(x.cols() == count ? x : x.columns(from, count), out);
    }

    /** Encoding and decoding by an SAE. One thread at a time, as its {@link Encoder}. */
    static Reconstruction of(Sae sae, Workers workers) {
        Encoder encoder = new Encoder(sae, workers);
        return (x, out) -> {
            Decoder.decode(sae, encoder.encode(x), out, workers);
            Decoder.addSkip(sae, x, out, workers);
        };
    }

    /** The same row for every row: what mean and zero ablation put in. */
    static Reconstruction constant(float[] row) {
        return (x, out) -> {
            for (int r = 0; r < x.rows(); r++) {
                System.arraycopy(row, 0, out.data(), out.offset(r), row.length);
            }
        };
    }
}
