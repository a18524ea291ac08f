package org.loupe.train;

import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The second moment of gradients, E[g gᵀ]: the Fisher matrix where labels were drawn by the model.
 *
 * @param matrix [d][d], raw units
 */
record GradientMoment(double[][] matrix) {
    /**
     * Rows that are read at most, spread evenly: all of a store up to there. Of N rows of Gaussian gradients the standard error of an element
     * is at most √(2/N) of the largest diagonal's: 0.3 %.
     */
    static final int MOST = 262_144;

    private static final int BLOCK = 1024;

    /**
     * Measures gradients [rows × d].
     *
     * @throws BadInput where all are 0
     */
    static GradientMoment of(RowSource gradients, Workers workers) {
        Covariance covariance = new Covariance(gradients.width());
        forEachBlock(gradients, block -> covariance.add(block, workers));
        double[][] moment = covariance.secondMoment();
        double trace = 0;
        for (int i = 0; i < moment.length; i++) {
            trace += moment[i][i];
        }
        requireSome(trace, gradients);
        return new GradientMoment(moment);
    }

    /**
     * √(d / E‖g‖²), over the same rows.
     *
     * @throws BadInput where all are 0
     */
    static double scale(RowSource gradients) {
        double[] sums = new double[2];
        forEachBlock(gradients, block -> {
            for (int i = 0; i < block.rows() * block.cols(); i++) {
                sums[0] += (double) block.data()[i] * block.data()[i];
            }
            sums[1] += block.rows();
        });
        requireSome(sums[0], gradients);
        return Math.sqrt(gradients.width() * sums[1] / sums[0]);
    }

    private static void requireSome(double squares, RowSource gradients) {
        if (!(squares > 0)) {
            throw new BadInput(gradients.name() + ": all are 0, so they weigh nothing");
        }
    }

    /** F = d E[g gᵀ] / E‖g‖², of trace d. */
    double[][] normalised() {
        int d = matrix.length;
        double trace = 0;
        for (int i = 0; i < d; i++) {
            trace += matrix[i][i];
        }
        double[][] out = new double[d][d];
        for (int i = 0; i < d; i++) {
            for (int j = 0; j < d; j++) {
                out[i][j] = d * matrix[i][j] / trace;
            }
        }
        return out;
    }

    /** What is done with some rows. */
    @FunctionalInterface
    private interface Take {
        void block(Matrix rows);
    }

    private static void forEachBlock(RowSource gradients, Take take) {
        long blocks = (gradients.rows() + BLOCK - 1) / BLOCK;
        long read = Math.min(blocks, MOST / BLOCK);
        for (long i = 0; i < read; i++) {
            long from = i * blocks / read * BLOCK;
            int count = (int) Math.min(BLOCK, gradients.rows() - from);
            Matrix block = Matrix.zeros(count, gradients.width());
            gradients.read(from, count, block, 0);
            take.block(block);
        }
    }
}
