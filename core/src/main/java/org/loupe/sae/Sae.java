package org.loupe.sae;

import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;

/**
 * A sparse autoencoder or transcoder:
 *
 * <pre>
 * z = W_enc (x − b_in) + b_enc        b_in = b_dec for an autoencoder, 0 for a transcoder; (x − b_in) s(x) with a {@link RowScore}
 * f = σ(z)
 * x̂ = W_decᵀ f + b_dec  (+ W_skip x for a skip transcoder)
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
 * @param skip W_skip [dOut × dIn] of a skip transcoder (Paulo et al. 2025, arXiv 2501.18823), else null
 * @param score what rows are weighed by before the encoder, or null
 */
public record Sae(
        Matrix encoder,
        float[] encoderBias,
        Matrix decoder,
        float[] decoderBias,
        Activation activation,
        boolean subtractDecoderBias,
        @Nullable Matrix skip,
        @Nullable RowScore score) {
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
        if (skip != null && (skip.rows() != decoder.cols() || skip.cols() != encoder.cols())) {
            throw new IllegalArgumentException("sae: skip [" + skip.rows() + " × " + skip.cols() + "], expected ["
                    + decoder.cols() + " × " + encoder.cols() + "]");
        }
        int own = switch (activation) {
            case Activation.JumpRelu jump -> jump.threshold().length;
            case Activation.Gated gated -> Math.min(gated.logScale().length, gated.magnitudeBias().length);
            case Activation.SignedGated gated ->
                IntStream.of(
                                gated.negativeBias().length,
                                gated.logScale().length,
                                gated.magnitudeBias().length,
                                gated.negativeMagnitudeBias().length)
                        .min()
                        .orElseThrow();
            case Activation.TopK _,
                    Activation.AbsTopK _,
                    Activation.Relu _,
                    Activation.MatchingPursuit _,
                    Activation.ResidualCodes _,
                    Activation.Omp _,
                    Activation.Lasso _ -> encoder.rows();
        };
        if (score != null && activation.tied()) {
            throw new IllegalArgumentException("sae: a score of rows, and the encoder is the dictionary");
        }
        if (own != encoder.rows()) {
            throw new IllegalArgumentException("sae: " + own + " values of "
                    + activation.getClass().getSimpleName() + " for " + encoder.rows() + " latents");
        }
        if (activation instanceof Activation.ResidualCodes codes && encoder.rows() % codes.stages() != 0) {
            throw new IllegalArgumentException(
                    "sae: " + encoder.rows() + " codes, expected a multiple of the " + codes.stages() + " stages");
        }
    }

    /** An SAE that takes rows as they are. */
    public Sae(
            Matrix encoder,
            float[] encoderBias,
            Matrix decoder,
            float[] decoderBias,
            Activation activation,
            boolean subtractDecoderBias,
            @Nullable Matrix skip) {
        this(encoder, encoderBias, decoder, decoderBias, activation, subtractDecoderBias, skip, null);
    }

    /** An SAE without W_skip. */
    public Sae(
            Matrix encoder,
            float[] encoderBias,
            Matrix decoder,
            float[] decoderBias,
            Activation activation,
            boolean subtractDecoderBias) {
        this(encoder, encoderBias, decoder, decoderBias, activation, subtractDecoderBias, null, null);
    }

    /**
     * What the encoder reads, (x − b_in) s(x), in place.
     *
     * @param rows the first {@code n} rows of x; overwritten
     */
    public void readable(Kernels kernels, float[] rows, int n) {
        int d = dIn();
        for (int r = 0; r < n; r++) {
            float factor = score == null ? 1 : score.factor(kernels.dot(rows, r * d, rows, r * d, d));
            if (subtractDecoderBias) {
                kernels.addScaled(-1, decoderBias, 0, rows, r * d, d);
            }
            if (factor != 1) {
                kernels.scale(factor, rows, r * d, d);
            }
        }
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
