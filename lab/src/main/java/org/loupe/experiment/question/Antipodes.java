package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.eval.MaxCosine;
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
        Matrix cosines = MaxCosine.all(dictionary, dictionary, workers);
        Antipodes found = new Antipodes(new double[m], new double[m]);
        Arrays.fill(found.opposite, -1);
        Arrays.fill(found.alike, -1);
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < m; j++) {
                if (j != i) {
                    found.opposite[i] = Math.max(found.opposite[i], -cosines.at(i, j));
                    found.alike[i] = Math.max(found.alike[i], cosines.at(i, j));
                }
            }
        }
        return found;
    }

    /** Share of values that are at least so large. */
    static double share(double[] values, double least) {
        return (double) Arrays.stream(values).filter(v -> v >= least).count() / values.length;
    }
}
