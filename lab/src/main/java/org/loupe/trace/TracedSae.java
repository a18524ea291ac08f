package org.loupe.trace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.loupe.causal.SplicePoints;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;

/**
 * An SAE that takes part in a graph.
 *
 * @param reads hook point whose rows it encodes
 * @param writes hook point whose rows it stands for; the same for an autoencoder
 * @param points both, with the norm limits of rows that it stands for
 * @param weightsSha256 hash of its file of weights, as {@link SaeFolder.Loaded} has it
 */
public record TracedSae(Sae sae, HookPoint reads, HookPoint writes, SplicePoints points, String weightsSha256) {
    /**
     * Takes the SAEs of a graph, in the order in which a forward pass meets what they write.
     *
     * @param normLimits largest norms by hook point, as stores give them; those it does not name have none
     * @throws BadInput for an SAE that was made for another model, hook point or width, a crosscoder, one whose latents have no
     *     pre-activations of their own, and two at one layer
     */
    public static List<TracedSae> all(
            List<SaeFolder.Loaded> loaded, LanguageModel model, Map<String, Double> normLimits) {
        List<TracedSae> all = new ArrayList<>();
        for (SaeFolder.Loaded one : loaded) {
            all.add(of(one, model, normLimits));
        }
        all.sort(Comparator.comparing(TracedSae::writes));
        Map<Integer, TracedSae> at = new HashMap<>();
        for (TracedSae one : all) {
            TracedSae other = at.put(one.layer(), one);
            if (other != null) {
                throw new BadInput("two SAEs are at layer " + one.layer() + ", one at " + other.writes
                        + " and one at " + one.writes
                        + ": a node's name says its layer and latent, so a graph takes one"
                        + " SAE a layer");
            }
        }
        return all;
    }

    private static TracedSae of(SaeFolder.Loaded loaded, LanguageModel model, Map<String, Double> normLimits) {
        SplicePoints points = SplicePoints.of(loaded, model, normLimits);
        List<HookPoint> hooks = points.hooks();
        if (hooks.size() > points.firstReplaced() + 1 || points.firstReplaced() > 1) {
            throw new BadInput("the SAE is a crosscoder of " + HookPoint.join(hooks)
                    + ": its latents stand for rows of several layers at once, which a graph of one SAE a layer has no"
                    + " place for");
        }
        if (loaded.sae().activation().tied()) {
            throw new BadInput("the SAE at " + hooks.getLast() + " finds its latents one after another ("
                    + loaded.sae().activation().getClass().getSimpleName()
                    + "): they have no pre-activation of their own that edges could lead to");
        }
        return new TracedSae(loaded.sae(), hooks.getFirst(), hooks.getLast(), points, loaded.weightsSha256());
    }

    /** The block that it writes in. */
    public int layer() {
        return writes.block();
    }
}
