package org.loupe.eval;

import org.loupe.io.BadInput;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * How well x̂ stands for x, streamed over batches of rows, all sums in double:
 *
 * <pre>
 * FVU  = Σ‖x − x̂‖² / Σ‖x − μ‖²       μ the mean of all rows added, both sums over all of them
 * MSE  = Σ‖x − x̂‖² / N
 * cosine = (1/N) Σ x·x̂ / (‖x‖ ‖x̂‖)   a row with ‖x‖ = 0 or ‖x̂‖ = 0 counts 0
 * γ    = Σ‖x̂‖² / Σ x̂·x               the γ' that minimises E‖x̂/γ' − x‖² (arXiv 2404.16014, eq. 10)
 * </pre>
 *
 * <p>Σ‖x − μ‖² = Σ‖x − c‖² − ‖Σ(x − c)‖² / N with c the mean of the first batch, so that a mean far from 0 cancels nothing. A
 * block of {@value #BLOCK} rows is summed by one thread and blocks are added in their order: the bits are the same for any
 * number of threads.
 */
public final class RowMetrics {
    private static final int BLOCK = 64;
    private static final int ERROR = 0;
    private static final int COSINE = 1;
    private static final int DOT = 2;
    private static final int NORM = 3;
    private static final int SHIFTED_NORM = 4;
    private static final int SCALARS = 5;

    private final int width;
    private final double[] shift;
    private final double[] total;
    private long rows;

    public RowMetrics(int width) {
        this.width = width;
        this.shift = new double[width];
        this.total = new double[SCALARS + width];
    }

    /**
     * Adds a batch.
     *
     * @param x [rows × width], not modified
     * @param reconstruction x̂, [rows × width], not modified
     * @throws BadInput when x or x̂ holds a NaN or an infinity; the message counts rows from the first one added
     */
    public void add(Matrix x, Matrix reconstruction, Workers workers) {
        x.requireCols(width, "metrics");
        reconstruction.requireCols(width, "metrics of the reconstruction");
        if (x.rows() != reconstruction.rows()) {
            throw new IllegalArgumentException(
                    "metrics: " + x.rows() + " rows and " + reconstruction.rows() + " reconstructions");
        }
        if (rows == 0) {
            x.meanInto(shift);
        }
        int blocks = (x.rows() + BLOCK - 1) / BLOCK;
        double[][] sums = new double[blocks][];
        workers.forEach(blocks, 1, (from, to, worker) -> {
            for (int b = from; b < to; b++) {
                sums[b] = block(x, reconstruction, b * BLOCK, Math.min(x.rows(), (b + 1) * BLOCK));
            }
        });
        for (int b = 0; b < blocks; b++) {
            if (!Double.isFinite(sums[b][ERROR] + sums[b][SHIFTED_NORM])) {
                throw notFinite(x, reconstruction, b * BLOCK);
            }
            for (int i = 0; i < total.length; i++) {
                total[i] += sums[b][i];
            }
        }
        rows += x.rows();
    }

    private double[] block(Matrix x, Matrix reconstruction, int from, int to) {
        double[] sum = new double[SCALARS + width];
        for (int r = from; r < to; r++) {
            double error = 0;
            double norm = 0;
            double reconstructedNorm = 0;
            double dot = 0;
            double shiftedNorm = 0;
            int at = x.offset(r);
            for (int c = 0; c < width; c++) {
                double a = x.data()[at + c];
                double b = reconstruction.data()[at + c];
                double shifted = a - shift[c];
                error += (a - b) * (a - b);
                norm += a * a;
                reconstructedNorm += b * b;
                dot += a * b;
                shiftedNorm += shifted * shifted;
                sum[SCALARS + c] += shifted;
            }
            sum[ERROR] += error;
            sum[COSINE] += norm > 0 && reconstructedNorm > 0 ? dot / Math.sqrt(norm * reconstructedNorm) : 0;
            sum[DOT] += dot;
            sum[NORM] += reconstructedNorm;
            sum[SHIFTED_NORM] += shiftedNorm;
        }
        return sum;
    }

    private BadInput notFinite(Matrix x, Matrix reconstruction, int from) {
        for (int i = from * width; i < x.rows() * width; i++) {
            if (!Float.isFinite(x.data()[i])) {
                return new BadInput("row " + (rows + i / width) + ", column " + i % width + " is " + x.data()[i]
                        + ", expected finite activations");
            }
            if (!Float.isFinite(reconstruction.data()[i])) {
                return new BadInput("the reconstruction of row " + (rows + i / width) + ", column " + i % width + " is "
                        + reconstruction.data()[i] + ": the dictionary holds values that are not finite");
            }
        }
        return new BadInput("rows from " + (rows + from) + ": their squared norm is beyond the range of doubles");
    }

    /** Number of rows added. */
    public long rows() {
        return rows;
    }

    /** μ, the mean of all rows added, [width]. */
    public double[] mean() {
        double[] mean = shift.clone();
        for (int c = 0; c < width; c++) {
            mean[c] += total[SCALARS + c] / rows;
        }
        return mean;
    }

    /** Σ‖x − μ‖². */
    public double variation() {
        double correction = 0;
        for (int c = 0; c < width; c++) {
            correction += total[SCALARS + c] * total[SCALARS + c];
        }
        return total[SHIFTED_NORM] - correction / rows;
    }

    /**
     * Σ‖x − x̂‖² / Σ‖x − μ‖².
     *
     * @throws BadInput when there are no rows, or all are equal, so that it is not defined
     */
    public double fvu() {
        if (rows == 0) {
            throw new BadInput("no rows to evaluate");
        }
        double variation = variation();
        if (!(variation > 0)) {
            throw new BadInput("all " + rows + " rows are equal: without variance there is no FVU");
        }
        return total[ERROR] / variation;
    }

    /** FVU, explained variance, MSE, cosine and relative bias (where Σ x̂·x is not 0); the same errors as {@link #fvu}. */
    public Scores scores() {
        double fvu = fvu();
        return Scores.NONE
                .with(Metric.FVU, fvu)
                .with(Metric.EXPLAINED_VARIANCE, 1 - fvu)
                .with(Metric.MSE, total[ERROR] / rows)
                .with(Metric.MSE_PER_ELEMENT, total[ERROR] / rows / width)
                .with(Metric.COSINE, total[COSINE] / rows)
                .with(Metric.RELATIVE_BIAS, total[DOT] == 0 ? Double.NaN : total[NORM] / total[DOT]);
    }
}
