package org.loupe.train;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.Activation;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.sae.SignedSearch;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * gated and sign_aware_gated. Gated SAEs (Rajamanoharan et al. 2024, arXiv 2404.16014, eq. 8). With u = W_enc x_c, gate z = u + b_gate, magnitude y = exp(r) u + b_mag:
 *
 * <pre>
 * f = [z &gt; 0] relu(y)
 * L = ‖x̂(f) − x‖² + λ Σ relu(z) |W_dec,i| + ‖x̂_frozen(relu(z)) − x‖²
 * dL/dz = λ |W_dec,i| + ⟨G', W_dec,i⟩      G' the third term's gradient on its reconstruction
 * dL/dy = [y &gt; 0] ⟨G, W_dec,i⟩
 * </pre>
 *
 * <p>x̂_frozen decodes with W_dec and b_dec held fixed: nothing of the third term reaches them. An entry's slope is what its input
 * row is weighed with in dW_enc: dL/dz + exp(r) dL/dy.
 *
 * <p>Behind the second gate of {@link Activation.SignedGated} u, f and relu(z) in the reconstructions have their signs turned, and a batch's
 * pre-activations are −z.
 */
final class GatedCoder implements Coder {
    private final LatentSearch search;
    private final SignedSearch signedSearch;
    private final SparseRows sparse;
    private final DictionaryNorms norms;
    private final NestedLoss frozenLoss;
    private final Parameter logScale;
    private final Parameter magnitudeBias;
    private final @Nullable SecondGate second;
    private final SparseStart start;
    private final float[] floor;
    private final float[] normGradient;

    /** What the slopes of a latent's entries have beside b_gate's gradient. */
    private final float[] notOfGate;

    /** exp(r) of the batch. */
    private final float[] scale;

    private final Batch frozen;
    private final Balance balance;
    private float[] frozenSlope = new float[0];

    /** What the gate of negative u has of its own: b⁻ and b⁻_mag. */
    private record SecondGate(Parameter bias, Parameter magnitudeBias) {}

    GatedCoder(
            TrainConfig config,
            Sae sae,
            double factor,
            LatentSearch search,
            DictionaryNorms norms,
            SparseRows sparse,
            Workers workers) {
        this.search = search;
        this.signedSearch = new SignedSearch(search);
        this.sparse = sparse;
        this.norms = norms;
        this.frozenLoss = new NestedLoss(config.loss(), 0, workers);
        switch (sae.activation()) {
            case Activation.Gated gated -> {
                this.logScale = Parameter.of("log_scale", gated.logScale(), 1);
                this.magnitudeBias = Parameter.of("magnitude_bias", gated.magnitudeBias(), 1);
                this.second = null;
            }
            case Activation.SignedGated gated -> {
                this.logScale = Parameter.of("log_scale", gated.logScale(), 1);
                this.magnitudeBias = Parameter.of("magnitude_bias", gated.magnitudeBias(), 1);
                this.second = new SecondGate(
                        Parameter.of("negative_bias", gated.negativeBias(), 1),
                        Parameter.of("negative_magnitude_bias", gated.negativeMagnitudeBias(), 1));
            }
            default -> throw new IllegalArgumentException("gated: " + sae.activation());
        }
        this.start = new SparseStart(config);
        this.floor = new float[config.latents()];
        this.normGradient = new float[norms.free() ? config.latents() : 0];
        this.notOfGate = new float[config.latents()];
        this.scale = new float[config.latents()];
        this.balance = new Balance(config.latents());
        this.frozen = new Batch(config.batch(), sae.dIn(), sae.dOut(), config.latents(), 1, false, factor, workers);
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        if (start.due(progress)) {
            float by = start.level(batch, sae, search);
            SparseStart.lower(sae.encoderBias(), by);
            if (second != null) {
                SparseStart.lower(second.bias().values(), by);
            }
        }
        if (second == null) {
            LatentSearch.Rule open = new LatentSearch.Rule.Above(floor);
            search.search(batch.centred(), sae.encoder(), sae.encoderBias(), open, batch.active);
        } else {
            signedSearch.gates(
                    batch.centred(),
                    sae.encoder(),
                    sae.encoderBias(),
                    second.bias().values(),
                    batch.active);
        }
        batch.cuts = batch.active.starts();
        float[] f = batch.ownActivations();
        for (int i = 0; i < scale.length; i++) {
            scale[i] = (float) Math.exp(logScale.values()[i]);
        }
        float[] gate = batch.active.value();
        int[] index = batch.active.index();
        float[] bias = sae.encoderBias();
        batch.forEachEntry(e -> {
            int i = index[e];
            float y = scale[i] * projection(gate[e], i, bias)
                    + magnitudeBias(gate[e]).values()[i];
            f[e] = Math.copySign(Math.max(0, y), gate[e]);
        });
    }

