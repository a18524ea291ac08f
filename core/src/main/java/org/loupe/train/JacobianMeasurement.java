package org.loupe.train;

import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The Jacobians between two SAEs on rows, however they were trained. A latent is counted by the length of what it writes, in the unit in which E‖x‖² = d
 * over the rows measured: with s_x, s_y those units' factors,
 *
 * <pre>
 * J_ij = s_y |w_dec,y,i| ⟨w_enc,y,i , ∂y/∂x(x̂) w_dec,x,j⟩ / (s_x |w_dec,x,j|)
 * </pre>
 *
 * for i active in y and j active in x. For dictionary rows of norm 1 these are the units of {@link JacobianRun}.
 */
public final class JacobianMeasurement {
    private static final int BLOCK = 1024;

    private JacobianMeasurement() {}

    /**
     * Measures the first rows of pairs [the MLP's input | its output].
     *
     * @param rows how many at most
     */
    public static JacobianFigures of(
            Sae in, Sae out, GatedMlp mlp, RowSource pairs, long rows, Workers workers) {
        int dIn = mlp.dIn();
        int dOut = mlp.dOut();
        if (in.dIn() != dIn || in.dOut() != dIn || out.dIn() != dOut || out.dOut() != dOut) {
            throw new BadInput("SAEs of widths " + in.dIn() + " and " + out.dIn() + ", expected autoencoders of the MLP's "
                    + dIn + " and " + dOut + " columns");
        }
        long count = Math.min(rows, pairs.rows());
        double[] squares = new double[2];
        forEachBlock(pairs, count, block -> {
            for (int r = 0; r < block.rows(); r++) {
                for (int c = 0; c < block.cols(); c++) {
                    squares[c < dIn ? 0 : 1] += (double) block.at(r, c) * block.at(r, c);
                }
            }
        });
        double readUnit = Math.sqrt(dIn * count / squares[0]);
        double writtenUnit = Math.sqrt(dOut * count / squares[1]);
        Matrix decoder = copy(in.decoder());
        Matrix encoder = copy(out.encoder());
        for (int j = 0; j < in.latents(); j++) {
            scale(decoder, j, 1 / (readUnit * norm(in.decoder(), j)));
        }
        for (int i = 0; i < out.latents(); i++) {
            scale(encoder, i, writtenUnit * norm(out.decoder(), i));
        }
        JacobianPenalty penalty = new JacobianPenalty(mlp, Kernels.BEST, workers);
        Encoder reads = new Encoder(in, workers);
        Encoder writes = new Encoder(out, workers);
        JacobianFigures.Sums sums = new JacobianFigures.Sums();
        forEachBlock(pairs, count, block -> {
            Latents active = reads.encode(block.columns(0, dIn));
            Matrix reconstruction = Matrix.zeros(block.rows(), dIn);
            Decoder.decode(in, active, reconstruction, workers);
            penalty.look(
                    active(active),
                    decoder,
                    reconstruction,
                    active(writes.encode(block.columns(dIn, dOut))),
                    encoder);
            sums.add(penalty.sums());
        });
        return sums.figures();
    }

    private static JacobianPenalty.Active active(Latents latents) {
        return new JacobianPenalty.Active(latents.starts(), latents.index());
    }

    /** What is done with some rows. */
    @FunctionalInterface
    private interface Take {
        void block(Matrix rows);
    }

    private static void forEachBlock(RowSource pairs, long count, Take take) {
        for (long from = 0; from < count; from += BLOCK) {
            Matrix block = Matrix.zeros((int) Math.min(BLOCK, count - from), pairs.width());
            pairs.read(from, block.rows(), block, 0);
            take.block(block);
        }
    }

    private static Matrix copy(Matrix from) {
        return new Matrix(from.rows(), from.cols(), from.data().clone());
    }

    private static double norm(Matrix rows, int row) {
        return Math.sqrt(
                Kernels.BEST.dot(rows.data(), rows.offset(row), rows.data(), rows.offset(row), rows.cols()));
    }

    private static void scale(Matrix rows, int row, double factor) {
        Kernels.BEST.scale((float) factor, rows.data(), rows.offset(row), rows.cols());
    }
}
