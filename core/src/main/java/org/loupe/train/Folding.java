package org.loupe.train;

import java.util.Arrays;
import org.loupe.sae.Activation;
import org.loupe.sae.RowScore;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Takes the maps of the rows into the weights, so that an SAE trained on x' = M (x − μ), ŷ' = N (y − ν) works on raw rows. With t = N's
 * scale, f = f' / t:
 *
 * <pre>
 * W_enc,i = M W'_enc,i / t      W_dec,i = t N⁻¹ W'_dec,i      b_dec = N⁻¹ b'_dec + ν
 * b_enc   = b'_enc / t          less ⟨W_enc,i , μ⟩ where the encoder does not subtract b_dec; then b_mag less exp(r) times that
 * ρ       = ρ' / M, M being one factor, of a score of rows
 * W_skip  = N⁻¹ W'_skip M       and b_dec less W_skip μ
 * </pre>
 *
 * <p>Relu, gates, counts and the order of activations commute with one positive factor, thresholds, b_mag and
 * LASSO's λ are divided by t. Where N is t itself an autoencoder keeps its two weights to the bit; under another N dictionary rows no longer
 * have unit norm. Where the encoder is the dictionary N must be t itself. Codes, whose f is 1 in any unit, are N⁻¹ W'_dec,i.
 */
record Folding(RowMap inputs, RowMap targets, Workers workers) {
    private static final int CHUNK = 64;

    /** The SAE in raw units, sharing no array with the one given. */
    Sae fold(Sae sae) {
        double t = targets.scale();
        Activation activation = sae.activation();
        if (activation.tied() && !targets.isScaled()) {
            throw new IllegalArgumentException(
                    "folding: the encoder is the dictionary, so rows may have one factor only, not one for each part or a matrix");
        }
        Matrix dictionary = decoder(sae.decoder(), activation instanceof Activation.ResidualCodes ? 1 : t);
        Matrix encoder = activation.tied() ? dictionary : mapped(sae.encoder(), t);
        double[] encoderBias = divided(sae.encoderBias(), t);
        double[] decoderBias = targets.solve(doubles(sae.decoderBias(), 0, sae.dOut()));
        Matrix trainedSkip = sae.skip();
        Matrix skip = trainedSkip == null ? null : skip(trainedSkip);
        double[] shift = inputs.shift();
        double[] moved = new double[sae.latents()];
        if (shift.length > 0 && !sae.subtractDecoderBias()) {
            subtract(encoder, shift, moved);
        }
        for (int i = 0; i < moved.length; i++) {
            encoderBias[i] += moved[i];
        }
        for (int o = 0; o < targets.shift().length; o++) {
            decoderBias[o] += targets.shift()[o];
        }
        if (shift.length > 0 && skip != null) {
            subtract(skip, shift, decoderBias);
        }
        RowScore score = sae.score();
        return new Sae(
                encoder,
                floats(encoderBias),
                dictionary,
                floats(decoderBias),
                switch (activation) {
                    case Activation.TopK _,
                            Activation.AbsTopK _,
                            Activation.Relu _,
                            Activation.MatchingPursuit _,
                            Activation.ResidualCodes _,
                            Activation.Omp _ -> activation;
                    case Activation.Lasso lasso ->
                        new Activation.Lasso((float) (lasso.penalty() / t), lasso.signed(), lasso.rounds());
                    case Activation.JumpRelu jump -> new Activation.JumpRelu(floats(divided(jump.threshold(), t)));
                    case Activation.Gated gated ->
                        new Activation.Gated(
                                gated.logScale().clone(),
                                magnitudeBias(gated.magnitudeBias(), gated.logScale(), t, moved));
                    case Activation.SignedGated gated -> {
                        double[] back = Arrays.stream(moved).map(v -> -v).toArray();
                        double[] negative = divided(gated.negativeBias(), t);
                        for (int i = 0; i < back.length; i++) {
                            negative[i] += back[i];
                        }
                        yield new Activation.SignedGated(
                                floats(negative),
                                gated.logScale().clone(),
                                magnitudeBias(gated.magnitudeBias(), gated.logScale(), t, moved),
                                magnitudeBias(gated.negativeMagnitudeBias(), gated.logScale(), t, back));
                    }
                },
                sae.subtractDecoderBias(),
                skip,
                score == null ? null : new RowScore(score.exponent(), (float) (score.norm() / inputs.scale())));
    }

