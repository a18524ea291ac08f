package org.loupe.train;

import org.loupe.tensor.Matrix;

/**
 * Statistics of the rows that an SAE reads and of those that it writes: the same ones unless it is a transcoder.
 *
 * @param response for a transcoder the mean of (y − ȳ)(x − x̄)ᵀ, [dOut × dIn], scaled: how y moves with x; else empty
 */
record DataStatistics(InputStatistics inputs, InputStatistics targets, Matrix response) {
    /** Of rows that are their own targets. */
    static DataStatistics same(InputStatistics inputs) {
        return new DataStatistics(inputs, inputs, Matrix.zeros(0, 0));
    }

    /**
     * Measures a sample.
     *
     * @param sample [rows × (dIn + dOut)], raw units
     * @param targetWidth dOut of a transcoder, 0 for an autoencoder
     */
    static DataStatistics of(Matrix sample, int targetWidth, TrainConfig.Input input) {
        if (targetWidth == 0) {
            return same(InputStatistics.of(sample, input.normalize(), input.centre()));
        }
        int dIn = sample.cols() - targetWidth;
        Matrix x = columns(sample, 0, dIn);
        Matrix y = columns(sample, dIn, targetWidth);
        InputStatistics inputs = InputStatistics.of(x, input.normalize(), Centre.MEAN);
        InputStatistics targets = InputStatistics.of(y, input.normalize(), input.centre());
        return new DataStatistics(inputs, targets, response(x, inputs, y, targets));
    }

    private static Matrix columns(Matrix rows, int from, int width) {
        Matrix out = Matrix.zeros(rows.rows(), width);
        for (int r = 0; r < rows.rows(); r++) {
            System.arraycopy(rows.data(), rows.offset(r) + from, out.data(), out.offset(r), width);
        }
        return out;
    }

    private static Matrix response(Matrix x, InputStatistics inputs, Matrix y, InputStatistics targets) {
        double[] sums = new double[y.cols() * x.cols()];
        for (int r = 0; r < x.rows(); r++) {
            for (int o = 0; o < y.cols(); o++) {
                double moved = y.at(r, o) * targets.scale() - targets.centre()[o];
                for (int c = 0; c < x.cols(); c++) {
                    sums[o * x.cols() + c] += moved * (x.at(r, c) * inputs.scale() - inputs.centre()[c]) / x.rows();
                }
            }
        }
        Matrix out = Matrix.zeros(y.cols(), x.cols());
        for (int i = 0; i < sums.length; i++) {
            out.data()[i] = (float) sums[i];
        }
        return out;
    }
}
