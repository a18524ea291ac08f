package org.loupe.causal;

import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Activations of some latents on rows spread evenly over a store, silent ones (0) included. */
public record ActivationPool(int[] latents, float[][] values) {
    private static final int BLOCK = 1024;

    /**
     * Encodes rows of a store.
     *
     * @param rows how many at most
     * @throws org.loupe.io.BadInput when the store is made for another model, hook point or width than the SAE
     */
    public static ActivationPool of(
            SaeFolder.Loaded loaded, ActivationStore store, int[] latents, long rows, Workers workers) {
        RowSource inputs = store.inputs();
        inputs.requireMatches(loaded.sae().dIn(), loaded.info().provenance(), "the SAE");
        long blocks = Math.max(1, Math.min(rows, inputs.rows()) / BLOCK);
        int each = Math.toIntExact(Math.min(BLOCK, inputs.rows()));
        float[][] values = new float[latents.length][Math.toIntExact(blocks * each)];
        Encoder encoder = new Encoder(loaded.sae(), workers);
        Matrix block = Matrix.zeros(each, inputs.width());
        for (int b = 0; b < blocks; b++) {
            inputs.read(b * (inputs.rows() - each) / Math.max(1, blocks - 1), each, block, 0);
            Latents active = encoder.encode(block);
            for (int row = 0; row < each; row++) {
                for (int i = 0; i < latents.length; i++) {
                    values[i][b * each + row] = active.activation(row, latents[i]);
                }
            }
        }
        return new ActivationPool(latents, values);
    }

    /** The mean of the latent at an index of {@code latents}. */
    public float mean(int index) {
        double sum = 0;
        for (float value : values[index]) {
            sum += value;
        }
        return (float) (sum / values[index].length);
    }
}
