package org.loupe.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;

/**
 * What a training step minimises, in doubles and plain loops over dense rows: the oracle of the hand-written backward. All
 * weights lie in one vector θ = (W_enc, b_enc, W_dec, b_dec, the architecture's own), so that a finite difference is a step along one of its
 * axes. What the step holds fixed (the residual of AuxK, Gated's frozen dictionary, hard winners of a straight-through
 * estimator) is taken from a base point.
 *
 * @param noise Gumbel noise of (row, latent), scaled by the temperature
 * @param dead latents of the auxiliary loss; empty for none
 * @param modelGradient ĝ of each row; empty where nothing reads it
 */
record ScalarModel(
        int d,
        int m,
        int k,
        TrainConfig config,
        double variance,
        double coefficient,
        double temperature,
        Noise noise,
        double auxWeight,
        int auxK,
        int[] dead,
        double[][] modelGradient) {
    /** Share of the run at which the step is done. */
    static final double PROGRESS = 0.5;

    /** Noise of one pre-activation. */
    interface Noise {
        double of(int row, int latent);
    }

    static double[] weights(Sae sae) {
        List<float[]> groups = new ArrayList<>(
                List.of(sae.encoder().data(), sae.encoderBias(), sae.decoder().data(), sae.decoderBias()));
        switch (sae.activation()) {
            case Activation.JumpRelu jump -> groups.add(jump.threshold());
            case Activation.Gated gated -> {
                groups.add(gated.logScale());
                groups.add(gated.magnitudeBias());
            }
            case Activation.SignedGated gated -> {
                groups.add(gated.logScale());
                groups.add(gated.magnitudeBias());
                groups.add(gated.negativeBias());
                groups.add(gated.negativeMagnitudeBias());
            }
            default -> {}
        }
        if (sae.score() != null) {
            groups.add(new float[] {sae.score().exponent()});
        }
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

    int ownAt() {
        return 2 * m * d + m + d;
    }

    /** The loss at θ, what is held fixed being taken from base. */
    double loss(double[] weights, double[][] x, double[] base) {
        if (config.architecture().steps() && config.architecture().classic()) {
            return codesLoss(weights, x, base);
        }
        double[] theta = config.aligned() ? aligned(weights) : weights;
        double[][][] levels = activations(theta, x, base);
        double total = 0;
        for (double[][] f : levels) {
            total += weighed(residual(theta, x, f)) * factor(x.length) / levels.length;
        }
        total += penalty(theta, x, base, levels[levels.length - 1]);
        return dead.length == 0 ? total : total + auxiliary(theta, x, base);
    }

    /** W_enc,i + (1 − ⟨W_enc,i , W_dec,i⟩) W_dec,i in place of every W_enc,i. */
    private double[] aligned(double[] weights) {
        double[] theta = weights.clone();
        for (int i = 0; i < m; i++) {
            double inner = 0;
            for (int c = 0; c < d; c++) {
                inner += weights[i * d + c] * weights[decoderAt() + i * d + c];
            }
            for (int c = 0; c < d; c++) {
                theta[i * d + c] += (1 - inner) * weights[decoderAt() + i * d + c];
            }
        }
        return theta;
    }

    private double factor(int rows) {
        return 1 / (rows * (config.loss() == Loss.SQUARED ? variance : Math.sqrt(variance)));
    }

    private double weighed(double[][] residual) {
        double beta = config.tokenTerm();
        double total = distance(residual);
        for (int r = 0; beta > 0 && r < residual.length; r++) {
            total += beta * Math.pow(inner(modelGradient[r], residual[r], 0), 2);
        }
        return total / (1 + beta);
    }

    /** ⟨a, b[at…]⟩. */
    private static double inner(double[] a, double[] b, int at) {
        return IntStream.range(0, a.length).mapToDouble(c -> a[c] * b[at + c]).sum();
    }

    private double distance(double[][] residual) {
        return config.loss() == Loss.SQUARED
                ? squares(residual)
                : Arrays.stream(residual)
                        .mapToDouble(row -> Math.sqrt(squares(new double[][] {row})))
                        .sum();
    }

    /** f of every level, row and latent; the last level has all. */
    double[][][] activations(double[] theta, double[][] x, double[] base) {
        double[][] z = preActivations(theta, x);
        int[] all = IntStream.range(0, m).toArray();
        return switch (config.architecture()) {
            case RELU, P_ANNEAL -> one(map(z, (r, i, v) -> Math.max(v, 0)));
            case TOPK -> {
                double select = config.gradient().select();
                double[][] score = select == 0
                        ? z
                        : map(
                                z,
                                (r, i, v) -> v
                                        * (1 + select * Math.abs(inner(modelGradient[r], theta, decoderAt() + i * d))));
                yield one(keep(z, r -> winners(score[r], all, k)));
            }
            case ABSTOPK -> one(keep(z, r -> winners(map(z, (row, i, v) -> Math.abs(v))[r], all, k)));
            case HIERARCHICAL_TOPK -> {
                int count = TopKCoder.levels(k);
                double[][][] levels = new double[count][][];
                for (int l = 0; l < count; l++) {
                    int most = k >> (count - 1 - l);
                    levels[l] = keep(z, r -> winners(z[r], all, most));
                }
                yield levels;
            }
            case BATCHTOPK -> one(ofBatch(z));
            case MATRYOSHKA -> {
                double[][] f = ofBatch(z);
                int count = Coders.levels(config);
                double[][][] levels = new double[count][][];
                for (int l = 0; l < count; l++) {
                    int end = m >> (count - 1 - l);
                    levels[l] = map(f, (r, i, v) -> i < end ? v : 0);
                }
                yield levels;
            }
            case JUMPRELU -> one(map(z, (r, i, v) -> v > theta[ownAt() + i] ? v : 0));
            case GATED ->
                one(map(z, (r, i, v) -> {
                    double u = v - theta[encoderBiasAt() + i];
                    return v > 0 ? Math.max(0, Math.exp(theta[ownAt() + i]) * u + theta[ownAt() + m + i]) : 0;
                }));
            case SIGN_AWARE_GATED -> {
                double[][] gates = signedGates(theta, x);
                yield one(map(gates, (r, i, v) -> {
                    double u = z[r][i] - theta[encoderBiasAt() + i];
                    double scale = Math.exp(theta[ownAt() + i]);
                    return v > 0
                            ? Math.max(0, scale * u + theta[ownAt() + m + i])
                            : v < 0 ? -Math.max(0, -scale * u + theta[ownAt() + 3 * m + i]) : 0;
                }));
            }
            case GUMBEL_TOPK -> one(gumbel(z, preActivations(base, x)));
            case MATCHING_PURSUIT -> one(pursuit(theta, x));
            case VQ, RESIDUAL_VQ -> one(codes(base, x));
            case DICTIONARY_LEARNING -> throw new AssertionError("it has no gradients; see DictionaryFitTest");
        };
    }

    /** The open gate of each latent, negative where it is the second; 0: none is open. */
    private double[][] signedGates(double[] theta, double[][] x) {
        return map(preActivations(theta, x), (r, i, v) -> {
            double second = -(v - theta[encoderBiasAt() + i]) + theta[ownAt() + 2 * m + i];
            return v <= 0 && second <= 0 ? 0 : v >= second ? v : -second;
        });
    }

    private static double[][][] one(double[][] f) {
        return new double[][][] {f};
    }

    private double[][] ofBatch(double[][] z) {
        double[] flat = Arrays.stream(z).flatMapToDouble(Arrays::stream).toArray();
        int[] on = winners(flat, IntStream.range(0, flat.length).toArray(), k * z.length);
        double[][] f = new double[z.length][m];
        for (int i : on) {
            f[i / m][i % m] = flat[i];
        }
        return f;
    }

    private double[][] gumbel(double[][] z, double[][] fixed) {
        boolean relaxed = config.arch().gumbel().form() == ArchitectureConfig.Gumbel.Softness.RELAXED;
        double[][] f = new double[z.length][m];
        for (int r = 0; r < z.length; r++) {
            int row = r;
            int[] candidates = winners(
                    z[r],
                    IntStream.range(0, m).toArray(),
                    k * config.arch().gumbel().candidates());
            double[] soft = soft(z[r], candidates, r);
            double[] before = soft(fixed[r], candidates, r);
            double[] score = IntStream.range(0, m)
                    .mapToDouble(i -> 1e6 + z[row][i] + noise.of(row, i))
                    .toArray();
            int[] hard = winners(score, candidates, k);
            for (int i : candidates) {
                f[r][i] = relaxed
                        ? soft[i] * z[r][i]
                        : (contains(hard, i) ? z[r][i] : 0) + fixed[r][i] * (soft[i] - before[i]);
            }
        }
        return f;
    }

    private static boolean contains(int[] values, int value) {
        return Arrays.stream(values).anyMatch(v -> v == value);
    }

    private double[] soft(double[] z, int[] candidates, int row) {
        double[] p = new double[m];
        double low = -1e3;
        double high = 1e3;
        for (int step = 0; step < 80; step++) {
            double centre = 0.5 * (low + high);
            double sum = 0;
            for (int i : candidates) {
                p[i] = candidates.length <= k
                        ? 1
                        : 1 / (1 + Math.exp((centre - z[i] - noise.of(row, i)) / temperature));
                sum += p[i];
            }
            if (sum > k) {
                low = centre;
            } else {
                high = centre;
            }
        }
        return p;
    }

    private double[][] pursuit(double[] theta, double[][] x) {
        double[][] f = new double[x.length][m];
        for (int r = 0; r < x.length; r++) {
            double[] left = new double[d];
            for (int c = 0; c < d; c++) {
                left[c] = x[r][c] - theta[decoderBiasAt() + c];
            }
            for (int step = 0; step < k; step++) {
                double[] z = new double[m];
                for (int i = 0; i < m; i++) {
                    for (int c = 0; c < d; c++) {
                        z[i] += theta[decoderAt() + i * d + c] * left[c];
                    }
                }
                for (int i : winners(z, IntStream.range(0, m).toArray(), 1)) {
                    f[r][i] += z[i];
                    for (int c = 0; c < d; c++) {
                        left[c] -= z[i] * theta[decoderAt() + i * d + c];
                    }
                }
            }
        }
        return f;
    }

    /** Σ_t ‖sg(r_{t−1}) − c_t‖² + β ‖r_{t−1} − sg(c_t)‖²: codebook and commitment of van den Oord et al. 2017, eq. 3, at each stage. */
    private double codesLoss(double[] theta, double[][] x, double[] base) {
        double[][] on = codes(base, x);
        double total = 0;
        for (int r = 0; r < x.length; r++) {
            double[] fixed = new double[d];
            double[] free = new double[d];
            for (int c = 0; c < d; c++) {
                fixed[c] = x[r][c] - base[decoderBiasAt() + c];
                free[c] = x[r][c] - theta[decoderBiasAt() + c];
            }
            for (int i = 0; i < m; i++) {
                for (int c = 0; on[r][i] > 0 && c < d; c++) {
                    int at = decoderAt() + i * d + c;
                    total += (fixed[c] - theta[at]) * (fixed[c] - theta[at]);
                    fixed[c] -= base[at];
                    free[c] -= base[at];
                    total += config.arch().vq().commitment() * free[c] * free[c];
                }
            }
        }
        return factor(x.length) * total;
    }

    /** 1 for the nearest code of each stage; latents of a stage follow those of the one before it. */
    private double[][] codes(double[] theta, double[][] x) {
        int stages = config.architecture() == Architecture.VQ ? 1 : k;
        double[][] on = new double[x.length][m];
        for (int r = 0; r < x.length; r++) {
            double[] left = new double[d];
            for (int c = 0; c < d; c++) {
                left[c] = x[r][c] - theta[decoderBiasAt() + c];
            }
            for (int s = 0; s < stages; s++) {
                int nearest = -1;
                double least = Double.POSITIVE_INFINITY;
                for (int i = s * (m / stages); i < (s + 1) * (m / stages); i++) {
                    double square = 0;
                    for (int c = 0; c < d; c++) {
                        square += Math.pow(left[c] - theta[decoderAt() + i * d + c], 2);
                    }
                    if (square < least) {
                        nearest = i;
                        least = square;
                    }
                }
                on[r][nearest] = 1;
                for (int c = 0; c < d; c++) {
                    left[c] -= theta[decoderAt() + nearest * d + c];
                }
            }
        }
        return on;
    }

    private double penalty(double[] theta, double[][] x, double[] base, double[][] f) {
        double weight = factor(x.length) * coefficient;
        double[] norm = new double[m];
        for (int i = 0; i < m; i++) {
            for (int c = 0; c < d; c++) {
                norm[i] += theta[decoderAt() + i * d + c] * theta[decoderAt() + i * d + c];
            }
            norm[i] = config.norms() == Norms.FREE ? Math.sqrt(norm[i]) : 1;
        }
        return switch (config.architecture()) {
            case RELU -> weight * sum(f, norm, this::phi);
            case P_ANNEAL -> {
                double[][] before = activations(base, x, base)[0];
                yield weight * sum(f, norm, this::phi) * sum(before, norm, v -> v) / sum(before, norm, this::phi);
            }
            case JUMPRELU -> {
                double active = sum(f, norm, v -> v > 0 ? 1 : 0);
                double excess = active / x.length / k - 1;
                yield silence(theta, x, norm)
                        + weight
                                * switch (config.arch().jump().penalty()) {
                                    case STEP -> active;
                                    case QUADRATIC -> x.length * excess * excess;
                                    case TANH ->
                                        sum(
                                                f,
                                                norm,
                                                v -> Math.tanh(
                                                        config.arch().penalty().scale() * v));
                                };
            }
            case GATED -> {
                double[][] gate = map(preActivations(theta, x), (r, i, v) -> Math.max(v, 0));
                double[] frozen = theta.clone();
                System.arraycopy(base, decoderAt(), frozen, decoderAt(), m * d + d);
                yield weight * sum(gate, norm, v -> v) + factor(x.length) * distance(residual(frozen, x, gate));
            }
            case SIGN_AWARE_GATED -> {
                double[][] gates = signedGates(theta, x);
                double[] frozen = theta.clone();
                System.arraycopy(base, decoderAt(), frozen, decoderAt(), m * d + d);
                yield weight * sum(gates, norm, Math::abs) + factor(x.length) * distance(residual(frozen, x, gates));
            }
            default -> 0;
        };
    }

    /** λ_p Σ relu(θ − z) |W_dec,i| over the dead latents of all rows, in the loss's unit. */
    private double silence(double[] theta, double[][] x, double[] norm) {
        double[][] z = preActivations(theta, x);
        double sum = 0;
        for (int i : dead) {
            for (double[] row : z) {
                sum += Math.max(0, theta[ownAt() + i] - row[i]) * norm[i];
            }
        }
        return factor(x.length) * config.arch().jump().preactivation() * sum;
    }

    private double phi(double f) {
        double end = config.arch().penalty().p();
        double p = config.architecture() == Architecture.P_ANNEAL ? 1 + (end - 1) * PROGRESS : end;
        return switch (config.arch().penalty().form()) {
            case LP -> p < 1 && f < 0.01 ? f * Math.pow(0.01, p - 1) : Math.pow(f, p);
            case TANH -> Math.tanh(config.arch().penalty().scale() * f);
        };
    }

    private interface Function {
        double of(double value);
    }

    private static double sum(double[][] f, double[] norm, Function function) {
        double total = 0;
        for (double[] row : f) {
            for (int i = 0; i < row.length; i++) {
                total += row[i] == 0 ? 0 : function.of(row[i] * norm[i]);
            }
        }
        return total;
    }

    /** α Σ‖ê − e‖² / Σ‖e − ē‖², the residual e that of the base point. */
    private double auxiliary(double[] theta, double[][] x, double[] base) {
        double[][][] before = activations(base, x, base);
        double[][] residual = residual(base, x, before[before.length - 1]);
        double[] held = theta.clone();
        if (config.cosine()) {
            held[exponentAt(theta)] = base[exponentAt(base)];
        }
        double[][] z = preActivations(held, x);
        double left = 0;
        for (int r = 0; r < x.length; r++) {
            double[] out = new double[d];
            for (int i : winners(z[r], dead, auxK)) {
                addLatent(theta, i, z[r][i], out);
            }
            for (int c = 0; c < d; c++) {
                left += (out[c] - residual[r][c]) * (out[c] - residual[r][c]);
            }
        }
        return auxWeight * left / spread(residual);
    }

    /** e = x − x̂ of the activations. */
    double[][] residual(double[] theta, double[][] x, double[][] f) {
        double[][] e = new double[x.length][d];
        for (int r = 0; r < x.length; r++) {
            double[] out = Arrays.copyOfRange(theta, decoderBiasAt(), decoderBiasAt() + d);
            for (int i = 0; i < m; i++) {
                addLatent(theta, i, f[r][i], out);
            }
            for (int c = 0; c < d; c++) {
                e[r][c] = x[r][c] - out[c];
            }
        }
        return e;
    }

    double[][] preActivations(double[] theta, double[][] x) {
        int encoderAt = config.architecture() == Architecture.MATCHING_PURSUIT ? decoderAt() : 0;
        double[][] z = new double[x.length][m];
        for (int r = 0; r < x.length; r++) {
            double factor = config.cosine()
                    ? Math.pow(Math.sqrt(squares(new double[][] {x[r]}) / d), theta[exponentAt(theta)] - 1)
                    : 1;
            for (int i = 0; i < m; i++) {
                z[r][i] = theta[encoderBiasAt() + i];
                for (int c = 0; c < d; c++) {
                    z[r][i] += factor * theta[encoderAt + i * d + c] * (x[r][c] - theta[decoderBiasAt() + c]);
                }
            }
        }
        return z;
    }

    /** α is the last of all weights. */
    static int exponentAt(double[] theta) {
        return theta.length - 1;
    }

    private interface Entry {
        double of(int row, int latent, double value);
    }

    private double[][] map(double[][] z, Entry entry) {
        double[][] out = new double[z.length][m];
        for (int r = 0; r < z.length; r++) {
            for (int i = 0; i < m; i++) {
                out[r][i] = entry.of(r, i, z[r][i]);
            }
        }
        return out;
    }

    private interface Kept {
        int[] of(int row);
    }

    private double[][] keep(double[][] z, Kept kept) {
        double[][] out = new double[z.length][m];
        for (int r = 0; r < z.length; r++) {
            for (int i : kept.of(r)) {
                out[r][i] = z[r][i];
            }
        }
        return out;
    }

    /** The positive ones of the {@code count} largest, the lower index first among equals, ascending. */
    static int[] winners(double[] z, int[] among, int count) {
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

    /** dL/dθ by central differences; JumpReLU's thresholds, on which the loss is a step function, by the estimator's definition. */
    double[] gradient(double[] theta, double[][] x) {
        double[] base = theta.clone();
        double h = 1e-6;
        double[] gradient = new double[theta.length];
        boolean jump = config.architecture() == Architecture.JUMPRELU;
        for (int i = 0; i < theta.length; i++) {
            if (jump && i >= ownAt() && i < ownAt() + m) {
                continue;
            }
            double at = theta[i];
            theta[i] = at + h;
            double above = loss(theta, x, base);
            theta[i] = at - h;
            double below = loss(theta, x, base);
            theta[i] = at;
            gradient[i] = (above - below) / (2 * h);
        }
        if (jump) {
            thresholds(theta, x, gradient);
        }
        if (config.architecture().tied()) {
            Arrays.fill(gradient, 0, decoderAt(), 0);
        }
        return gradient;
    }

    /** −Σ_b K((z − θ)/ε)/ε · (θ dL/df + dL_s/dstep), and with input_gradient its negative on z and so on W_enc, b_enc and b_dec. */
    private void thresholds(double[] theta, double[][] x, double[] gradient) {
        double epsilon = config.bandwidth();
        double[][] z = preActivations(theta, x);
        double[][] f = activations(theta, x, theta)[0];
        double[][] e = residual(theta, x, f);
        double l0 = sum(f, ones(), v -> 1) / x.length;
        for (int r = 0; r < x.length; r++) {
            for (int i = 0; i < m; i++) {
                double t = theta[ownAt() + i];
                double delta = config.arch().jump().kernel().at((z[r][i] - t) / epsilon) / epsilon;
                double slope = 0;
                double norm = 0;
                for (int c = 0; c < d; c++) {
                    slope += -2 * factor(x.length) * e[r][c] * theta[decoderAt() + i * d + c];
                    norm += theta[decoderAt() + i * d + c] * theta[decoderAt() + i * d + c];
                }
                norm = config.norms() == Norms.FREE ? Math.sqrt(norm) : 1;
                double step = switch (config.arch().jump().penalty()) {
                    case STEP -> 1;
                    case QUADRATIC -> 2 * (l0 / k - 1) / k;
                    case TANH -> Math.tanh(config.arch().penalty().scale() * t * norm);
                };
                double own = -delta * (t * slope + factor(x.length) * coefficient * step);
                gradient[ownAt() + i] += own;
                if (z[r][i] < t && contains(dead, i)) {
                    gradient[ownAt() + i] +=
                            factor(x.length) * config.arch().jump().preactivation() * norm;
                }
                if (config.arch().jump().input_gradient()) {
                    gradient[encoderBiasAt() + i] -= own;
                    for (int c = 0; c < d; c++) {
                        gradient[i * d + c] -= own * (x[r][c] - theta[decoderBiasAt() + c]);
                        gradient[decoderBiasAt() + c] += own * theta[i * d + c];
                    }
                }
            }
        }
    }

    private double[] ones() {
        double[] ones = new double[m];
        Arrays.fill(ones, 1);
        return ones;
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
