package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.Sae;

/**
 * relu and p_anneal: f = relu(z), L_s = factor · λ Σ φ(f |W_dec,i|). While p falls, λ is rescaled in each step by Σ f / Σ f^p of the batch, so that the
 * penalty's size stays what L1's would be (Karvonen et al. 2024, §3, there over a queue of batches).
 */
final class ReluCoder implements Coder {
    private final TrainConfig config;
    private final LatentSearch search;
    private final DictionaryNorms norms;
    private final SparseStart start;
    private final float[] floor;
    private final float[] normGradient;
    private final Balance balance;
    private SparsityPenalty penalty;

    ReluCoder(TrainConfig config, LatentSearch search, DictionaryNorms norms) {
        this.config = config;
        this.search = search;
        this.norms = norms;
        this.start = new SparseStart(config);
        this.floor = new float[config.latents()];
        this.normGradient = new float[norms.free() ? config.latents() : 0];
        this.balance = new Balance(config.latents());
        this.penalty = SparsityPenalty.at(config, 0);
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        penalty = SparsityPenalty.at(config, progress);
        if (start.due(progress)) {
            SparseStart.lower(sae.encoderBias(), start.level(batch, sae, search));
        }
        search.search(
                batch.centred(), sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Above(floor), batch.active);
        batch.linear();
    }

    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        float[] norm = norms.of(sae.decoder());
        int[] index = batch.active.index();
        double rescaling = config.architecture() == Architecture.P_ANNEAL ? rescaling(batch, norm) : 1;
        double weight = batch.factor * coefficient * rescaling;
        Arrays.fill(normGradient, 0);
        float[] f = batch.f;
        float[] slopes = batch.slope;
        SparsityPenalty phi = penalty;
        double unit = batch.factor * rescaling;
        balance.clear();
        return weight
                * batch.sumByLatent(e -> {
                    int i = index[e];
                    double scaled = f[e] * norm[i];
                    double slope = phi.slope(scaled);
                    balance.add(i, slopes[e], unit * slope * norm[i]);
                    slopes[e] += (float) (weight * slope * norm[i]);
                    if (norms.free()) {
                        normGradient[i] += (float) (weight * slope * f[e]);
                    }
                    return phi.value(scaled);
                });
    }

    /** Σ f / Σ φ(f). */
    private double rescaling(Batch batch, float[] norm) {
        int[] index = batch.active.index();
        double sum = batch.sumByRow(e -> penalty.value(batch.f[e] * norm[index[e]]));
        return sum > 0 ? batch.sumByRow(e -> batch.f[e] * norm[index[e]]) / sum : 1;
    }

    @Override
    public Balance balance() {
        return balance;
    }

    @Override
    public float[] normGradient() {
        return normGradient;
    }
}
