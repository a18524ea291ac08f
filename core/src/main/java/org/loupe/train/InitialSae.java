package org.loupe.train;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;

/**
 * Where training starts: unit-norm Gaussian dictionary rows, the encoder equal to them, b_enc = 0, b_dec the data's centre.
 * Classic architectures move the dictionary to rows of the first batch when they see it ({@link RowPicks}).
 *
 * <p>A transcoder's encoder rows e_i are Gaussian directions; its dictionary row is the direction in which y moves with ⟨e_i, x⟩, C e_i with
 * C the cross-covariance, and e_i is scaled so that z W_dec,i moves y as far as its regression on ⟨e_i, x⟩ does, divided by √k where a
 * row has k active latents by count, for they move it alike. b_enc takes the inputs' mean out of z.
 */
final class InitialSae {
    private InitialSae() {}

    static Sae of(TrainConfig config, DataStatistics statistics, Kernels kernels) {
        int m = config.latents();
        int dIn = statistics.inputs().centre().length;
        int dOut = statistics.targets().centre().length;
        SplittableRandom random = new SplittableRandom(config.seed());
        Matrix rows = Matrix.zeros(m, dIn);
        for (int i = 0; i < m * dIn; i++) {
            rows.data()[i] = (float) random.nextGaussian();
        }
        Adam.normalizeRows(kernels, rows, 0, m);
        float[] centre = statistics.targets().centre().clone();
        Activation activation = activation(config, statistics);
        if (statistics.response().rows() == 0) {
            boolean tied = activation.tied();
            Matrix encoder = tied ? rows : new Matrix(m, dIn, rows.data().clone());
            if (!tied) {
                kernels.scale((float) config.encoderNorm(), encoder.data(), 0, m * dIn);
            }
            return new Sae(encoder, new float[m], rows, centre, activation, true);
        }
        Matrix decoder = Matrix.zeros(m, dOut);
        float[] bias = new float[m];
        double variance = statistics.inputs().variance() / dIn;
        double together = config.penalised() ? 1 : Math.sqrt(config.wantedL0());
        for (int i = 0; i < m; i++) {
            for (int o = 0; o < dOut; o++) {
                decoder.data()[i * dOut + o] =
                        kernels.dot(statistics.response().data(), o * dIn, rows.data(), i * dIn, dIn);
            }
            double moved = Math.sqrt(kernels.dot(decoder.data(), i * dOut, decoder.data(), i * dOut, dOut));
            kernels.scale((float) (moved / (variance * together)), rows.data(), i * dIn, dIn);
            bias[i] = -kernels.dot(rows.data(), i * dIn, statistics.inputs().centre(), 0, dIn);
        }
        Adam.normalizeRows(kernels, decoder, 0, m);
        return new Sae(rows, bias, decoder, centre, activation, false, config.skip() ? Matrix.zeros(dOut, dIn) : null);
    }

    /** What encodes when training is over. */
    private static Activation activation(TrainConfig config, DataStatistics statistics) {
        int m = config.latents();
        int k = config.count();
        return switch (config.architecture()) {
            case RELU, P_ANNEAL -> new Activation.Relu();
            case TOPK, HIERARCHICAL_TOPK, GUMBEL_TOPK -> new Activation.TopK(k);
            case BATCHTOPK, MATRYOSHKA -> new Activation.JumpRelu(new float[m]);
            case JUMPRELU -> {
                float[] threshold = new float[m];
                double start = config.arch().jump().threshold();
                Arrays.fill(threshold, (float) (start * statistics.inputs().spread() * config.encoderNorm()));
                yield new Activation.JumpRelu(threshold);
            }
            case GATED -> new Activation.Gated(new float[m], new float[m]);
            case SIGN_AWARE_GATED -> new Activation.SignedGated(new float[m], new float[m], new float[m], new float[m]);
            case ABSTOPK -> new Activation.AbsTopK(k);
            case MATCHING_PURSUIT -> new Activation.MatchingPursuit(k, 0);
            case VQ, RESIDUAL_VQ -> new Activation.ResidualCodes(k);
            case DICTIONARY_LEARNING -> {
                ArchitectureConfig.Dictionary dictionary = config.arch().dictionary();
                yield switch (dictionary.coding()) {
                    case OMP -> new Activation.Omp(k, dictionary.signed());
                    case LASSO -> new Activation.Lasso((float) config.l1(), dictionary.signed(), dictionary.rounds());
                };
            }
        };
    }
}
