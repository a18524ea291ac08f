package org.loupe.train;

import org.loupe.tensor.Matrix;

/**
 * What a sample of rows says about the data.
 *
 * @param map what rows become in training
 * @param variance mean squared distance from the mean, after the map
 * @param centre mean or geometric median, after the map
 */
record InputStatistics(RowMap map, double variance, float[] centre) {
    private static final int WEISZFELD_STEPS = 30;

    /** Standard deviation of ⟨w, x⟩ over the rows, in mean square over unit directions w: √(variance / d). */
    double spread() {
        return Math.sqrt(variance / centre.length);
    }

    /**
     * Measures a sample [rows × d], raw units.
     *
     * @param map of these rows
     */
    static InputStatistics of(Matrix sample, RowMap map, Centre centre) {
        if (map.isScalar()) {
            return of(sample, map.scale(), map, centre);
        }
        int d = sample.cols();
        Matrix mapped = Matrix.zeros(sample.rows(), d);
        for (int r = 0; r < sample.rows(); r++) {
            double[] x = map.of(sample.data(), sample.offset(r));
            for (int c = 0; c < d; c++) {
                mapped.data()[r * d + c] = (float) x[c];
            }
        }
        return of(mapped, 1, map, centre);
    }

    private static InputStatistics of(Matrix rows, double scale, RowMap map, Centre centre) {
        int d = rows.cols();
        double[] mean = new double[d];
        double squares = 0;
        for (int r = 0; r < rows.rows(); r++) {
            for (int c = 0; c < d; c++) {
                double x = rows.at(r, c);
                mean[c] += x / rows.rows();
                squares += x * x / rows.rows();
            }
        }
        double meanSquare = 0;
        for (double m : mean) {
            meanSquare += m * m;
        }
        double variance = (squares - meanSquare) * scale * scale;
        double[] middle = switch (centre) {
            case MEAN -> mean;
            case GEOMETRIC_MEDIAN -> geometricMedian(rows, mean);
        };
        float[] scaled = new float[d];
        for (int c = 0; c < d; c++) {
            scaled[c] = (float) (middle[c] * scale);
        }
        return new InputStatistics(map, variance > 0 ? variance : 1, scaled);
    }

    /** The point with the least sum of distances: Weiszfeld's iteration from the mean. */
    private static double[] geometricMedian(Matrix sample, double[] mean) {
        int d = sample.cols();
        double[] at = mean;
        for (int step = 0; step < WEISZFELD_STEPS; step++) {
            double[] sum = new double[d];
            double weights = 0;
            for (int r = 0; r < sample.rows(); r++) {
                double square = 0;
                for (int c = 0; c < d; c++) {
                    double difference = sample.at(r, c) - at[c];
                    square += difference * difference;
                }
                double weight = 1 / Math.max(Math.sqrt(square), 1e-12);
                weights += weight;
                for (int c = 0; c < d; c++) {
                    sum[c] += weight * sample.at(r, c);
                }
            }
            double moved = 0;
            double size = 0;
            for (int c = 0; c < d; c++) {
                sum[c] /= weights;
                moved += (sum[c] - at[c]) * (sum[c] - at[c]);
                size += sum[c] * sum[c];
            }
            at = sum;
            if (moved <= 1e-12 * size) {
                break;
            }
        }
        return at;
    }
}