    /** Its u is without b_enc, so what moved b_enc moves b_mag too: exp(r) u + b_mag stays. */
    private static float[] magnitudeBias(float[] trained, float[] logScale, double t, double[] moved) {
        double[] bias = divided(trained, t);
        for (int i = 0; i < bias.length; i++) {
            bias[i] += Math.exp(logScale[i]) * moved[i];
        }
        return floats(bias);
    }

    /** M w / t of every row w. */
    private Matrix mapped(Matrix weights, double t) {
        int d = weights.cols();
        Matrix out = Matrix.zeros(weights.rows(), d);
        workers.forEach(weights.rows(), CHUNK, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                if (inputs.matrix().length == 0) {
                    for (int c = 0; c < d; c++) {
                        out.data()[i * d + c] = weights.data()[i * d + c] * (float) (inputs.factor()[c] / t);
                    }
                } else {
                    double[] row = inputs.times(doubles(weights.data(), i * d, d));
                    for (int c = 0; c < d; c++) {
                        out.data()[i * d + c] = (float) (row[c] / t);
                    }
                }
            }
        });
        return out;
    }

    /** unit · N⁻¹ w of every row w. */
    private Matrix decoder(Matrix weights, double unit) {
        int d = weights.cols();
        Matrix out = Matrix.zeros(weights.rows(), d);
        workers.forEach(weights.rows(), CHUNK, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                if (targets.matrix().length == 0) {
                    for (int c = 0; c < d; c++) {
                        out.data()[i * d + c] = weights.data()[i * d + c] * (float) (unit / targets.factor()[c]);
                    }
                } else {
                    double[] row = targets.solve(doubles(weights.data(), i * d, d));
                    for (int c = 0; c < d; c++) {
                        out.data()[i * d + c] = (float) (unit * row[c]);
                    }
                }
            }
        });
        return out;
    }

    private Matrix skip(Matrix trained) {
        if (inputs.isScalar() && targets.isScalar()) {
            return mapped(trained, targets.scale());
        }
        int dOut = trained.rows();
        int dIn = trained.cols();
        double[][] rows = new double[dOut][];
        for (int o = 0; o < dOut; o++) {
            rows[o] = inputs.times(doubles(trained.data(), o * dIn, dIn));
        }
        Matrix out = Matrix.zeros(dOut, dIn);
        double[] column = new double[dOut];
        for (int c = 0; c < dIn; c++) {
            for (int o = 0; o < dOut; o++) {
                column[o] = rows[o][c];
            }
            double[] solved = targets.solve(column);
            for (int o = 0; o < dOut; o++) {
                out.data()[o * dIn + c] = (float) solved[o];
            }
        }
        return out;
    }

    /** bias_i −= ⟨w_i, shift⟩, w as it is saved. */
    private static void subtract(Matrix weights, double[] shift, double[] bias) {
        for (int i = 0; i < bias.length; i++) {
            for (int c = 0; c < shift.length; c++) {
                bias[i] -= weights.at(i, c) * shift[c];
            }
        }
    }

    private static double[] doubles(float[] values, int at, int n) {
        double[] out = new double[n];
        for (int i = 0; i < n; i++) {
            out[i] = values[at + i];
        }
        return out;
    }

    private static double[] divided(float[] values, double by) {
        double[] out = doubles(values, 0, values.length);
        for (int i = 0; i < out.length; i++) {
            out[i] /= by;
        }
        return out;
    }

    private static float[] floats(double[] values) {
        float[] out = new float[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) values[i];
        }
        return out;
    }
}
