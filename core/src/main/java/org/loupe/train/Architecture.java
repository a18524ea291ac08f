package org.loupe.train;

import org.loupe.sae.Activation;

/** What is trained; a switch over it names every case. */
public enum Architecture {
    /** The k largest pre-activations of each row (Gao et al. 2024, arXiv 2406.04093). */
    TOPK,
    /** The k · batch largest of each batch (Bussmann et al. 2024, arXiv 2412.06410). */
    BATCHTOPK;

    /** The activation function of a dictionary that has not been trained yet: what encodes when training is over. */
    Activation initial(TrainConfig config) {
        return switch (this) {
            case TOPK -> new Activation.TopK(config.k());
            case BATCHTOPK -> new Activation.JumpRelu(new float[config.latents()]);
        };
    }
}
