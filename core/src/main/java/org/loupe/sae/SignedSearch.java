package org.loupe.sae;

import org.loupe.tensor.Matrix;

/**
 * Finds the k pre-activations of largest |z| of each row: the k largest of (z, −z), which an encoder of twice the latents, (W, −W) and
 * (b, −b), has as its pre-activations. Exact as {@link LatentSearch} is, for twice its product.
 */
public final class SignedSearch {
    private final LatentSearch search;
    private Matrix both = Matrix.zeros(0, 0);
    private float[] bothBias = new float[0];

    public SignedSearch(LatentSearch search) {
        this.search = search;
    }

    /**
     * Searches all rows.
     *
     * @param x [rows × d], the centred rows
     * @param w [latents × d], the encoder
     * @param bias [latents]
     * @param out overwritten; values carry their signs
     */
    public void search(Matrix x, Matrix w, float[] bias, int k, ActiveRows out) {
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
        for (int i = 0; i < m; i++) {
            bothBias[i] = bias[i];
            bothBias[m + i] = -bias[i];
        }
        search.search(x, both, bothBias, new LatentSearch.Rule.Largest(k), out);
        out.foldSigns(m);
    }
}
