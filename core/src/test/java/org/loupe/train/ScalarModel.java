package org.loupe.train;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.loupe.sae.Sae;

/**
 * What a training step minimises, in doubles and plain loops over dense rows: the oracle of the hand-written backward. All
 * weights lie in one vector θ = (W_enc, b_enc, W_dec, b_dec), so that a finite difference is a step along one of its axes.
 *
 * @param variance V of the loss
 * @param dead latents of the auxiliary loss; empty for none
 */
record ScalarModel(
        int d, int m, int k, Architecture architecture, double variance, double auxWeight, int auxK, int[] dead) {
    static double[] weights(Sae sae) {
        List<float[]> groups =
                List.of(sae.encoder().data(), sae.encoderBias(), sae.decoder().data(), sae.decoderBias());
        return groups.stream()
                .flatMapToDouble(g -> IntStream.range(0, g.length).mapToDouble(i -> g[i]))
                .toArray();
    }

    int encoderBiasAt() {
        return m * d;
    }

    int decoderAt() {
        return m * d + m;
    }

    int decoderBiasAt() {
        return 2 * m * d + m;
    }

    /** L = Σ‖x̂ − x‖² / (B V) + α Σ‖ê − e‖² / Σ‖e − ē‖², the residual e given, so that no derivative passes through it. */
    double loss(double[] theta, double[][] x, double[][] residual) {
        double main = squares(residual(theta, x)) / (x.length * variance);
        if (dead.length == 0) {
            return main;
        }
        double left = 0;
        for (int r = 0; r < x.length; r++) {
            double[] z = preActivations(theta, x[r]);
            double[] out = new double[d];
            for (int i : winners(z, dead, auxK)) {
                addLatent(theta, i, z[i], out);
            }
            for (int c = 0; c < d; c++) {
                left += (out[c] - residual[r][c]) * (out[c] - residual[r][c]);
            }
        }
        return main + auxWeight * left / spread(residual);
    }

    /** e = x − x̂. */
    double[][] residual(double[] theta, double[][] x) {
        double[][] e = new double[x.length][d];
        int[][] active = active(theta, x);
        for (int r = 0; r < x.length; r++) {
            double[] z = preActivations(theta, x[r]);
            double[] out = Arrays.copyOfRange(theta, decoderBiasAt(), decoderBiasAt() + d);
            for (int i : active[r]) {
                addLatent(theta, i, z[i], out);
            }
            for (int c = 0; c < d; c++) {
                e[r][c] = x[r][c] - out[c];
            }
        }
        return e;
    }

    /** The latents that are on in each row. */
    int[][] active(double[] theta, double[][] x) {
        double[][] z = Arrays.stream(x).map(row -> preActivations(theta, row)).toArray(double[][]::new);
        int[] all = IntStream.range(0, m).toArray();
        return switch (architecture) {
            case TOPK -> Arrays.stream(z).map(row -> winners(row, all, k)).toArray(int[][]::new);
            case BATCHTOPK -> {
                double[] flat = Arrays.stream(z).flatMapToDouble(Arrays::stream).toArray();
                int[] on = winners(flat, IntStream.range(0, flat.length).toArray(), k * x.length);
                yield IntStream.range(0, x.length)
                        .mapToObj(r -> Arrays.stream(on)
                                .filter(i -> i / m == r)
                                .map(i -> i % m)
                                .toArray())
                        .toArray(int[][]::new);
            }
        };
    }

    private double[] preActivations(double[] theta, double[] x) {
        double[] z = new double[m];
        for (int i = 0; i < m; i++) {
            z[i] = theta[encoderBiasAt() + i];
            for (int c = 0; c < d; c++) {
                z[i] += theta[i * d + c] * (x[c] - theta[decoderBiasAt() + c]);
            }
        }
        return z;
    }

    /** The positive ones of the {@code count} largest, the lower index first among equals, ascending. */
    private static int[] winners(double[] z, int[] among, int count) {
        return Arrays.stream(among)
                .filter(i -> z[i] > 0)
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(i -> -z[i]).thenComparingInt(i -> i))
                .limit(count)
                .mapToInt(i -> i)
                .sorted()
                .toArray();
    }

    private void addLatent(double[] theta, int i, double f, double[] out) {
        for (int c = 0; c < d; c++) {
            out[c] += f * theta[decoderAt() + i * d + c];
        }
    }

    static double squares(double[][] rows) {
        return Arrays.stream(rows)
                .flatMapToDouble(Arrays::stream)
                .map(v -> v * v)
                .sum();
    }

    /** Σ‖row − mean row‖². */
    static double spread(double[][] rows) {
        double total = squares(rows);
        for (int c = 0; c < rows[0].length; c++) {
            int col = c;
            double sum = Arrays.stream(rows).mapToDouble(row -> row[col]).sum();
            total -= sum * sum / rows.length;
        }
        return total;
    }

    /** dL/dθ by central differences, the residual held at its value at θ. */
    double[] gradient(double[] theta, double[][] x) {
        double[][] fixed = residual(theta, x);
        double h = 1e-6;
        double[] gradient = new double[theta.length];
        for (int i = 0; i < theta.length; i++) {
            double at = theta[i];
            theta[i] = at + h;
            double above = loss(theta, x, fixed);
            theta[i] = at - h;
            double below = loss(theta, x, fixed);
            theta[i] = at;
            gradient[i] = (above - below) / (2 * h);
        }
        return gradient;
    }

    /** Takes the part along the dictionary rows out of a gradient. */
    void removeParallel(double[] theta, double[] gradient) {
        for (int at = decoderAt(); at < decoderBiasAt(); at += d) {
            double along = 0;
            for (int c = at; c < at + d; c++) {
                along += gradient[c] * theta[c];
            }
            for (int c = at; c < at + d; c++) {
                gradient[c] -= along * theta[c];
            }
        }
    }
}
