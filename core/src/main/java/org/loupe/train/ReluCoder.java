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
    private final float[] floor;
    private final float[] normGradient;
    private SparsityPenalty penalty;

    ReluCoder(TrainConfig config, LatentSearch search, DictionaryNorms norms) {
        this.config = config;
        this.search = search;
        this.norms = norms;
        this.floor = new float[config.latents()];
        this.normGradient = new float[norms.free() ? config.latents() : 0];
        this.penalty = SparsityPenalty.at(config, 0);
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        penalty = SparsityPenalty.at(config, progress);
        search.search(
                batch.centred(), sae.encoder(), sae.encoderBias(), new LatentSearch.Rule.Above(floor), batch.active);
        batch.linear();
    }

    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        float[] norm = norms.of(sae.decoder());
        int[] index = batch.active.index();
        int entries = batch.active.entries();
        double linear = 0;
        double sum = 0;
        for (int e = 0; e < entries; e++) {
            double f = batch.f[e] * norm[index[e]];
            linear += f;
            sum += penalty.value(f);
        }
        boolean rescaled = config.architecture() == Architecture.P_ANNEAL && sum > 0;
        double weight = batch.factor * coefficient * (rescaled ? linear / sum : 1);
        Arrays.fill(normGradient, 0);
        for (int e = 0; e < entries; e++) {
            int i = index[e];
            double slope = weight * penalty.slope(batch.f[e] * norm[i]);
            batch.slope[e] += (float) (slope * norm[i]);
            if (norms.free()) {
                normGradient[i] += (float) (slope * batch.f[e]);
            }
        }
        return weight * sum;
    }

    @Override
    public float[] normGradient() {
        return normGradient;
    }
}
