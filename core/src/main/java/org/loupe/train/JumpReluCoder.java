package org.loupe.train;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Activation;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Workers;

/**
 * JumpReLU (Rajamanoharan et al. 2024, arXiv 2407.14435): f = z H(z − θ), θ ≥ 0 learnt. With δ_e = K((z_e − θ_i)/ε)/ε in place of the delta
 * function ({@link StepKernel}), s = dL/df of the reconstruction, B rows:
 *
 * <pre>
 * dL/dz = s H(z − θ)
 * dL/dθ_i = − Σ_b δ (θ_i s + factor · λ q)      q = 1                          step: λ Σ H
 *                                               q = 2 (L0/L0* − 1) / L0*       quadratic: λ B (L0/L0* − 1)²
 *                                               q = tanh(c θ |W_dec,i|)        tanh: λ Σ tanh(c f |W_dec,i|), and its slope in f
 * </pre>
 *
 * <p>ε is the same for all latents where it is given; else ε_i is a multiple of the standard deviation that z_i would have for a direction drawn at
 * random, |W_enc,i| √(V/d), so that it keeps its meaning while the encoder's rows grow.
 *
 * <p>With {@code log_threshold} the optimiser's step is one of log θ, whose gradient is θ dL/dθ: θ stays positive, and moves by a share of itself.
 *
 * <p>δ is not 0 on both sides of θ, so a batch's entries begin at θ minus the kernel's reach, z below 0 included. With {@code
 * input_gradient} z receives −(its share of dL/dθ) as well (Anthropic, Circuits Updates January 2025). {@code preactivation} adds a
 * {@link PreactivationLoss}.
 */
final class JumpReluCoder implements Coder {
    private final ArchitectureConfig.Jump config;
    private final double absolute;
    private final double relative;
    private final double target;
    private final SparsityPenalty tanh;
    private final SparseStart start;
    private final LatentSearch search;
    private final DictionaryNorms norms;
    private final Parameter threshold;
    private final @Nullable PreactivationLoss preactivation;
    private final DictionaryNorms encoderNorms;
    private final float[] bandwidth;
    private final float[] floor;
    private float[] before = new float[0];
    private final float[] normGradient;
    private final Balance balance;

