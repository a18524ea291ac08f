package org.loupe.train;

import java.util.Arrays;
import java.util.List;
import org.loupe.sae.Activation;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Gated SAEs (Rajamanoharan et al. 2024, arXiv 2404.16014, eq. 8). With u = W_enc x_c, gate z = u + b_gate, magnitude y = exp(r) u + b_mag:
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
 */
final class GatedCoder implements Coder {
    private final LatentSearch search;
    private final SparseRows sparse;
    private final DictionaryNorms norms;
    private final NestedLoss frozenLoss;
    private final Activation.Gated gated;
    private final Parameter logScale;
    private final Parameter magnitudeBias;
    private final float[] floor;
    private final float[] normGradient;
    private final float[] throughMagnitude;

    /** exp(r) of the batch. */
    private final float[] scale;

    private final Batch frozen;
    private final Balance balance;
    private float[] frozenSlope = new float[0];

    GatedCoder(
            TrainConfig config,
            Sae sae,
            double factor,
            LatentSearch search,
            DictionaryNorms norms,
            SparseRows sparse,
            Workers workers) {
        this.search = search;
        this.sparse = sparse;
        this.norms = norms;
        this.frozenLoss = new NestedLoss(config.loss(), workers);
        this.gated = (Activation.Gated) sae.activation();
        this.logScale = Parameter.of("log_scale", gated.logScale(), 1);
        this.magnitudeBias = Parameter.of("magnitude_bias", gated.magnitudeBias(), 1);
        this.floor = new float[config.latents()];
        this.normGradient = new float[norms.free() ? config.latents() : 0];
        this.throughMagnitude = new float[config.latents()];
        this.scale = new float[config.latents()];
        this.balance = new Balance(config.latents());
        this.frozen = new Batch(config.batch(), sae.dIn(), sae.dOut(), config.latents(), 1, false, factor, workers);
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        search.search(
                batch.centred(), sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Above(floor), batch.active);
        batch.cuts = batch.active.starts();
        float[] f = batch.ownActivations();
        for (int i = 0; i < scale.length; i++) {
            scale[i] = (float) Math.exp(gated.logScale()[i]);
        }
        float[] gate = batch.active.value();
        int[] index = batch.active.index();
        float[] bias = sae.encoderBias();
        batch.forEachEntry(e -> {
            int i = index[e];
            f[e] = Math.max(0, scale[i] * (gate[e] - bias[i]) + gated.magnitudeBias()[i]);
        });
    }

    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        double loss = frozen(batch, sae);
        Arrays.fill(normGradient, 0);
        balance.clear();
        Arrays.fill(throughMagnitude, 0);
        Arrays.fill(logScale.gradient(), 0);
        Arrays.fill(magnitudeBias.gradient(), 0);
        float[] norm = norms.of(sae.decoder());
        double weight = batch.factor * coefficient;
        int[] index = batch.active.index();
        double sum = batch.sumByLatent(e -> {
            int i = index[e];
            float gate = batch.active.value()[e];
            if (norms.free()) {
                normGradient[i] += (float) (weight * gate);
            }
            float ofMagnitude = batch.f[e] > 0 ? batch.slope[e] : 0;
            magnitudeBias.gradient()[i] += ofMagnitude;
            logScale.gradient()[i] += ofMagnitude * scale[i] * (gate - sae.encoderBias()[i]);
            throughMagnitude[i] += scale[i] * ofMagnitude;
            balance.add(i, frozenSlope[e] + scale[i] * ofMagnitude, batch.factor * norm[i]);
            batch.slope[e] = (float) (weight * norm[i]) + frozenSlope[e] + scale[i] * ofMagnitude;
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

    /** b_gate has no part in y. */
    @Override
    public void correct(Gradients gradients) {
        for (int i = 0; i < throughMagnitude.length; i++) {
            gradients.encoderBias[i] -= throughMagnitude[i];
        }
    }

    @Override
    public void restart(boolean[] living, double scale) {
        for (int i = 0; i < living.length; i++) {
            if (!living[i]) {
                gated.logScale()[i] = 0;
                gated.magnitudeBias()[i] = 0;
            }
        }
    }

    @Override
    public void lift(int latent, float by) {
        gated.magnitudeBias()[latent] += by;
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
        return List.of(logScale, magnitudeBias);
    }
}
