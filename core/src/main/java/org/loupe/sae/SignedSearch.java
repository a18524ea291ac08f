package org.loupe.sae;

import org.loupe.tensor.Matrix;

/**
 * Finds latents by either sign of ⟨x, w⟩, as an encoder of twice the latents, (W, −W), has them. Exact as {@link LatentSearch} is, for
 * twice its product.
 */
public final class SignedSearch {
    private final LatentSearch search;
    private Matrix both = Matrix.zeros(0, 0);
    private float[] bothBias = new float[0];

    public SignedSearch(LatentSearch search) {
        this.search = search;
    }

    /**
     * The k pre-activations of largest |z| of each row: the k largest of (z, −z).
     *
     * @param x [rows × d], the centred rows
     * @param w [latents × d], the encoder
     * @param bias [latents]
     * @param out overwritten; values carry their signs
     */
    public void search(Matrix x, Matrix w, float[] bias, int k, ActiveRows out) {
        both(w);
        for (int i = 0; i < bias.length; i++) {
            bothBias[i] = bias[i];
            bothBias[bias.length + i] = -bias[i];
        }
        search.search(x, both, bothBias, new LatentSearch.Rule.Largest(k), out);
        out.foldSigns(bias.length);
    }

    /**
     * The gates ⟨x, w_i⟩ + p_i and −⟨x, w_i⟩ + n_i above 0, of a latent the larger, of equal ones the first.
     *
     * @param x [rows × d], the centred rows
     * @param w [latents × d], the encoder
     * @param positive p [latents]
     * @param negative n [latents]
     * @param out overwritten; the second gate's values are negative
     */
    public void gates(Matrix x, Matrix w, float[] positive, float[] negative, ActiveRows out) {
        both(w);
        System.arraycopy(positive, 0, bothBias, 0, positive.length);
        System.arraycopy(negative, 0, bothBias, positive.length, positive.length);
        search.search(x, both, bothBias, new LatentSearch.Rule.Above(new float[bothBias.length]), out);
        out.foldSigns(positive.length);
    }

    private void both(Matrix w) {
        int m = w.rows();
        int size = m * w.cols();
        if (both.rows() != 2 * m || both.cols() != w.cols()) {
            both = Matrix.zeros(2 * m, w.cols());
            bothBias = new float[2 * m];
        }
        for (int i = 0; i < size; i++) {
            both.data()[i] = w.data()[i];
            both.data()[size + i] = -w.data()[i];
        }
    }
}
