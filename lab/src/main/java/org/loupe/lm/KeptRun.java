package org.loupe.lm;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
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
        int[][] past = ends.stream().map(this::past).toArray(int[][]::new);
        int most = Arrays.stream(past).mapToInt(p -> p.length).max().orElseThrow();
        int[] places = new int[ends.size() * most]; // where an end's past is shorter, any token stands in, masked
        for (int e = 0; e < past.length; e++) {
            System.arraycopy(past[e], 0, places, e * most, past[e].length);
        }
        Tensor which = Tensors.tensor(places, places.length);
        KeyValues before = (block, key, value) -> {
            KeyValues.Pair all = seen.seen(block);
            return new KeyValues.Pair(joined(all.keys(), which, key), joined(all.values(), which, value));
        };
        Tensor index = Tensors.tensor(rows, rows.length);
        Tensor own = start.reshape(-1, start.size(2)).index_select(0, index).view(ends.size(), longest, start.size(2));
        boolean here = at.equals(from);
        return model.residual(
                from,
                here ? change.at(at, own) : own,
                AttentionPlan.ends(turns, mask(ends, past, most, longest), ends.size(), longest, model.architecture()),
                before,
                here ? Map.of() : Map.of(at, change));
    }

    /** The batch's tokens before an end that any of its tokens sees, as indices of all. */
    private int[] past(End end) {
        int row = end.sequence() * batch.length();
        return IntStream.range(row, row + end.first())
                .filter(j -> IntStream.range(0, end.count()).anyMatch(u -> batch.sees(row + end.first() + u, j)))
                .toArray();
    }

    /** Keys or values {@code [ends, key/value heads, most + longest, head width]} of ends' pasts and of their own tokens. */
    private static Tensor joined(Tensor all, Tensor which, Tensor own) {
        Tensor past = all.transpose(1, 2).flatten(0, 1).index_select(0, which); // [ends · most, heads, head width]
        long most = which.numel() / own.size(0);
        Tensor each = past.view(own.size(0), most, own.size(1), own.size(3)).transpose(1, 2);
        return torch.cat(new TensorVector(each, own), 2);
    }

    /** Which keys, the end's past's and then its own, each token of each end sees. */
    private float[] mask(List<End> ends, int[][] past, int most, int longest) {
        int keys = most + longest;
        float[] mask = new float[ends.size() * longest * keys];
        Arrays.fill(mask, Float.NEGATIVE_INFINITY);
        for (int e = 0; e < ends.size(); e++) {
            End end = ends.get(e);
            int first = end.sequence() * batch.length() + end.first();
            for (int u = 0; u < longest; u++) {
                int row = (e * longest + u) * keys;
                mask[row + most + u] = 0;
                for (int j = 0; j < past[e].length && u < end.count(); j++) {
                    mask[row + j] = score(first + u, past[e][j]);
                }
                for (int v = 0; v < u && u < end.count(); v++) {
                    mask[row + most + v] = score(first + u, first + v);
                }
            }
        }
        return mask;
    }

    /** What is added to the score of a token of the batch for an earlier one of its sequence: 0 or −∞. */
    private float score(int i, int j) {
        return batch.sees(i, j) ? 0 : Float.NEGATIVE_INFINITY;
    }
}
