package org.loupe.app;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.loupe.index.FeatureIndex;
import org.loupe.index.LatentProfile;
import org.loupe.io.BadInput;
import org.loupe.sae.SaeFolder;
import org.loupe.trace.GraphNode;
import org.loupe.trace.TracedSae;

/**
 * Labels of latents from feature indexes.
 *
 * @param labels by the number of the SAE, one a latent
 */
record IndexLabels(Map<Integer, List<String>> labels) {
    private static final int TOKENS = 3;

    /** @throws BadInput for an index of none of the SAEs */
    static IndexLabels open(List<Path> indexes, List<TracedSae> saes) {
        Map<Integer, List<String>> labels = new HashMap<>();
        for (Path folder : indexes) {
            try (FeatureIndex index = FeatureIndex.open(folder)) {
                int sae = of(index, folder, saes);
                labels.put(sae, of(index));
            }
        }
        return new IndexLabels(labels);
    }

    /**
     * One label a latent, from the index of one SAE.
     *
     * @throws BadInput for an index of another
     */
    static List<String> of(Path folder, SaeFolder.Loaded sae) {
        try (FeatureIndex index = FeatureIndex.open(folder)) {
            if (!index.info().hookOut().equals(sae.info().hookOut())
                    || index.info().latents() != sae.sae().latents()) {
                throw BadInput.in(
                        folder,
                        "is of " + index.info().latents() + " latents at "
                                + index.info().hookOut() + ", the SAE has "
                                + sae.sae().latents() + " at " + sae.info().hookOut());
            }
            requireOf(index, folder, sae.weightsSha256());
            return of(index);
        }
    }

    private static List<String> of(FeatureIndex index) {
        return index.summaries().stream().map(IndexLabels::label).toList();
    }

    /** The tokens that it fires on most, and the category where that is clear. */
    private static String label(LatentProfile profile) {
        List<String> tokens = profile.topTokens();
        String commonest = String.join(", ", tokens.subList(0, Math.min(TOKENS, tokens.size())));
        return profile.label().isEmpty() ? commonest : commonest + " (" + profile.category() + ")";
    }

    private static int of(FeatureIndex index, Path folder, List<TracedSae> saes) {
        for (int s = 0; s < saes.size(); s++) {
            if (saes.get(s).writes().toString().equals(index.info().hookOut())
                    && saes.get(s).sae().latents() == index.info().latents()) {
                requireOf(index, folder, saes.get(s).weightsSha256());
                return s;
            }
        }
        throw BadInput.in(
                folder,
                "is of " + index.info().latents() + " latents at "
                        + index.info().hookOut() + ", which none of the SAEs to trace has");
    }

    private static void requireOf(FeatureIndex index, Path folder, String weightsSha256) {
        String stranger = index.info().strangerTo(weightsSha256);
        if (stranger != null) {
            throw BadInput.in(folder, stranger + "; build it anew with `loupe index`");
        }
    }

    /** The index's label of a latent; the other where there is none. */
    Function<GraphNode.Latent, String> orElse(Function<GraphNode.Latent, String> other) {
        return latent -> {
            List<String> known = labels.get(latent.sae());
            String label = known == null ? "" : known.get(latent.latent());
            return label.isEmpty() ? other.apply(latent) : label;
        };
    }
}