    /** u, or −u behind the second gate. */
    private float projection(float gate, int latent, float[] bias) {
        return Math.abs(gate) - (gate < 0 ? secondGate().bias().values() : bias)[latent];
    }

    private Parameter magnitudeBias(float gate) {
        return gate < 0 ? secondGate().magnitudeBias() : magnitudeBias;
    }

    private SecondGate secondGate() {
        return Objects.requireNonNull(second, "a pre-activation below 0");
    }

    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        double loss = frozen(batch, sae);
        Arrays.fill(normGradient, 0);
        balance.clear();
        Arrays.fill(notOfGate, 0);
        parameters().forEach(p -> Arrays.fill(p.gradient(), 0));
        float[] norm = norms.of(sae.decoder());
        double weight = batch.factor * coefficient;
        int[] index = batch.active.index();
        double sum = batch.sumByLatent(e -> {
            int i = index[e];
            float pre = batch.active.value()[e];
            float sign = pre < 0 ? -1 : 1;
            float gate = Math.abs(pre);
            if (norms.free()) {
                normGradient[i] += (float) (weight * gate);
            }
            float ofMagnitude = batch.f[e] == 0 ? 0 : sign * batch.slope[e];
            float ofGate = (float) (weight * norm[i]) + sign * frozenSlope[e];
            magnitudeBias(pre).gradient()[i] += ofMagnitude;
            logScale.gradient()[i] += ofMagnitude * scale[i] * projection(pre, i, sae.encoderBias());
            balance.add(i, sign * frozenSlope[e] + scale[i] * ofMagnitude, batch.factor * norm[i]);
            batch.slope[e] = sign * (ofGate + scale[i] * ofMagnitude);
            if (pre < 0) {
                secondGate().bias().gradient()[i] += ofGate;
            }
            notOfGate[i] += pre < 0 ? batch.slope[e] : scale[i] * ofMagnitude;
            return (double) gate * norm[i];
        });
        return loss + weight * sum;
    }

    /** The third term: its loss, and dL/dz of each entry. */
    private double frozen(Batch batch, Sae sae) {
        int[] index = batch.active.index();
        Matrix target = batch.target;
        System.arraycopy(target.data(), 0, frozen.target.data(), 0, batch.rows * target.cols());
        sparse.decode(
                batch.rows,
                1,
                batch.cuts,
                index,
                batch.active.value(),
                sae.decoder(),
                sae.decoderBias(),
                frozen.reconstruction);
        double loss = frozenLoss.of(frozen).loss();
        if (frozenSlope.length < batch.active.entries()) {
            frozenSlope = new float[batch.active.value().length];
        }
        sparse.slopes(batch.rows, 1, batch.cuts, index, sae.decoder(), frozen.gradient, frozenSlope);
        return loss;
    }

    /** b_gate has no part in y, nor in the second gate. */
    @Override
    public void correct(Gradients gradients) {
        for (int i = 0; i < notOfGate.length; i++) {
            gradients.encoderBias[i] -= notOfGate[i];
        }
    }

    @Override
    public void restart(boolean[] living, double scale) {
        for (int i = 0; i < living.length; i++) {
            if (!living[i]) {
                for (Parameter p : parameters()) {
                    p.values()[i] = 0;
                }
            }
        }
    }

    @Override
    public void lift(int latent, float by) {
        magnitudeBias.values()[latent] += by;
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
        return second == null
                ? List.of(logScale, magnitudeBias)
                : List.of(logScale, magnitudeBias, second.bias(), second.magnitudeBias());
    }
}