    /** @param spread standard deviation of ⟨w, x⟩ for unit directions w */
    JumpReluCoder(
            TrainConfig config,
            Sae sae,
            double spread,
            LatentSearch search,
            DictionaryNorms norms,
            Kernels kernels,
            Workers workers) {
        this.config = config.arch().jump();
        this.absolute = config.bandwidth();
        this.relative = config.arch().jump().relative_bandwidth() * spread;
        this.encoderNorms = new DictionaryNorms(Norms.FREE, kernels, workers);
        this.bandwidth = new float[config.latents()];
        this.target = config.wantedL0();
        this.tanh = new SparsityPenalty(
                ArchitectureConfig.Penalty.Form.TANH, 1, config.arch().penalty().scale());
        this.start = new SparseStart(config);
        this.search = search;
        this.norms = norms;
        this.threshold = Parameter.of(
                "threshold",
                ((Activation.JumpRelu) sae.activation()).threshold(),
                config.arch().jump().threshold_lr());
        double coefficient = config.arch().jump().preactivation();
        this.preactivation =
                coefficient > 0 ? new PreactivationLoss(coefficient, config.latents(), kernels, workers) : null;
        this.floor = new float[config.latents()];
        this.balance = new Balance(config.latents());
        this.normGradient = new float[norms.free() ? config.latents() : 0];
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        float reach = (float) config.kernel().reach();
        float[] norm = encoderNorms.of(sae.encoder());
        for (int i = 0; i < bandwidth.length; i++) {
            bandwidth[i] = (float) (absolute > 0 ? absolute : relative * norm[i]);
        }
        float[] theta = threshold.values();
        if (config.threshold() == 0 && start.due(progress)) {
            Arrays.fill(theta, start.level(batch, sae, search));
        }
        for (int i = 0; i < floor.length; i++) {
            floor[i] = theta[i] - bandwidth[i] * reach;
        }
        search.search(
                batch.centred(), sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Above(floor), batch.active);
        batch.cuts = batch.active.starts();
        float[] f = batch.ownActivations();
        float[] pre = batch.active.value();
        int[] index = batch.active.index();
        batch.forEachEntry(e -> f[e] = pre[e] > theta[index[e]] ? pre[e] : 0);
    }

    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        Arrays.fill(threshold.gradient(), 0);
        Arrays.fill(normGradient, 0);
        balance.clear();
        float[] norm = norms.of(sae.decoder());
        double l0 = batch.active() / (double) batch.rows;
        double weight = batch.factor * coefficient;
        double loss = switch (config.penalty()) {
            case STEP -> weight * l0 * batch.rows;
            case QUADRATIC -> weight * batch.rows * (l0 / target - 1) * (l0 / target - 1);
            case TANH -> 0;
        };
        float[] pre = batch.active.value();
        int[] index = batch.active.index();
        double own = loss
                + batch.sumByLatent(e -> {
                    int i = index[e];
                    float z = pre[e];
                    float theta = threshold.values()[i];
                    double delta = config.kernel().at((z - theta) / bandwidth[i]) / bandwidth[i];
                    double q = switch (config.penalty()) {
                        case STEP -> 1;
                        case QUADRATIC -> 2 * (l0 / target - 1) / target;
                        case TANH -> tanh.value(theta * norm[i]);
                    };
                    balance.add(i, delta * theta * batch.slope[e], delta * batch.factor * q);
                    double onThreshold = -delta * (theta * batch.slope[e] + weight * q);
                    threshold.gradient()[i] += (float) onThreshold;
                    double slope = z > theta ? batch.slope[e] : 0;
                    double part = 0;
                    if (config.penalty() == ArchitectureConfig.Jump.Sparsity.TANH && z > theta) {
                        double t = weight * tanh.slope(z * norm[i]);
                        slope += t * norm[i];
                        part = weight * tanh.value(z * norm[i]);
                        if (norms.free()) {
                            normGradient[i] += (float) (t * z);
                        }
                    }
                    batch.slope[e] = (float) (slope - (config.input_gradient() ? onThreshold : 0));
                    return part;
                });
        if (preactivation != null) {
            own += preactivation.backward(batch, sae, threshold, norm, norms.free() ? normGradient : null);
        }
        if (config.log_threshold()) {
            before = threshold.values().clone();
            for (int i = 0; i < before.length; i++) {
                threshold.gradient()[i] *= before[i];
            }
        }
        return own;
    }

    @Override
    public float[] commonSlope() {
        return preactivation == null ? new float[0] : preactivation.commonSlope();
    }

    /** θ falls with the norm of the encoder's row: on as many rows as a living latent of that direction it is passed. */
    @Override
    public void restart(boolean[] living, double scale) {
        float[] theta = threshold.values();
        double sum = 0;
        int n = 0;
        for (int i = 0; i < theta.length; i++) {
            sum += living[i] ? theta[i] : 0;
            n += living[i] ? 1 : 0;
        }
        for (int i = 0; i < theta.length; i++) {
            theta[i] = living[i] ? theta[i] : (float) (n > 0 ? scale * sum / n : 0);
        }
    }

    @Override
    public Balance balance() {
        return balance;
    }

    @Override
    public float[] normGradient() {
        return normGradient;
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(threshold);
    }

    @Override
    public void project() {
        float[] theta = threshold.values();
        for (int i = 0; i < theta.length; i++) {
            theta[i] = config.log_threshold()
                    ? (float) (before[i] * Math.exp(theta[i] - before[i]))
                    : Math.max(theta[i], 0);
        }
    }
}
