package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The error of a TopK SAE on fixed rows around its encoder W, beside the gradient that training uses, which treats the winners as given:
 *
 * <pre>
 * L(W) = (1/N) Σ_r ‖x_r − x̂_r‖²        z_i = ⟨w_i , x − b_dec⟩ + b_i,   x̂ = b_dec + Σ_{i wins} z_i d_i
 * g_i  = (1/N) Σ_{r: i wins} 2 ⟨x̂_r − x_r , d_i⟩ (x_r − b_dec)
 * </pre>
 *
 * <p>L jumps where two latents change places at the k-th rank. A single row is at such a place with probability 0, but of many rows a step of any size
 * takes some across: their jumps are part of dL/dW for the mean over rows, and not of g. Which latents win is decided in f32, all else in double.
 */
final class WinnerChanges {
    private final Sae sae;
    private final Matrix rows;
    private final Workers workers;
    private final Latents winners;

    /**
     * What a step along a direction U does.
     *
     * @param changed share of rows with other winners at W − h U than at W
     * @param ratio (L(W + h U) − L(W − h U)) / 2h over ⟨g, U⟩
     * @param kept the same of the rows whose winners are those of W on both sides; NaN where there are none
     */
    record Step(double changed, double ratio, double kept) {}

    WinnerChanges(Sae sae, Matrix rows, Workers workers) {
        this.sae = sae;
        this.rows = rows;
        this.workers = workers;
        this.winners = new Encoder(sae, workers).encode(rows);
    }

    /** The sign of g: minus the direction of Adam's first step, of length 1 in each weight. */
    Matrix direction() {
        int d = sae.dIn();
        double[] gradient = new double[sae.latents() * d];
        for (int r = 0; r < rows.rows(); r++) {
            double[] error = error(winners, r, sae.encoder());
            for (int e = winners.starts()[r]; e < winners.starts()[r + 1]; e++) {
                int i = winners.index()[e];
                double slope = 2 * along(error, i);
                for (int c = 0; c < d; c++) {
                    gradient[i * d + c] += slope * (rows.at(r, c) - sae.decoderBias()[c]);
                }
            }
        }
        Matrix direction = Matrix.zeros(sae.latents(), d);
        for (int i = 0; i < gradient.length; i++) {
            direction.data()[i] = (float) Math.signum(gradient[i]);
        }
        return direction;
    }

    /** @param size h, what each weight moves by */
    Step step(Matrix direction, double size) {
        Matrix up = moved(direction, size);
        Matrix down = moved(direction, -size);
        Latents above = winners(up);
        Latents below = winners(down);
        int n = rows.rows();
        double[] promised = new double[n];
        double[] actual = new double[n];
        workers.forEach(n, 64, (from, to, _) -> {
            for (int r = from; r < to; r++) {
                promised[r] = promised(r, direction);
                actual[r] = (squares(error(above, r, up)) - squares(error(below, r, down))) / (2 * size);
            }
        });
        int changed = 0;
        double keptPromised = 0;
        double keptActual = 0;
        for (int r = 0; r < n; r++) {
            boolean other = !same(below, r);
            changed += other ? 1 : 0;
            if (!other && same(above, r)) {
                keptPromised += promised[r];
                keptActual += actual[r];
            }
        }
        return new Step(
                (double) changed / n,
                Arrays.stream(actual).sum() / Arrays.stream(promised).sum(),
                keptActual / keptPromised);
    }

    private Latents winners(Matrix encoder) {
        Sae moved = new Sae(
                encoder,
                sae.encoderBias(),
                sae.decoder(),
                sae.decoderBias(),
                sae.activation(),
                sae.subtractDecoderBias());
        return new Encoder(moved, workers).encode(rows);
    }

    private Matrix moved(Matrix direction, double by) {
        Matrix moved = Matrix.zeros(sae.latents(), sae.dIn());
        for (int i = 0; i < moved.data().length; i++) {
            moved.data()[i] = (float) (sae.encoder().data()[i] + by * direction.data()[i]);
        }
        return moved;
    }

    private boolean same(Latents other, int r) {
        return Arrays.equals(
                winners.index(),
                winners.starts()[r],
                winners.starts()[r + 1],
                other.index(),
                other.starts()[r],
                other.starts()[r + 1]);
    }

    /** ⟨g_r , U⟩ of one row. */
    private double promised(int r, Matrix direction) {
        double[] error = error(winners, r, sae.encoder());
        double sum = 0;
        for (int e = winners.starts()[r]; e < winners.starts()[r + 1]; e++) {
            int i = winners.index()[e];
            sum += 2 * along(error, i) * read(direction, i, r);
        }
        return sum;
    }

    /** x̂ − x of a row under another encoder, with given winners. */
    private double[] error(Latents active, int r, Matrix encoder) {
        int d = sae.dIn();
        double[] error = new double[d];
        for (int c = 0; c < d; c++) {
            error[c] = (double) sae.decoderBias()[c] - rows.at(r, c);
        }
        for (int e = active.starts()[r]; e < active.starts()[r + 1]; e++) {
            int i = active.index()[e];
            double z = read(encoder, i, r) + sae.encoderBias()[i];
            for (int c = 0; c < d; c++) {
                error[c] += z * sae.decoder().at(i, c);
            }
        }
        return error;
    }

    /** ⟨w_i , x_r − b_dec⟩. */
    private double read(Matrix weights, int i, int r) {
        double sum = 0;
        for (int c = 0; c < sae.dIn(); c++) {
            sum += (double) weights.at(i, c) * ((double) rows.at(r, c) - sae.decoderBias()[c]);
        }
        return sum;
    }

    private double along(double[] error, int latent) {
        double sum = 0;
        for (int c = 0; c < error.length; c++) {
            sum += error[c] * sae.decoder().at(latent, c);
        }
        return sum;
    }

    private static double squares(double[] values) {
        return Arrays.stream(values).map(v -> v * v).sum();
    }
}
