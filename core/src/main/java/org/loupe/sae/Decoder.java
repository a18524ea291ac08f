package org.loupe.sae;

import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Decodes latents. */
public final class Decoder {
    private static final int CHUNK = 32;

    private Decoder() {}

    /**
     * x̂ = W_decᵀ f + b_dec, the bias first, then the latents in order.
     *
     * @param out [≥ rows × dOut], the first rows overwritten
     */
    public static void decode(Sae sae, Latents f, Matrix out, Workers workers) {
        out.requireCols(sae.dOut(), "decode");
        if (f.latents() != sae.latents() || out.rows() < f.rows()) {
            throw new IllegalArgumentException("decode: " + f.rows() + " rows of " + f.latents() + " latents into "
                    + out.rows() + " rows by an SAE of " + sae.latents() + " latents");
        }
        workers.forEach(f.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                Kernels.BEST.weightedRows(
                        sae.decoder().data(),
                        0,
                        sae.dOut(),
                        f.index(),
                        f.value(),
                        f.starts()[r],
                        f.starts()[r + 1],
                        sae.decoderBias(),
                        0,
                        out.data(),
                        out.offset(r));
            }
        });
    }

    /**
     * Adds W_skip x of a skip transcoder; nothing for other SAEs.
     *
     * @param x [rows × dIn], the rows that were encoded
     * @param out [≥ rows × dOut], what {@link #decode} gave
     */
    public static void addSkip(Sae sae, Matrix x, Matrix out, Workers workers) {
        Matrix skip = sae.skip();
        if (skip == null) {
            return;
        }
        workers.forEach(x.rows(), CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                for (int o = 0; o < sae.dOut(); o++) {
                    out.data()[out.offset(r) + o] +=
                            Kernels.BEST.dot(skip.data(), o * sae.dIn(), x.data(), x.offset(r), sae.dIn());
                }
            }
        });
    }
}
