package org.loupe.train;

import java.util.List;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Statistics of the rows that an SAE reads and of those that it writes: the same ones unless it is a transcoder.
 *
 * @param response for a transcoder the mean of (y − ȳ)(x − x̄)ᵀ, [dOut × dIn], mapped: how y moves with x; else empty
 * @param gradientScale √(d / E‖g‖²) of the rows' gradients, where batches have them; else 0
 */
record DataStatistics(InputStatistics inputs, InputStatistics targets, Matrix response, double gradientScale) {
    /** Of rows that are their own targets. */
    static DataStatistics same(InputStatistics inputs) {
        return new DataStatistics(inputs, inputs, Matrix.zeros(0, 0), 0);
    }

    /** Of rows [rows × d] that are their own targets, in errors weighed by I + βF ({@link RowMap#weighted}). */
    static DataStatistics weighted(
            Matrix sample, GradientMoment moment, double beta, InputConfig input, Workers workers) {
        RowMap plain = RowMap.of(sample, List.of(sample.cols()), input, workers);
        RowMap map = RowMap.weighted(plain, sample, moment, beta, input.normalize(), workers);
        return same(InputStatistics.of(sample, map, input.centre()));
    }

    /** The same with the scale of the rows' gradients. */
    DataStatistics withGradients(double scale) {
        return new DataStatistics(inputs, targets, response, scale);
    }

    /**
     * Measures a sample.
     *
     * @param sample [rows × (dIn + dOut)], raw units
     * @param parts widths of the input's parts, side by side: their sum is dIn
     */
    static DataStatistics of(Matrix sample, List<Integer> parts, InputConfig input, Workers workers) {
        int dIn = parts.stream().mapToInt(p -> p).sum();
        int dOut = sample.cols() - dIn;
        if (dOut == 0) {
            return same(InputStatistics.of(sample, RowMap.of(sample, parts, input, workers), input.centre()));
        }
        Matrix x = sample.columns(0, dIn);
        Matrix y = sample.columns(dIn, dOut);
        InputStatistics inputs = InputStatistics.of(x, RowMap.of(x, parts, input, workers), Centre.MEAN);
        InputStatistics targets = InputStatistics.of(y, RowMap.of(y, List.of(dOut), input, workers), input.centre());
        return new DataStatistics(inputs, targets, response(x, inputs, y, targets), 0);
    }

    private static Matrix response(Matrix x, InputStatistics inputs, Matrix y, InputStatistics targets) {
        double[] sums = new double[y.cols() * x.cols()];
        for (int r = 0; r < x.rows(); r++) {
            double[] from = inputs.map().of(x.data(), x.offset(r));
            double[] to = targets.map().of(y.data(), y.offset(r));
            for (int o = 0; o < y.cols(); o++) {
                double moved = to[o] - targets.centre()[o];
                for (int c = 0; c < x.cols(); c++) {
                    sums[o * x.cols() + c] += moved * (from[c] - inputs.centre()[c]) / x.rows();
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
