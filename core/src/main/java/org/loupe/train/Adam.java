package org.loupe.train;

import java.util.List;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Adam's update of every weight of an SAE; dictionary rows end it as their norms are to be held. */
final class Adam {
    private static final int CHUNK = 64;

    private final OptimizerConfig config;
    private final Kernels kernels;
    private final Workers workers;

    Adam(OptimizerConfig config, Kernels kernels, Workers workers) {
        this.config = config;
        this.kernels = kernels;
        this.workers = workers;
    }

    /**
     * One step.
     *
     * @param step 1 for the first
     * @param rate learning rate
     * @param norm of all gradients, for clipping
     * @param encoder the weights of {@code sae} that go latent by latent
     * @param others all other weights
     */
    void update(
            long step,
            double rate,
            double norm,
            Sae sae,
            Gradients.Dictionary dictionary,
            Parameter encoder,
            Parameter decoder,
            List<Parameter> others) {
        double scale = config.clip() > 0 && norm > config.clip() ? config.clip() / norm : 1;
        Kernels.AdamStep all = Kernels.AdamStep.at(step, rate, scale, config.beta1(), config.beta2(), config.epsilon());
        int dIn = sae.dIn();
        int dOut = sae.dOut();
        workers.forEach(sae.latents(), CHUNK, (from, to, worker) -> {
            if (!dictionary.tied()) {
                apply(all, encoder, from * dIn, (to - from) * dIn);
            }
            apply(all, decoder, from * dOut, (to - from) * dOut);
            if (dictionary.unit()) {
                normalizeRows(kernels, sae.decoder(), from, to);
            }
            if (dictionary.aligned()) {
                align(sae, from, to);
            }
        });
        for (Parameter other : others) {
            Kernels.AdamStep own = Kernels.AdamStep.at(
                    step, rate * other.rate(), scale, config.beta1(), config.beta2(), config.epsilon());
            apply(own, other, 0, other.values().length);
        }
    }

    private void apply(Kernels.AdamStep step, Parameter parameter, int at, int n) {
        kernels.adam(step, parameter.gradient(), at, parameter.values(), parameter.first(), parameter.second(), at, n);
    }

    /** Scales rows [from, to) to unit norm. */
    static void normalizeRows(Kernels kernels, Matrix rows, int from, int to) {
        int d = rows.cols();
        for (int i = from; i < to; i++) {
            float square = kernels.dot(rows.data(), i * d, rows.data(), i * d, d);
            kernels.scale((float) (1 / Math.sqrt(square)), rows.data(), i * d, d);
        }
    }

    /** Moves encoder rows along their unit dictionary rows until their inner product is 1. */
    private void align(Sae sae, int from, int to) {
        int d = sae.dIn();
        for (int i = from; i < to; i++) {
            float inner = kernels.dot(sae.encoder().data(), i * d, sae.decoder().data(), i * d, d);
            kernels.addScaled(
                    1 - inner, sae.decoder().data(), i * d, sae.encoder().data(), i * d, d);
        }
    }
}
