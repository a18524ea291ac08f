package org.loupe.trace;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.loupe.causal.Positions;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * What the rows of a run's leaves are the sum of. A row that an SAE stands for is
 *
 * <pre>
 * x = Σ f_i d_i + b_dec + e
 * </pre>
 *
 * its latents, a constant and an error. A row that SAEs are not applied to, the first one and those above the norm limit, is all error;
 * rows of what the model expects before a text are all constant, as every text has them. A row of the embeddings is its token.
 */
final class Sources {
    /** One SAE's part: rows are tokens. */
    private record Part(Sae sae, boolean[] replaced, Latents latents, int firstLatent, Matrix error, Matrix leaf) {}

    private final List<GraphNode> nodes = new ArrayList<>();
    private final List<Part> parts = new ArrayList<>();
    private final Matrix embedding;
    private final int latents;
    private final int length;
    private final int prefix;

    Sources(FrozenRun run, List<TracedSae> saes, Prompt prompt, Workers workers) {
        int[] ids = prompt.ids();
        embedding = run.leaf(FrozenRun.EMBEDDING);
        length = ids.length;
        prefix = prompt.prefix();
        for (int s = 0; s < saes.size(); s++) {
            parts.add(part(run, saes.get(s), s, TokenBatch.of(ids), workers));
        }
        latents = nodes.size();
        for (int s = 0; s < saes.size(); s++) {
            for (int p = 0; p < length; p++) {
                nodes.add(new GraphNode.ErrorTerm(s, p));
            }
        }
        for (int p = 0; p < length; p++) {
            nodes.add(new GraphNode.Token(p, ids[p]));
        }
    }

    private Part part(FrozenRun run, TracedSae traced, int number, TokenBatch batch, Workers workers) {
        Sae sae = traced.sae();
        Matrix x = run.read(number);
        Matrix leaf = run.leaf(number);
        List<Matrix> rows = traced.points().firstReplaced() == 0 ? List.of(x) : List.of(x, run.written(number));
        int[] which = Positions.replaced(batch, rows, traced.points().normLimits());
        Latents found = new Encoder(sae, workers).encode(Positions.gather(x, which));
        Matrix decoded = Matrix.zeros(which.length, sae.dOut());
        Decoder.decode(sae, found, decoded, workers);
        Matrix error = new Matrix(leaf.rows(), leaf.cols(), leaf.data().clone());
        boolean[] replaced = new boolean[length];
        int[] starts = new int[length + 1];
        for (int i = 0; i < which.length; i++) {
            replaced[which[i]] = true;
            starts[which[i] + 1] = found.starts()[i + 1] - found.starts()[i];
            Kernels.BEST.addScaled(
                    -1, decoded.data(), decoded.offset(i), error.data(), error.offset(which[i]), sae.dOut());
        }
        Arrays.fill(error.data(), 0, error.offset(prefix), 0);
        Arrays.parallelPrefix(starts, Integer::sum);
        Latents latentsOfTokens = new Latents(starts, found.index(), found.value(), found.latents());
        int first = nodes.size();
        for (int p = 0; p < length; p++) {
            for (int e = starts[p]; e < starts[p + 1]; e++) {
                nodes.add(new GraphNode.Latent(number, p, found.index()[e], found.value()[e]));
            }
        }
        return new Part(sae, replaced, latentsOfTokens, first, error, leaf);
    }

    /** The sources: all active latents, then an error for each SAE and token, then the tokens. */
    List<GraphNode> nodes() {
        return nodes;
    }

    /** How many of them are latents. */
    int latents() {
        return latents;
    }

    /**
     * The direct effects on one target: for a source that adds v to the row p of a leaf, ⟨v, ∇[p]⟩.
     *
     * @param gradients by leaf, [targets · l × d]
     * @param target which of them
     * @param weights [sources] zeros, overwritten
     * @return what constants bring
     */
    double weigh(Map<Integer, Matrix> gradients, int target, float[] weights) {
        double constant = 0;
        for (Map.Entry<Integer, Matrix> entry : gradients.entrySet()) {
            Matrix gradient = entry.getValue();
            int first = target * length;
            if (entry.getKey() == FrozenRun.EMBEDDING) {
                for (int p = 0; p < length; p++) {
                    weights[nodes.size() - length + p] = dot(embedding, p, gradient, first + p);
                }
            } else {
                constant += weigh(entry.getKey(), gradient, first, weights);
            }
        }
        return constant;
    }

    private double weigh(int number, Matrix gradient, int first, float[] weights) {
        Part part = parts.get(number);
        Matrix bias = new Matrix(1, part.sae().dOut(), part.sae().decoderBias());
        double constant = 0;
        for (int p = 0; p < prefix; p++) {
            constant += dot(part.leaf(), p, gradient, first + p);
        }
        for (int p = prefix; p < length; p++) {
            weights[latents + number * length + p] = dot(part.error(), p, gradient, first + p);
            constant += part.replaced()[p] ? dot(bias, 0, gradient, first + p) : 0;
            Latents f = part.latents();
            for (int e = f.starts()[p]; e < f.starts()[p + 1]; e++) {
                weights[part.firstLatent() + e] =
                        f.value()[e] * dot(part.sae().decoder(), f.index()[e], gradient, first + p);
            }
        }
        return constant;
    }

    private static float dot(Matrix a, int row, Matrix b, int other) {
        return Kernels.BEST.dot(a.data(), a.offset(row), b.data(), b.offset(other), a.cols());
    }
}
