package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Encodes rows with one SAE. Keeps scratch memory between calls, so one instance serves one thread at a time. */
public final class Encoder {
    /** Rows encoded at a time: bounds the scratch copy of the centred rows. */
    private static final int BLOCK = 4096;

    private final Sae sae;
    private final Kernels kernels;
    private final Activator activator;
    private final ActiveRows active = new ActiveRows();
    private float[] centred = new float[0];

    public Encoder(Sae sae, Workers workers) {
        this(sae, workers, Kernels.BEST);
    }

    Encoder(Sae sae, Workers workers, Kernels kernels) {
        this.sae = sae;
        this.kernels = kernels;
        this.activator = new Activator(kernels, workers);
    }

    /**
     * f = σ(W_enc (x − b_in) + b_enc), which latents are active exactly as in f32 arithmetic.
     *
     * @param x [rows × dIn], in the units of the activations; not modified
     */
    public Latents encode(Matrix x) {
        x.requireCols(sae.dIn(), "encode");
        int[] starts = new int[x.rows() + 1];
        int[] index = new int[0];
        float[] value = new float[0];
        for (int from = 0; from < x.rows(); from += BLOCK) {
            Matrix block = centred(x, from, Math.min(BLOCK, x.rows() - from));
            activator.activate(block, sae, active);
            int entries = starts[from];
            index = Arrays.copyOf(index, Math.addExact(entries, active.entries()));
            value = Arrays.copyOf(value, index.length);
            System.arraycopy(active.index(), 0, index, entries, active.entries());
            System.arraycopy(active.value(), 0, value, entries, active.entries());
            for (int r = 0; r < block.rows(); r++) {
                starts[from + r + 1] = entries + active.starts()[r + 1];
            }
        }
        return new Latents(starts, index, value, sae.latents());
    }

    private Matrix centred(Matrix x, int from, int rows) {
        int size = rows * x.cols();
        if (centred.length < size) {
            centred = new float[size];
        }
        System.arraycopy(x.data(), x.offset(from), centred, 0, size);
        sae.readable(kernels, centred, rows);
        return new Matrix(rows, x.cols(), centred);
    }
}
