package org.loupe.experiment.question;

import java.util.SplittableRandom;
import org.loupe.activations.MatrixRows;
import org.loupe.activations.PairedRows;
import org.loupe.activations.RowSource;
import org.loupe.sae.Latents;
import org.loupe.synth.CausalWorld;
import org.loupe.synth.Truth;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * A computation whose units are known: of 128 features in x the even ones are read, each of which writes a direction of its own to y,
 * as strongly as it fires.
 *
 * <pre>
 * x = Σ f_i d_i + noise      y = Σ_even f_i u_i
 * </pre>
 *
 * <p>An SAE of y can find what is written, u_i; what it was read from, d_i, stands in x alone, beside features that nothing reads.
 */
final class KnownComputation {
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
        this.written =
                Truth.unitRows(world.directions().rows() / 2, world.config().width(), new SplittableRandom(seed + 77));
        this.train = pairs(world.train());
        this.eval = pairs(world.eval());
    }

    private Pairs pairs(CausalWorld.Sample sample) {
        Matrix y = Matrix.zeros(sample.rows().rows(), written.cols());
        for (int r = 0; r < y.rows(); r++) {
            for (int e = sample.codes().starts()[r]; e < sample.codes().starts()[r + 1]; e++) {
                int feature = sample.codes().index()[e];
                for (int c = 0; world.causal(feature) && c < y.cols(); c++) {
                    y.data()[y.offset(r) + c] += sample.codes().value()[e] * written.at(feature / 2, c);
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

    /** Directions of the features that are read, in the order of what they write. */
    Matrix inputDirections() {
        Matrix read = Matrix.zeros(written.rows(), world.directions().cols());
        for (int i = 0; i < read.rows(); i++) {
            System.arraycopy(
                    world.directions().data(),
                    world.directions().offset(2 * i),
                    read.data(),
                    read.offset(i),
                    read.cols());
        }
        return read;
    }

    /**
     * What encoder rows w stand for in the inputs: the pattern C w, C the inputs' covariance (Haufe et al. 2014). A row that reads a feature
     * with the least interference points away from the features beside it; its pattern is the feature's direction.
     */
    Matrix patterns(Matrix encoder, Workers workers) {
        double[][] c = inputs(workers).matrix();
        Matrix patterns = Matrix.zeros(encoder.rows(), encoder.cols());
        for (int i = 0; i < encoder.rows(); i++) {
            for (int a = 0; a < encoder.cols(); a++) {
                double sum = 0;
                for (int b = 0; b < encoder.cols(); b++) {
                    sum += c[a][b] * encoder.at(i, b);
                }
                patterns.data()[patterns.offset(i) + a] = (float) sum;
            }
        }
        return patterns;
    }

    /**
     * Covariances of activations with the inputs, up to a factor: Σ_r f_ri (x_r − x̄).
     *
     * @param latents of the rows of {@link #eval}
     * @return [latents × 64]
     */
    Matrix covariances(Latents latents, Workers workers) {
        Matrix x = eval.inputs();
        double[] mean = inputs(workers).mean();
        Matrix out = Matrix.zeros(latents.latents(), x.cols());
        for (int r = 0; r < x.rows(); r++) {
            for (int e = latents.starts()[r]; e < latents.starts()[r + 1]; e++) {
                int at = out.offset(latents.index()[e]);
                for (int c = 0; c < x.cols(); c++) {
                    out.data()[at + c] += (float) (latents.value()[e] * (x.at(r, c) - mean[c]));
                }
            }
        }
        return out;
    }

    private Covariance inputs(Workers workers) {
        Covariance covariance = new Covariance(eval.inputs().cols());
        covariance.add(eval.inputs(), workers);
        return covariance;
    }

    Matrix outputDirections() {
        return written;
    }

    /** The rows to train on, [x | y]. */
    RowSource pairs() {
        return new PairedRows(new MatrixRows(train.inputs()), new MatrixRows(train.targets()));
    }
}
