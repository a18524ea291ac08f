package org.loupe.experiment.question;

import java.util.SplittableRandom;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.PairedRows;
import org.loupe.activations.RowSource;
import org.loupe.synth.CausalWorld;
import org.loupe.tensor.Matrix;

/**
 * A computation whose units are known: feature i, with direction d_i in x, writes the direction u_{i mod 32} to y, as strongly as it
 * fires.
 *
 * <pre>
 * x = Σ f_i d_i + noise      y = Σ f_i u_{i mod 32}
 * </pre>
 *
 * <p>An SAE of y can at best find the 32 directions that are written; who wrote them stands in x alone.
 */
final class KnownComputation {
    private static final int WRITTEN = 32;

    private final CausalWorld world;
    private final Matrix written;
    private final Pairs train;
    private final Pairs eval;

    /**
     * Rows of both sides.
     *
     * @param inputs x, [n × 64]
     * @param targets y, [n × 64]
     */
    record Pairs(Matrix inputs, Matrix targets) {}

    KnownComputation(long seed) {
        this.world = CausalWorld.of(false, seed);
        int d = world.config().width();
        SplittableRandom random = new SplittableRandom(seed + 77);
        this.written = Matrix.zeros(WRITTEN, d);
        for (int i = 0; i < WRITTEN; i++) {
            double norm = 0;
            double[] row = new double[d];
            for (int c = 0; c < d; c++) {
                row[c] = random.nextGaussian();
                norm += row[c] * row[c];
            }
            for (int c = 0; c < d; c++) {
                written.data()[written.offset(i) + c] = (float) (row[c] / Math.sqrt(norm));
            }
        }
        this.train = pairs(world.train());
        this.eval = pairs(world.eval());
    }

    private Pairs pairs(CausalWorld.Sample sample) {
        Matrix y = Matrix.zeros(sample.rows().rows(), written.cols());
        for (int r = 0; r < y.rows(); r++) {
            for (int e = sample.codes().starts()[r]; e < sample.codes().starts()[r + 1]; e++) {
                int unit = sample.codes().index()[e] % WRITTEN;
                for (int c = 0; c < y.cols(); c++) {
                    y.data()[y.offset(r) + c] += sample.codes().value()[e] * written.at(unit, c);
                }
            }
        }
        return new Pairs(sample.rows(), y);
    }

    Pairs train() {
        return train;
    }

    Pairs eval() {
        return eval;
    }

    Matrix inputDirections() {
        return world.directions();
    }

    Matrix outputDirections() {
        return written;
    }

    /** The rows to train on, [x | y]. */
    RowSource pairs() {
        return new PairedRows(new MatrixRows(train.inputs()), new MatrixRows(train.targets()));
    }
}
