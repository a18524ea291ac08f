package org.loupe.causal;

import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.DocumentTable;
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
     * Rows of tokens from documents that are not in the store, in the corpus' order shuffled by the store's seed. A document is
     * known by its tokens, whatever the text is called and whatever else is in it; of the text that was harvested those
     * before the store's last one are passed over unread.
     *
     * @param tokens document tokens wanted; fewer when the text ends before
     * @throws BadInput when the whole text is in the store
     */
    public static List<TokenBatch> batches(LanguageModel model, Corpus corpus, ActivationStore store, long tokens) {
        StoreInfo info = store.info();
        int room = context(info) - info.prefix().size();
        Set<IntBuffer> stored = new HashSet<>();
        DocumentTable table = store.documents();
        for (int d = 0; d < table.size(); d++) {
            stored.add(IntBuffer.wrap(table.get(d).tokens()));
        }
        Corpus ordered = corpus.shuffled(info.provenance().seed());
        boolean same = corpus.name().equals(info.provenance().text())
                && String.valueOf(corpus.size()).equals(info.configuration().get("text_documents"));
        List<Integer> unseen = new ArrayList<>();
        long taken = 0;
        for (int i = same ? info.corpusDocuments() : 0; i < ordered.size() && taken < tokens; i++) {
            int[] ids = model.tokenizer().encode(ordered.get(i).text());
            if (!isIn(stored, ids, room)) {
                unseen.add(i);
                taken += ids.length;
            }
        }
        int[] chosen = unseen.stream().mapToInt(i -> i).toArray();
        return packed(model, new Corpus.Selection(ordered, chosen), info, tokens);
    }

    /** A document longer than a row stands in the store in pieces, and is known by the first. */
    private static boolean isIn(Set<IntBuffer> stored, int[] ids, int room) {
        return ids.length == 0 || stored.contains(IntBuffer.wrap(ids, 0, Math.min(ids.length, room)));
    }

    private static List<TokenBatch> packed(LanguageModel model, Corpus unseen, StoreInfo store, long tokens) {
        if (unseen.size() == 0) {
            throw new BadInput("all documents of the text '" + unseen.name()
                    + "' are in the store, so none is left to evaluate on: harvest fewer tokens, or name another text");
        }
        TokenPlan plan = TokenPlan.of(
                unseen,
                model.tokenizer()::encode,
                store.prefix().stream().mapToInt(Integer::intValue).toArray(),
                context(store),
                tokens,
                _ -> {});
        List<TokenBatch> batches = new ArrayList<>();
        for (int row = 0; row < plan.rows(); row += ROWS) {
            batches.add(plan.batch(row, Math.min(plan.rows(), row + ROWS)));
        }
        return batches;
    }

    private static int context(StoreInfo store) {
        String context = store.configuration().getOrDefault("context", "");
        try {
            return Integer.parseInt(context);
        } catch (NumberFormatException e) {
            throw new BadInput("the store's configuration says context = '" + context + "', expected a number", e);
        }
    }
}
