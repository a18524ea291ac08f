package org.loupe.onednn;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.tensor.BFloat16;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;

/**
 * Rounds to bf16, 8 significant bits. With x̂ and ŵ the rounded vectors, ⟨x, w⟩ − ⟨x̂, ŵ⟩ = ⟨x − x̂, w⟩ + ⟨x̂, w − ŵ⟩, at most
 * |x − x̂||w| + |x̂||w − ŵ| (Cauchy–Schwarz). Both residuals are measured: about 0.0016 of the norm, where the worst case is 2⁻⁸ = 0.0039.
 */
final class Bf16 implements Rounding {
    /** Splits off the leading 24 − 16 = 8 bits of a float, rounded to nearest (Dekker 1971, Numer. Math. 18, §5.7, after Veltkamp). */
    private static final float SPLITTER = 0x1p16f + 1;

    /** Room for the rounding of norms: a sum of d squares is off by less than d 2⁻²⁴. */
    private static final float ROOM = 1.001f;

    private final Kernels kernels;
    private final int d;
    private final float[][] scratch;

    /** The largest |w − ŵ| of each slice. */
    private final float[] residuals;

    private float norm;
    private float residual;

    Bf16(Kernels kernels, int d, int slices, int workers) {
        this.kernels = kernels;
        this.d = d;
        this.scratch = new float[workers][d];
        this.residuals = new float[slices];
    }

    @Override
    public LowPrecisionProduct.Numbers numbers() {
        return LowPrecisionProduct.Numbers.BF16;
    }

    @Override
    public int depth() {
        return d;
    }

    @Override
    public int rowType() {
        return OneDnn.BF16;
    }

    @Override
    public int plainType() {
        return OneDnn.F32;
    }

    @Override
    public int weightType() {
        return OneDnn.BF16;
    }

    @Override
    public void begin(Matrix w, float norm, Matrix x) {
        this.norm = norm;
    }

    @Override
    public void slice(int slice, Matrix w, int from, int to, MemorySegment plain, Columns columns, int worker) {
        MemorySegment.copy(w.data(), from * d, plain, ValueLayout.JAVA_FLOAT, 0, (to - from) * d);
        float[] lost = scratch[worker];
        float square = 0;
        for (int j = from; j < to; j++) {
            for (int c = 0; c < d; c++) {
                float value = w.data()[j * d + c];
                float split = SPLITTER * value;
                lost[c] = value - (split - (split - value));
            }
            square = Math.max(square, kernels.dot(lost, 0, lost, 0, d));
        }
        residuals[slice] = ROOM * (float) Math.sqrt(square);
    }

    @Override
    public void end() {
        residual = 0;
        for (float most : residuals) {
            residual = Math.max(residual, most);
        }
    }

    @Override
    public void rows(int worker, Matrix x, int from, int to, MemorySegment out, float[] factor, float[] error) {
        for (int row = from; row < to; row++) {
            double lost = 0;
            double square = 0;
            long at = (long) (row - from) * d * Short.BYTES;
            for (int c = 0; c < d; c++) {
                float value = x.data()[row * d + c];
                short rounded = BFloat16.fromFloat(value);
                out.set(ValueLayout.JAVA_SHORT, at + (long) c * Short.BYTES, rounded);
                double kept = BFloat16.toFloat(rounded);
                lost += (value - kept) * (value - kept);
                square += kept * kept;
            }
            factor[row - from] = 1;
            error[row - from] =
                    ROOM * (float) (Math.sqrt(lost) * norm + Math.sqrt(square) * residual) + Float.MIN_NORMAL * d;
        }
    }
}
