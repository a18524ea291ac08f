package org.loupe.causal;

import org.loupe.activations.ActivationStore;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.MlpWeights;
import org.loupe.train.GatedMlp;

/** The MLP that a store of pairs has the inputs and outputs of. */
public final class StoreMlp {
    private StoreMlp() {}

    /**
     * Takes it from the model.
     *
     * @throws BadInput where the store is another model's, or not of ln2.hook_normalized and hook_mlp_out of one block
     */
    public static GatedMlp of(LanguageModel model, ActivationStore store) {
        Downstream.requireMaker(model, store);
        String read = store.provenance().hook();
        String written = store.targetHook();
        HookPoint to = written.isEmpty() ? HookPoint.embed() : HookPoint.parse(written);
        HookPoint from = new HookPoint(to.block(), HookPoint.Site.LN2_NORMALIZED);
        if (to.site() != HookPoint.Site.MLP_OUT || !read.equals(from.toString())) {
            throw BadInput.in(
                    store.folder(),
                    "has rows of " + read + (written.isEmpty() ? " and no targets" : " and targets of " + written)
                            + ", expected those of an MLP: harvest --hook blocks.L.ln2.hook_normalized --out-hook blocks.L.hook_mlp_out");
        }
        MlpWeights weights = model.mlp(to.block());
        return new GatedMlp(weights.gate(), weights.up(), weights.write());
    }
}
