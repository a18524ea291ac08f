package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** f = σ(W_enc x_c + b_enc) for centred rows, whatever σ is. Keeps scratch memory between calls. */
public final class Activator {
    private final LatentSearch search;
    private final SignedSearch signed;
    private final Pursuit pursuit;
    private final CodeSearch codes;
    private final OrthogonalPursuit orthogonal;
    private final LassoCoding lasso;
    private float[] floor = new float[0];

    public Activator(Kernels kernels, Workers workers) {
        this.search = new LatentSearch(kernels, workers);
        this.signed = new SignedSearch(search);
        this.pursuit = new Pursuit(search, kernels, workers);
        this.codes = new CodeSearch(search, kernels, workers);
        this.orthogonal = new OrthogonalPursuit(search, kernels, workers);
        this.lasso = new LassoCoding(search, kernels, workers);
    }

    /**
     * The active latents of each row.
     *
     * @param centred [rows × dIn], x − b_in; not modified
     * @param out overwritten
     */
    public void activate(Matrix centred, Sae sae, ActiveRows out) {
        switch (sae.activation()) {
            case Activation.TopK topK -> search(centred, sae, new LatentSearch.Rule.Largest(topK.k()), out);
            case Activation.AbsTopK topK -> signed.search(centred, sae.encoder(), sae.encoderBias(), topK.k(), out);
            case Activation.Relu _ -> search(centred, sae, new LatentSearch.Rule.Above(zeros(sae.latents())), out);
            case Activation.JumpRelu jump -> {
                float[] above = zeros(sae.latents());
                for (int i = 0; i < sae.latents(); i++) {
                    above[i] = Math.max(jump.threshold()[i], 0);
                }
                search(centred, sae, new LatentSearch.Rule.Above(above), out);
            }
            case Activation.Gated gated -> {
                search(centred, sae, new LatentSearch.Rule.Above(zeros(sae.latents())), out);
                out.map((latent, gate) -> gated.magnitude(latent, gate, sae.encoderBias()[latent]));
            }
            case Activation.SignedGated gated -> {
                signed.gates(centred, sae.encoder(), sae.encoderBias(), gated.negativeBias(), out);
                out.map((latent, gate) -> gated.magnitude(latent, gate, sae.encoderBias()[latent]));
            }
            case Activation.MatchingPursuit matching ->
                pursuit.code(centred, sae.encoder(), matching.steps(), matching.tolerance(), out);
            case Activation.ResidualCodes residual -> codes.code(centred, sae.encoder(), residual.stages(), out);
            case Activation.Omp omp -> orthogonal.code(centred, sae.encoder(), omp.atoms(), omp.signed(), out);
            case Activation.Lasso l -> lasso.code(centred, sae.encoder(), l.penalty(), l.signed(), l.rounds(), out);
        }
    }

    private void search(Matrix centred, Sae sae, LatentSearch.Rule rule, ActiveRows out) {
        search.search(centred, sae.encoder(), sae.encoderBias(), rule, out);
    }

    private float[] zeros(int latents) {
        if (floor.length != latents) {
            floor = new float[latents];
        }
        Arrays.fill(floor, 0);
        return floor;
    }
}
