package org.loupe.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The kernels as plain loops: their definition, the oracle of {@link VectorKernels}, and what runs without the Vector API. */
public final class ScalarKernels implements Kernels {
    @Override
    public String describe() {
        return "scalar kernels (slow: start java with --add-modules jdk.incubator.vector for the vector ones)";
    }

    @Override
    public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
        float sum = 0;
        for (int i = 0; i < n; i++) {
            sum = Math.fma(a[aAt + i], b[bAt + i], sum);
        }
        return sum;
    }

    @Override
    public void addScaled(float alpha, float[] x, int xAt, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            y[yAt + i] = Math.fma(alpha, x[xAt + i], y[yAt + i]);
        }
    }

    @Override
    public void scale(float alpha, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            y[yAt + i] *= alpha;
        }
    }

    @Override
    public void weightedRows(
            float[] rows,
            int rowsAt,
            int width,
            int[] row,
            float[] weight,
            int from,
            int to,
            float[] start,
            int startAt,
            float[] out,
            int outAt) {
        for (int c = 0; c < width; c++) {
            float sum = start[startAt + c];
            for (int e = from; e < to; e++) {
                sum = Math.fma(weight[e], rows[rowsAt + row[e] * width + c], sum);
            }
            out[outAt + c] = sum;
        }
    }

    @Override
    public int tileRows() {
        return 4;
    }

    @Override
    public int tileCols() {
        return 8;
    }

    @Override
    public void tile(float[] packed, int packedAt, float[] w, int wAt, int rows, int depth, float[] out) {
        int cols = tileCols();
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < cols; c++) {
                float sum = 0;
                for (int k = 0; k < depth; k++) {
                    sum = Math.fma(w[wAt + r * depth + k], packed[packedAt + k * cols + c], sum);
                }
                out[r * cols + c] = sum;
            }
        }
    }

    @Override
    public int above(float[] tile, int tileAt, float bias, float[] bar, int barAt) {
        int set = 0;
        for (int c = 0; c < tileCols(); c++) {
            if (tile[tileAt + c] + bias > bar[barAt + c]) {
                set |= 1 << c;
            }
        }
        return set;
    }

    @Override
    public int above(
            MemorySegment values,
            long valuesAt,
            float factor,
            float[] bias,
            int biasAt,
            float bar,
            int n,
            int[] found) {
        int count = 0;
        for (int i = 0; i < n; i++) {
            float value = values.getAtIndex(ValueLayout.JAVA_FLOAT, valuesAt + i);
            if (Math.fma(factor, value, bias[biasAt + i]) > bar) {
                found[count++] = i;
            }
        }
        return count;
    }

    @Override
    public int argMax(MemorySegment x, long xAt, int n) {
        int best = 0;
        for (int i = 1; i < n; i++) {
            if (x.getAtIndex(ValueLayout.JAVA_FLOAT, xAt + i) > x.getAtIndex(ValueLayout.JAVA_FLOAT, xAt + best)) {
                best = i;
            }
        }
        return best;
    }

    @Override
    public double sumExp(MemorySegment x, long xAt, float shift, int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += (float) Math.exp(x.getAtIndex(ValueLayout.JAVA_FLOAT, xAt + i) - shift);
        }
        return sum;
    }

    @Override
    public double divergence(MemorySegment p, long pAt, MemorySegment x, long xAt, float shift, int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            float logP = p.getAtIndex(ValueLayout.JAVA_FLOAT, pAt + i);
            float logQ = x.getAtIndex(ValueLayout.JAVA_FLOAT, xAt + i) - shift;
            sum += (float) Math.exp(logP) * (logP - logQ);
        }
        return sum;
    }

    @Override
    public float maxAbs(float[] x, int xAt, int n) {
        float max = 0;
        for (int i = 0; i < n; i++) {
            max = Math.max(max, Math.abs(x[xAt + i]));
        }
        return max;
    }

    @Override
    public void rotate(float[] x, int xAt, int n, int block) {
        for (int half = 1; half < block; half *= 2) {
            for (int i = 0; i < n; i++) {
                if ((i & half) == 0) {
                    float a = x[xAt + i];
                    float b = x[xAt + i + half];
                    x[xAt + i] = a + b;
                    x[xAt + i + half] = a - b;
                }
            }
        }
    }

    @Override
    public void quantise(
            float[] x, int xAt, float factor, float[] dither, int n, int shift, MemorySegment bytes, long bytesAt) {
        for (int i = 0; i < n; i++) {
            float q = (float) Math.rint(Math.fma(x[xAt + i], factor, dither[i]));
            x[xAt + i] = q;
            bytes.set(ValueLayout.JAVA_BYTE, bytesAt + i, (byte) ((int) q + shift));
        }
    }

    @Override
    public void adam(AdamStep step, float[] gradient, int gradientAt, float[] w, float[] m, float[] v, int at, int n) {
        for (int i = 0; i < n; i++) {
            float g = gradient[gradientAt + i] * step.gradientScale();
            int j = at + i;
            m[j] = Math.fma(1 - step.beta1(), g - m[j], m[j]);
            v[j] = Math.fma(1 - step.beta2(), Math.fma(g, g, -v[j]), v[j]);
            w[j] -= step.rate() * m[j] / Math.fma((float) Math.sqrt(v[j]), step.rootCorrection(), step.epsilon());
        }
    }
}
