package org.loupe.causal;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.loupe.activations.DocumentTable;
import org.loupe.activations.StoreInfo;
import org.loupe.harvest.TokenPlan;
import org.loupe.lm.TokenBatch;

/** Documents of a store drawn at random and packed anew, for a model to run on. */
public final class DrawnText {
    private static final int CONTEXT = 128;

    private DrawnText() {}

    /**
     * Batches with about so many document tokens, or all that the store has.
     *
     * @param sequences rows of a batch: at 128 tokens and a vocabulary of 49,152 the f32 logits of 4 are 100 MB
     */
    public static List<TokenBatch> batches(
            StoreInfo info, DocumentTable documents, long tokens, int sequences, long seed) {
        int[] order = new int[documents.size()];
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < order.length; i++) {
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        int longest = CONTEXT - info.prefix().size();
        List<int[]> drawn = new ArrayList<>();
        long taken = 0;
        for (int i = 0; i < order.length && taken < tokens; i++) {
            int[] document = documents.get(order[i]).tokens();
            if (document.length > 0) {
                drawn.add(document);
            }
            taken += document.length;
            longest = Math.max(longest, document.length);
        }
        int[] prefix = info.prefix().stream().mapToInt(id -> id).toArray();
        TokenPlan plan = TokenPlan.of(drawn, prefix, longest + prefix.length);
        List<TokenBatch> batches = new ArrayList<>();
        for (int row = 0; row < plan.rows(); row += sequences) {
            batches.add(plan.batch(row, Math.min(plan.rows(), row + sequences)));
        }
        return batches;
    }
}
