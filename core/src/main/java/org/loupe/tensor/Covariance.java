package org.loupe.tensor;

/**
 * The scatter matrix Σ (x − μ)(x − μ)ᵀ of streamed rows in double. Rows are shifted by the mean of the first batch before
 * their products are taken, and the sum is corrected to the true mean at the end. Each thread owns rows of the matrix and
 * adds the data in order, so the bits are the same for any number of threads.
 */
public final class Covariance {
    /** Data rows per pass over the matrix: their doubles at width 768 (48 kB) stay in the first-level cache. */
    private static final int GROUP = 8;

    private final int width;
    private final double[] shift;
    private final double[] sum;
    private final double[][] products;
    private long rows;

    public Covariance(int width) {
        this.width = width;
        this.shift = new double[width];
        this.sum = new double[width];
        this.products = new double[width][];
        for (int i = 0; i < width; i++) {
            products[i] = new double[i + 1];
        }
    }

    /** Adds a batch; x [rows × width] is not modified. */
    public void add(Matrix x, Workers workers) {
        x.requireCols(width, "covariance");
        if (rows == 0) {
            x.meanInto(shift);
        }
        int groups = (x.rows() + GROUP - 1) / GROUP;
        double[][] shifted = shifted(x, groups * GROUP);
        for (double[] row : shifted) {
            for (int c = 0; c < width; c++) {
                sum[c] += row[c];
            }
        }
        // Row i of the triangle has i + 1 elements: item j stands for rows j and width − 1 − j, so that items weigh the
        // same.
        workers.forEach((width + 1) / 2, 16, (from, to, worker) -> {
            for (int g = 0; g < groups; g++) {
                for (int j = from; j < to; j++) {
                    addGroup(shifted, g * GROUP, j);
                    if (width - 1 - j != j) {
                        addGroup(shifted, g * GROUP, width - 1 - j);
                    }
                }
            }
        });
        rows += x.rows();
    }

    /** The shifted rows as doubles, filled up with rows of zeros. */
    private double[][] shifted(Matrix x, int padded) {
        double[][] shifted = new double[padded][width];
        for (int r = 0; r < x.rows(); r++) {
            for (int c = 0; c < width; c++) {
                shifted[r][c] = x.at(r, c) - shift[c];
            }
        }
        return shifted;
    }

    /** products[i][j] += Σ over the group's rows of y[i] y[j], j ≤ i. */
    private void addGroup(double[][] y, int from, int i) {
        double[] out = products[i];
        double[] y0 = y[from];
        double[] y1 = y[from + 1];
        double[] y2 = y[from + 2];
        double[] y3 = y[from + 3];
        double[] y4 = y[from + 4];
        double[] y5 = y[from + 5];
        double[] y6 = y[from + 6];
        double[] y7 = y[from + 7];
        double f0 = y0[i];
        double f1 = y1[i];
        double f2 = y2[i];
        double f3 = y3[i];
        double f4 = y4[i];
        double f5 = y5[i];
        double f6 = y6[i];
        double f7 = y7[i];
        for (int j = 0; j <= i; j++) {
            out[j] += f0 * y0[j]
                    + f1 * y1[j]
                    + f2 * y2[j]
                    + f3 * y3[j]
                    + f4 * y4[j]
                    + f5 * y5[j]
                    + f6 * y6[j]
                    + f7 * y7[j];
        }
    }

    /** Number of rows added. */
    public long rows() {
        return rows;
    }

    /** μ, [width]. */
    public double[] mean() {
        double[] mean = shift.clone();
        for (int c = 0; c < width; c++) {
            mean[c] += sum[c] / rows;
        }
        return mean;
    }

    /** Σ x xᵀ / N, symmetric [width × width]: about 0, not about the mean. */
    public double[][] secondMoment() {
        double[][] moment = matrix();
        double[] mean = mean();
        for (int i = 0; i < width; i++) {
            for (int j = 0; j < width; j++) {
                moment[i][j] += mean[i] * mean[j];
            }
        }
        return moment;
    }

    /** Σ (x − μ)(x − μ)ᵀ / N, symmetric [width × width]; the population covariance. */
    public double[][] matrix() {
        double[][] covariance = new double[width][width];
        for (int i = 0; i < width; i++) {
            for (int j = 0; j <= i; j++) {
                double value = (products[i][j] - sum[i] * sum[j] / rows) / rows;
                covariance[i][j] = value;
                covariance[j][i] = value;
            }
        }
        return covariance;
    }
}
