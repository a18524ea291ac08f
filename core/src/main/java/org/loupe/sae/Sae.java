package org.loupe.sae;

import java.util.Objects;
import org.loupe.tensor.Matrix;

/**
 * A sparse autoencoder or transcoder:
 *
 * <pre>
 * z = W_enc (x − b_in) + b_enc        b_in = b_dec for an autoencoder, 0 for a transcoder
 * f = σ(z)
 * x̂ = W_decᵀ f + b_dec
 * </pre>
 *
 * <p>Both weights are latent-major, one latent a row, so that decoding and every gradient touch k contiguous rows.
 *
 * @param encoder W_enc [latents × dIn]
 * @param encoderBias b_enc [latents]
 * @param decoder W_dec [latents × dOut]
 * @param decoderBias b_dec [dOut]
 * @param activation σ
 * @param subtractDecoderBias whether b_in is b_dec
 */
public record Sae(
        Matrix encoder,
        float[] encoderBias,
        Matrix decoder,
        float[] decoderBias,
        Activation activation,
        boolean subtractDecoderBias) {
    public Sae {
        Objects.requireNonNull(activation, "activation");
        if (encoder.rows() != decoder.rows()
                || encoderBias.length != encoder.rows()
                || decoderBias.length != decoder.cols()
                || (subtractDecoderBias && encoder.cols() != decoder.cols())) {
            throw new IllegalArgumentException("sae: encoder [" + encoder.rows() + " × " + encoder.cols()
                    + "], encoder bias [" + encoderBias.length + "], decoder [" + decoder.rows() + " × "
                    + decoder.cols() + "] and decoder bias [" + decoderBias.length + "] do not fit together");
        }
        if (activation instanceof Activation.JumpRelu jump && jump.threshold().length != encoder.rows()) {
            throw new IllegalArgumentException(
                    "sae: " + jump.threshold().length + " thresholds for " + encoder.rows() + " latents");
        }
    }

    /** Which latents of a row are active, as a rule for {@link LatentSearch}. */
    public LatentSearch.Rule rule() {
        return switch (activation) {
            case Activation.TopK topK -> new LatentSearch.Rule.Largest(topK.k());
            case Activation.Relu relu -> new LatentSearch.Rule.Above(new float[latents()]);
            case Activation.JumpRelu jump -> new LatentSearch.Rule.Above(jump.threshold());
        };
    }

    /** Number of latents, m. */
    public int latents() {
        return encoder.rows();
    }

    /** Width of the rows it reads. */
    public int dIn() {
        return encoder.cols();
    }

    /** Width of the rows it writes. */
    public int dOut() {
        return decoder.cols();
    }
}
