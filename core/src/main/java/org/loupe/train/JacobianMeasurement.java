package org.loupe.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
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
     * What was measured.
     *
     * @param rows how many rows were
     * @param fvuIn Σ‖x − x̂‖² / Σ‖x − x̄‖² of the input's SAE
     * @param fvuOut the same of the output's
     */
    public record Result(long rows, JacobianFigures jacobian, double fvuIn, double fvuOut) {
        /** The figures by name. */
        public Map<String, Number> toMap() {
            Map<String, Number> map = new LinkedHashMap<>();
            map.put("rows", rows);
            map.putAll(jacobian.toMap());
            map.put("fvu_in", fvuIn);
            map.put("fvu_out", fvuOut);
            return map;
        }
    }

    /**
     * Measures the first rows of pairs [the MLP's input | its output].
     *
     * @param rows how many at most
     */
    public static Result of(Sae in, Sae out, GatedMlp mlp, RowSource pairs, long rows, Workers workers) {
        int dIn = mlp.dIn();
        int dOut = mlp.dOut();
        if (in.dIn() != dIn || in.dOut() != dIn || out.dIn() != dOut || out.dOut() != dOut) {
            throw new BadInput("SAEs of widths " + in.dIn() + " and " + out.dIn()
                    + ", expected autoencoders of the MLP's " + dIn + " and " + dOut + " columns");
        }
        JacobianRun.requirePairs(pairs, mlp);
        long count = Math.min(rows, pairs.rows());
        Moments read = new Moments(dIn);
        Moments written = new Moments(dOut);
        forEachBlock(pairs, count, block -> {
            read.add(block.columns(0, dIn));
            written.add(block.columns(dIn, dOut));
        });
        Matrix decoder = copy(in.decoder());
        Matrix encoder = copy(out.encoder());
        for (int j = 0; j < in.latents(); j++) {
            double norm = norm(in.decoder(), j);
            scale(decoder, j, norm > 0 ? 1 / (read.unit() * norm) : 0);
        }
        for (int i = 0; i < out.latents(); i++) {
            scale(encoder, i, written.unit() * norm(out.decoder(), i));
        }
        JacobianPenalty penalty = new JacobianPenalty(mlp, Kernels.BEST, workers);
        Encoder reads = new Encoder(in, workers);
        Encoder writes = new Encoder(out, workers);
        JacobianFigures.Sums sums = new JacobianFigures.Sums();
        double[] errors = new double[2];
        forEachBlock(pairs, count, block -> {
            Matrix x = block.columns(0, dIn);
            Matrix y = block.columns(dIn, dOut);
            Latents from = reads.encode(x);
            Latents to = writes.encode(y);
            Matrix reconstruction = decoded(in, from, workers);
            penalty.look(active(from), decoder, reconstruction, active(to), encoder);
            sums.add(penalty.sums());
            errors[0] += distance(x, reconstruction);
            errors[1] += distance(y, decoded(out, to, workers));
        });
        return new Result(count, sums.figures(), errors[0] / read.spread(), errors[1] / written.spread());
    }

    private static Matrix decoded(Sae sae, Latents latents, Workers workers) {
        Matrix rows = Matrix.zeros(latents.rows(), sae.dOut());
        Decoder.decode(sae, latents, rows, workers);
        return rows;
    }

    private static double distance(Matrix a, Matrix b) {
        double squares = 0;
        for (int i = 0; i < a.data().length; i++) {
            double error = (double) a.data()[i] - b.data()[i];
            squares += error * error;
        }
        return squares;
    }

    /** Sums of rows. */
    private static final class Moments {
        private final double[] sums;
        private double squares;
        private long rows;

        Moments(int d) {
            sums = new double[d];
        }

        void add(Matrix block) {
            for (int r = 0; r < block.rows(); r++) {
                for (int c = 0; c < sums.length; c++) {
                    double x = block.at(r, c);
                    sums[c] += x;
                    squares += x * x;
                }
            }
            rows += block.rows();
        }

        /** √(d / E‖x‖²). */
        double unit() {
            return Math.sqrt(sums.length * rows / squares);
        }

        /** Σ‖x − x̄‖². */
        double spread() {
            return squares - Arrays.stream(sums).map(s -> s * s).sum() / rows;
        }
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
        return Math.sqrt(Kernels.BEST.dot(rows.data(), rows.offset(row), rows.data(), rows.offset(row), rows.cols()));
    }

    private static void scale(Matrix rows, int row, double factor) {
        Kernels.BEST.scale((float) factor, rows.data(), rows.offset(row), rows.cols());
    }
}
