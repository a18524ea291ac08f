package org.loupe.experiment.question;

import java.util.Arrays;
import org.loupe.activations.RowSource;
import org.loupe.eval.Metric;
import org.loupe.eval.RowMetrics;
import org.loupe.sae.Activation;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * What a row's code takes in bits, and what is left where its coefficients are rounded accordingly.
 *
 * <pre>
 * k of m latents     log₂ C(m, k) + 6 k        each coefficient rounded to 64 levels of its latent's largest one
 * S stages of m / S  S log₂(m / S)             no coefficients
 * </pre>
 */
final class Codings {
    private static final int COEFFICIENT_BITS = 6;
    private static final int ROWS = 16_384;
    private static final int BATCH = 2_048;

    private Codings() {}

    /** Bits of a row with that many active latents. */
    static double bits(Sae sae, double l0) {
        return sae.activation() instanceof Activation.ResidualCodes codes
                ? codes.stages() * log2((double) sae.latents() / codes.stages())
                : bits(sae.latents(), l0);
    }

    /** Bits of the choice of k of m latents and of their coefficients; k need not be whole, C(m, k) goes by the gamma function. */
    static double bits(int latents, double k) {
        return (logFactorial(latents) - logFactorial(k) - logFactorial(latents - k)) / Math.log(2)
                + COEFFICIENT_BITS * k;
    }

    private static double log2(double value) {
        return Math.log(value) / Math.log(2);
    }

    /** ln Γ(n + 1) by Stirling's series after eight steps of the recurrence; errors below 1e-9. */
    static double logFactorial(double n) {
        double shift = 0;
        double x = n + 1;
        for (; x < 9; x++) {
            shift -= Math.log(x);
        }
        return shift
                + (x - 0.5) * Math.log(x)
                - x
                + 0.5 * Math.log(2 * Math.PI)
                + 1 / (12 * x)
                - 1 / (360 * x * x * x)
                + 1 / (1260 * Math.pow(x, 5));
    }

    /** FVU of the first rows of a source with rounded coefficients. */
    static double fvu(Sae sae, RowSource rows, Workers workers) {
        Encoder encoder = new Encoder(sae, workers);
        int count = (int) Math.min(ROWS, rows.rows());
        Matrix x = Matrix.zeros(BATCH, rows.width());
        float[] largest = new float[sae.latents()];
        RowMetrics metrics = new RowMetrics(rows.width());
        boolean codes = sae.activation() instanceof Activation.ResidualCodes;
        for (boolean rounding : codes ? new boolean[] {true} : new boolean[] {false, true}) {
            for (int first = 0; first < count; first += BATCH) {
                int n = Math.min(BATCH, count - first);
                rows.read(first, n, x, 0);
                Latents latents = encoder.encode(x.head(n));
                if (rounding) {
                    Latents rounded = codes ? latents : rounded(latents, largest);
                    Matrix out = Matrix.zeros(n, rows.width());
                    Decoder.decode(sae, rounded, out, workers);
                    metrics.add(x.head(n), out, workers);
                } else {
                    for (int e = 0; e < latents.entries(); e++) {
                        int i = latents.index()[e];
                        largest[i] = Math.max(largest[i], Math.abs(latents.value()[e]));
                    }
                }
            }
        }
        return metrics.scores().value(Metric.FVU);
    }

    /** The middle of the level that each coefficient falls into. */
    private static Latents rounded(Latents latents, float[] largest) {
        float[] values = Arrays.copyOf(latents.value(), latents.entries());
        int levels = 1 << COEFFICIENT_BITS;
        for (int e = 0; e < values.length; e++) {
            float most = largest[latents.index()[e]];
            double level = Math.min(levels - 1, Math.floor(Math.abs(values[e]) / most * levels));
            values[e] = (float) (Math.signum(values[e]) * (level + 0.5) / levels * most);
        }
        return new Latents(latents.starts(), latents.index(), values, latents.latents());
    }
}
