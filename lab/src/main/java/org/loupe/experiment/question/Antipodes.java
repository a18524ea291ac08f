package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * How far each row of a dictionary has another that points the other way, and one that points the same way.
 *
 * @param opposite max over j ≠ i of −cos(d_i, d_j), [m]
 * @param alike max over j ≠ i of cos(d_i, d_j), [m]
 */
record Antipodes(double[] opposite, double[] alike) {
    static Antipodes of(Matrix dictionary, Workers workers) {
        int m = dictionary.rows();
        int d = dictionary.cols();
        float[] data = dictionary.data();
        double[] norm = new double[m];
        Arrays.setAll(norm, i -> Math.sqrt(Kernels.BEST.dot(data, i * d, data, i * d, d)));
        Antipodes found = new Antipodes(new double[m], new double[m]);
        Arrays.fill(found.opposite, -1);
        Arrays.fill(found.alike, -1);
        workers.forEach(m, 16, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                for (int j = 0; j < m; j++) {
                    if (j != i && norm[i] > 0 && norm[j] > 0) {
                        double cosine = Kernels.BEST.dot(data, i * d, data, j * d, d) / (norm[i] * norm[j]);
                        found.opposite[i] = Math.max(found.opposite[i], -cosine);
                        found.alike[i] = Math.max(found.alike[i], cosine);
                    }
                }
            }
        });
        return found;
    }

    /** Share of values that are at least so large. */
    static double share(double[] values, double least) {
        return (double) Arrays.stream(values).filter(v -> v >= least).count() / values.length;
    }
}
