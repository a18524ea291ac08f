package org.loupe.train;

import org.loupe.tensor.Matrix;

/**
 * A gated MLP, y = Σ_n silu(g_n) u_n w_n with g = gate x + b, u = up x + c: a neuron n reads two directions and writes one.
 *
 * @param gate [neurons × d]
 * @param up [neurons × d]
 * @param write [neurons × dOut]
 * @param gateBias b [neurons]
 * @param upBias c [neurons]
 */
public record GatedMlp(Matrix gate, Matrix up, Matrix write, float[] gateBias, float[] upBias) {
    public GatedMlp {
        if (up.rows() != gate.rows() || write.rows() != gate.rows() || up.cols() != gate.cols()) {
            throw new IllegalArgumentException("MLP of " + gate.rows() + ", " + up.rows() + " and " + write.rows()
                    + " neurons that read " + gate.cols() + " and " + up.cols() + " columns");
        }
    }

    /** One without biases. */
    public GatedMlp(Matrix gate, Matrix up, Matrix write) {
        this(gate, up, write, new float[gate.rows()], new float[gate.rows()]);
    }

    /** d. */
    public int dIn() {
        return gate.cols();
    }

    public int dOut() {
        return write.cols();
    }

    public int neurons() {
        return gate.rows();
    }

    /** The same function from x' = M (x − μ) to y' = N (y − ν), but for what it adds to every row. */
    GatedMlp mapped(RowMap inputs, RowMap outputs) {
        float[] movedGate = gateBias.clone();
        float[] movedUp = upBias.clone();
        for (int n = 0; n < neurons(); n++) {
            for (int c = 0; c < inputs.shift().length; c++) {
                movedGate[n] += (float) (gate.at(n, c) * inputs.shift()[c]);
                movedUp[n] += (float) (up.at(n, c) * inputs.shift()[c]);
            }
        }
        return new GatedMlp(
                rows(gate, inputs::solve), rows(up, inputs::solve), rows(write, outputs::times), movedGate, movedUp);
    }

    /** What becomes of one row. */
    @FunctionalInterface
    private interface RowFunction {
        double[] of(double[] row);
    }

    private static Matrix rows(Matrix from, RowFunction function) {
        Matrix out = Matrix.zeros(from.rows(), from.cols());
        double[] row = new double[from.cols()];
        for (int r = 0; r < from.rows(); r++) {
            for (int c = 0; c < row.length; c++) {
                row[c] = from.at(r, c);
            }
            double[] mapped = function.of(row);
            for (int c = 0; c < row.length; c++) {
                out.data()[out.offset(r) + c] = (float) mapped[c];
            }
        }
        return out;
    }
}
