package org.loupe.trace;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.LogitLens;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

/** Labels of latents from the model alone: an arrow and the tokens that a latent's decoder row promotes most by the direct path. */
public final class LensLabels {
    private static final int TOKENS = 2;

    private LensLabels() {}

    /** The labels of a graph's latents; empty for latents that do not write to the residual stream. */
    public static Function<GraphNode.Latent, String> of(AttributionGraph graph, LanguageModel model) {
        Map<List<Integer>, String> labels = new HashMap<>();
        for (int s = 0; s < graph.saes().size(); s++) {
            int number = s;
            TracedSae traced = graph.saes().get(s);
            int[] latents = graph.nodes().stream()
                    .filter(node -> node instanceof GraphNode.Latent latent && latent.sae() == number)
                    .mapToInt(node -> ((GraphNode.Latent) node).latent())
                    .distinct()
                    .toArray();
            List<String> own = of(model, traced.sae(), traced.writes(), latents);
            for (int i = 0; i < latents.length; i++) {
                labels.put(List.of(s, latents[i]), own.get(i));
            }
        }
        return latent -> labels.getOrDefault(List.of(latent.sae(), latent.latent()), "");
    }

    /** The labels of some latents of an SAE, in their order; empty where it does not write to the residual stream. */
    public static List<String> of(LanguageModel model, Sae sae, HookPoint writes, int[] latents) {
        Site site = writes.site();
        if (latents.length == 0 || !(site.isResidual() || site == Site.ATTN_OUT || site == Site.MLP_OUT)) {
            return IntStream.of(latents).mapToObj(_ -> "").toList();
        }
        LogitLens lens = model.logitLens(rows(sae, latents), TOKENS);
        return IntStream.range(0, latents.length)
                .mapToObj(i -> IntStream.range(i * TOKENS, (i + 1) * TOKENS)
                        .mapToObj(
                                t -> model.tokenizer().token(lens.promoted()[t]).strip())
                        .collect(Collectors.joining(", ", "→ ", "")))
                .toList();
    }

    private static Matrix rows(Sae sae, int[] latents) {
        Matrix rows = Matrix.zeros(latents.length, sae.dOut());
        for (int i = 0; i < latents.length; i++) {
            System.arraycopy(
                    sae.decoder().data(), sae.decoder().offset(latents[i]), rows.data(), rows.offset(i), rows.cols());
        }
        return rows;
    }
}
