package org.loupe.train;

import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SplitMix;

/**
 * What is done to dead latents after a step, beside losses: the lift of their biases, and resampling (after Bricken et al. 2023, Towards
 * Monosemanticity, "Neuron Resampling"). Of the batch's rows as many as there are dead latents are drawn without replacement, with
 * weights ‖x − x̂‖²; with e = x − x̂ of its row, n̄ the mean norm of living encoder rows and n̄_dec of living dictionary rows,
 *
 * <pre>
 * W_dec,i = n̄_dec e / ‖e‖      W_enc,i = scale · n̄ e / ‖e‖      b_enc,i = 0      Adam's moments 0
 * </pre>
 *
 * <p>(The paper takes x in place of e, which the living latents have learnt to reconstruct already.) A transcoder's encoder row has the
 * direction of x − μ, its bias takes μ out of z. An aligned encoder row has norm 1, a tied one is the dictionary's. A latent that
 * is dead while all rows are taken waits for the next time. What is drawn depends on seed and step alone.
 */
final class Revival {
    private final TrainConfig config;
    private final long every;
    private final long until;
    private final float[] inputCentre;
    private final Sae sae;
    private final Parameter encoder;
    private final Parameter encoderBias;
    private final Parameter decoder;
    private final Coder coder;
    private final Kernels kernels;

    /** @param inputCentre mean of a transcoder's inputs */
    Revival(
            TrainConfig config,
            long steps,
            float[] inputCentre,
            Sae sae,
            Parameter encoder,
            Parameter encoderBias,
            Parameter decoder,
            Coder coder,
            Kernels kernels) {
        this.config = config;
        this.every = config.resampleEvery(steps);
        this.until = Math.round(config.resample().until() * steps);
        this.inputCentre = inputCentre;
        this.sae = sae;
        this.encoder = encoder;
        this.encoderBias = encoderBias;
        this.decoder = decoder;
        this.coder = coder;
        this.kernels = kernels;
    }

    /**
     * Ends a step.
     *
     * @param step 1 for the first
     * @param rate learning rate of the step
     * @param dead latents that are dead after it, ascending
     * @param lastFired latents that begin anew count as firing now
     */
    void after(long step, double rate, int[] dead, Batch batch, LastFired lastFired) {
        float lift = (float) (config.revive().bias() * rate);
        if (lift > 0) {
            for (int i : dead) {
                encoderBias.values()[i] += lift;
                coder.lift(i, lift);
            }
        }
        if (every > 0 && step <= until && step % every == 0 && dead.length > 0) {
            resample(step, dead, batch, lastFired);
        }
    }

    private void resample(long step, int[] dead, Batch batch, LastFired lastFired) {
        Matrix residual = residual(batch);
        int[] rows = draw(residual, dead.length, SplitMix.random(config.seed(), step), kernels);
        boolean[] living = new boolean[sae.latents()];
        Arrays.fill(living, true);
        for (int n = 0; n < rows.length; n++) {
            living[dead[n]] = false;
        }
        double encoderNorm = meanNorm(sae.encoder(), living) * config.resample().scale();
        double decoderNorm = config.norms() == Norms.UNIT ? 1 : meanNorm(sae.decoder(), living);
        for (int n = 0; n < rows.length; n++) {
            int i = dead[n];
            begin(i, batch, rows[n], residual, config.aligned() ? 1 : encoderNorm, decoderNorm);
            clear(encoder, i, sae.dIn());
            clear(decoder, i, sae.dOut());
            clear(encoderBias, i, 1);
            coder.parameters().forEach(own -> clear(own, i, 1));
            lastFired.begin(i, step * batch.rows);
        }
        coder.restart(living, config.resample().scale());
    }

    private void begin(int i, Batch batch, int row, Matrix residual, double encoderNorm, double decoderNorm) {
        int dOut = sae.dOut();
        System.arraycopy(residual.data(), residual.offset(row), sae.decoder().data(), i * dOut, dOut);
        normalise(sae.decoder(), i, decoderNorm);
        if (batch.steps) {
            return;
        }
        int dIn = sae.dIn();
        float[] weights = sae.encoder().data();
        sae.encoderBias()[i] = 0;
        if (sae.subtractDecoderBias()) {
            System.arraycopy(residual.data(), residual.offset(row), weights, i * dIn, dIn);
            normalise(sae.encoder(), i, encoderNorm);
        } else {
            System.arraycopy(batch.x.data(), batch.x.offset(row), weights, i * dIn, dIn);
            kernels.addScaled(-1, inputCentre, 0, weights, i * dIn, dIn);
            normalise(sae.encoder(), i, encoderNorm);
            sae.encoderBias()[i] = -kernels.dot(weights, i * dIn, inputCentre, 0, dIn);
        }
    }

    private void normalise(Matrix rows, int i, double norm) {
        Adam.normalizeRows(kernels, rows, i, i + 1);
        if (norm != 1) {
            kernels.scale((float) norm, rows.data(), rows.offset(i), rows.cols());
        }
    }

    private static void clear(Parameter parameter, int i, int width) {
        Arrays.fill(parameter.first(), i * width, (i + 1) * width, 0);
        Arrays.fill(parameter.second(), i * width, (i + 1) * width, 0);
    }

    private static Matrix residual(Batch batch) {
        Matrix residual = Matrix.zeros(batch.rows, batch.target.cols());
        Matrix xHat = batch.last();
        for (int i = 0; i < residual.data().length; i++) {
            residual.data()[i] = batch.target.data()[i] - xHat.data()[i];
        }
        return residual;
    }

    /** At most n rows whose norm is not 0, the keys log u / ‖e‖² being the largest (Efraimidis &amp; Spirakis 2006). */
    static int[] draw(Matrix residual, int n, SplittableRandom random, Kernels kernels) {
        int d = residual.cols();
        double[] keys = new double[residual.rows()];
        Integer[] order = new Integer[keys.length];
        int left = 0;
        for (int r = 0; r < keys.length; r++) {
            double square = kernels.dot(residual.data(), r * d, residual.data(), r * d, d);
            keys[r] = Math.log(1 - random.nextDouble()) / square;
            if (square > 0) {
                order[left++] = r;
            }
        }
        Arrays.sort(
                order,
                0,
                left,
                Comparator.<Integer>comparingDouble(r -> -keys[r]).thenComparingInt(r -> r));
        int[] drawn = new int[Math.min(n, left)];
        Arrays.setAll(drawn, i -> order[i]);
        return drawn;
    }

    private double meanNorm(Matrix rows, boolean[] living) {
        int d = rows.cols();
        double sum = 0;
        int n = 0;
        for (int i = 0; i < living.length; i++) {
            if (living[i]) {
                sum += Math.sqrt(kernels.dot(rows.data(), i * d, rows.data(), i * d, d));
                n++;
            }
        }
        return n > 0 && sum > 0 ? sum / n : 1;
    }
}
