package org.loupe.eval;

import java.util.SplittableRandom;
import org.loupe.sae.Activation;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The baseline that has learnt nothing: unit-norm Gaussian directions w, tied weights, the k largest positive ⟨w, x − μ⟩ of
 * each row, and one factor s for all: x̂ = μ + s Σ ⟨w, x − μ⟩ w. The directions overlap, so s = 1 would overshoot; s is the least-squares
 * value on the first rows, in the baseline's favour.
 */
final class RandomDictionary {
    private RandomDictionary() {}

    /**
     * Draws a dictionary.
     *
     * @param sample rows on which s is fitted, [rows × d], not modified
     */
    static Sae draw(int latents, int k, double[] mean, long seed, Matrix sample, Workers workers) {
        Matrix directions = directions(latents, mean.length, seed);
        float[] bias = new float[mean.length];
        for (int c = 0; c < bias.length; c++) {
            bias[c] = (float) mean[c];
        }
        Sae tied = new Sae(directions, new float[latents], directions, bias, new Activation.TopK(k), true);
        float scale = (float) leastSquares(tied, sample, workers);
        Matrix decoder = Matrix.zeros(latents, mean.length);
        for (int i = 0; i < decoder.data().length; i++) {
            decoder.data()[i] = scale * directions.data()[i];
        }
        return new Sae(directions, new float[latents], decoder, bias, new Activation.TopK(k), true);
    }

    private static Matrix directions(int latents, int width, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Matrix directions = Matrix.zeros(latents, width);
        for (int r = 0; r < latents; r++) {
            double norm = 0;
            for (int c = 0; c < width; c++) {
                double value = random.nextGaussian();
                directions.data()[directions.offset(r) + c] = (float) value;
                norm += value * value;
            }
            for (int c = 0; c < width; c++) {
                directions.data()[directions.offset(r) + c] /= (float) Math.sqrt(norm);
            }
        }
        return directions;
    }

    /** argmin over s of Σ‖(x − μ) − s (x̂ − μ)‖². */
    private static double leastSquares(Sae sae, Matrix x, Workers workers) {
        Latents latents = new Encoder(sae, workers).encode(x);
        Matrix out = Matrix.zeros(x.rows(), x.cols());
        Decoder.decode(sae, latents, out, workers);
        double dot = 0;
        double norm = 0;
        for (int r = 0; r < x.rows(); r++) {
            for (int c = 0; c < x.cols(); c++) {
                double centred = x.at(r, c) - sae.decoderBias()[c];
                double reconstructed = out.at(r, c) - sae.decoderBias()[c];
                dot += centred * reconstructed;
                norm += reconstructed * reconstructed;
            }
        }
        return norm > 0 ? dot / norm : 1;
    }
}
