package org.loupe.lm;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * A run of a batch from a residual-stream hook point on with its keys and values kept, so that the ends of its sequences can run
 * again with other rows: the tokens before them are not computed again. Its tensors, and those that it returns, belong to the
 * caller's {@code PointerScope}.
 */
public final class KeptRun {
    private final LanguageModel model;
    private final TokenBatch batch;
    private final int[] positions;
    private final HookPoint from;
    private final Tensor start; // [s, l, d]
    private final KeyValueCache seen;
    private final Tensor residual; // [s, l, d]

    /**
     * Tokens {@code first} to {@code first + count − 1} of a sequence of the batch.
     *
     * @param count at least 1; what comes after them in the sequence is not run
     */
    public record End(int sequence, int first, int count) {}

    KeptRun(LanguageModel model, TokenBatch batch, HookPoint from, Tensor start, KeyValueCache seen, Tensor residual) {
        this.model = model;
        this.batch = batch;
        this.positions = batch.positions();
        this.from = from;
        this.start = start;
        this.seen = seen;
        this.residual = residual;
    }

    /** The residual stream after the last block, {@code [sequences, length, width]}. */
    public Tensor residual() {
        return residual;
    }

    /**
     * The residual stream after the last block of ends with other rows, {@code [ends, longest end, width]}; rows after an end's
     * last token are finite and mean nothing.
     *
     * @param at hook point from where the run started on
     * @param change sees the ends' rows there, {@code [ends, longest end, width]}, and gives those to go on with
     */
    public Tensor again(List<End> ends, HookPoint at, Hook change) {
        int longest = ends.stream().mapToInt(End::count).max().orElseThrow();
        int length = batch.length();
        int[] rows = new int[ends.size() * longest];
        for (int e = 0; e < ends.size(); e++) {
            End end = ends.get(e);
            for (int u = 0; u < longest; u++) {
                int token = end.first() + Math.min(u, end.count() - 1);
                rows[e * longest + u] = end.sequence() * length + token;
            }
        }
        int[] turns = Arrays.stream(rows).map(row -> positions[row]).toArray();
        int[] sequences = ends.stream().mapToInt(End::sequence).toArray();
        Tensor which = Tensors.tensor(sequences, sequences.length);
        KeyValues before = (block, key, value) -> {
            KeyValues.Pair past = seen.seen(block);
            return new KeyValues.Pair(joined(past.keys(), which, key), joined(past.values(), which, value));
        };
        Tensor index = Tensors.tensor(rows, rows.length);
        Tensor own = start.reshape(-1, start.size(2)).index_select(0, index).view(ends.size(), longest, start.size(2));
        boolean here = at.equals(from);
        return model.residual(
                from,
                here ? change.at(at, own) : own,
                AttentionPlan.ends(turns, mask(ends, longest), ends.size(), longest, model.architecture()),
                before,
                here ? Map.of() : Map.of(at, change));
    }

    private static Tensor joined(Tensor past, Tensor which, Tensor own) {
        return torch.cat(new TensorVector(past.index_select(0, which), own), 2);
    }

    /** Which keys, the sequence's and then the end's own, each token of each end sees. */
    private float[] mask(List<End> ends, int longest) {
        int length = batch.length();
        int keys = length + longest;
        float[] mask = new float[ends.size() * longest * keys];
        Arrays.fill(mask, Float.NEGATIVE_INFINITY);
        for (int e = 0; e < ends.size(); e++) {
            End end = ends.get(e);
            for (int u = 0; u < longest; u++) {
                int row = (e * longest + u) * keys;
                mask[row + length + u] = 0;
                for (int j = 0; j < end.first() && u < end.count(); j++) {
                    mask[row + j] = score(end, end.first() + u, j);
                }
                for (int v = 0; v < u && u < end.count(); v++) {
                    mask[row + length + v] = score(end, end.first() + u, end.first() + v);
                }
            }
        }
        return mask;
    }

    /** What is added to the score of token i of an end's sequence for an earlier token j: 0 or −∞. */
    private float score(End end, int i, int j) {
        int row = end.sequence() * batch.length();
        return batch.sees(row + i, row + j) ? 0 : Float.NEGATIVE_INFINITY;
    }
}
