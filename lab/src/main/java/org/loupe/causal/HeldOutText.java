package org.loupe.causal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.loupe.activations.StoreInfo;
import org.loupe.harvest.TokenPlan;
import org.loupe.io.BadInput;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;
import org.loupe.text.Corpus;

/** Text that a store's rows do not come from, packed as the store's text was. */
public final class HeldOutText {
    /** Rows run at a time: at 128 tokens and a vocabulary of 49,152 their f32 logits are 100 MB. */
    private static final int ROWS = 4;

    private HeldOutText() {}

    /**
     * Rows of tokens from documents after the store's last one, in the corpus' order shuffled by the store's seed; from all
     * documents when the store was made from another text.
     *
     * @param corpus the text as it was given to the harvest, or another one
     * @param tokens document tokens wanted; fewer when the text ends before
     * @throws BadInput when the whole text is in the store
     */
    public static List<TokenBatch> batches(LanguageModel model, Corpus corpus, StoreInfo store, long tokens) {
        Map<String, String> made = store.configuration();
        boolean same = corpus.name().equals(store.provenance().text())
                && String.valueOf(corpus.size()).equals(made.get("text_documents"));
        int first = same ? store.corpusDocuments() : 0;
        if (first >= corpus.size()) {
            throw new BadInput("all " + corpus.size() + " documents of the text '" + corpus.name()
                    + "' are in the store, so none is left to evaluate on: harvest fewer tokens, or name another text");
        }
        Corpus unseen = corpus.shuffled(store.provenance().seed()).range(first, corpus.size());
        TokenPlan plan = TokenPlan.of(
                unseen,
                model.tokenizer()::encode,
                store.prefix().stream().mapToInt(Integer::intValue).toArray(),
                context(made),
                tokens,
                _ -> {});
        List<TokenBatch> batches = new ArrayList<>();
        for (int row = 0; row < plan.rows(); row += ROWS) {
            batches.add(plan.batch(row, Math.min(plan.rows(), row + ROWS)));
        }
        return batches;
    }

    private static int context(Map<String, String> configuration) {
        String context = configuration.getOrDefault("context", "");
        try {
            return Integer.parseInt(context);
        } catch (NumberFormatException e) {
            throw new BadInput("the store's configuration says context = '" + context + "', expected a number", e);
        }
    }
}
