package org.loupe.lm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.Transformer.Rows;

/**
 * One run through the transformer's steps. The batch is cut into parts of a few sequences, which go through the steps on the
 * lanes independently and are put together wherever a hook wants to see them. The cut depends on the batch's shape only, so the
 * number of threads does not change a bit of the result.
 */
final class Pass implements AutoCloseable {
    private final Transformer transformer;
    private final Lanes lanes;
    private final TreeMap<HookPoint, Hook> hooks;
    private final List<Part> parts = new ArrayList<>();

    /** Some sequences of the batch, at some step. */
    private static final class Part {
        private final long first;
        private final long count;
        private final AttentionPlan plan;
        private Rows rows;

        Part(long first, long count, AttentionPlan plan, Rows rows) {
            this.first = first;
            this.count = count;
            this.plan = plan;
            this.rows = rows.keep();
        }

        void put(Rows next) {
            Rows before = rows;
            rows = next.keep();
            before.release();
        }
    }

    Pass(Transformer transformer, Lanes lanes, Map<HookPoint, Hook> hooks) {
        this.transformer = transformer;
        this.lanes = lanes;
        this.hooks = new TreeMap<>(hooks);
    }

    /** Calls the hook of a point, if there is one, and gives the rows to go on with. */
    Tensor hooked(HookPoint point, Tensor rows) {
        Hook hook = hooks.get(point);
        if (hook == null) {
            return rows;
        }
        Tensor replaced = hook.at(point, rows);
        if (!Arrays.equals(Tensors.shape(replaced), Tensors.shape(rows))) {
            throw new IllegalArgumentException("the hook at " + point + " gives rows of shape "
                    + Arrays.toString(Tensors.shape(replaced)) + ", expected "
                    + Arrays.toString(Tensors.shape(rows)));
        }
        return replaced.equals(rows) ? rows : transformer.input(replaced);
    }

    /**
     * Runs from a residual-stream hook point on.
     *
     * @param from where the given rows are; hooks after it are called
     * @param start {@code [s, l, d]}
     * @param seen what attention reads beside the batch's own keys and values, for the batch in one part; or null
     * @param last the run stops after this hook point; null: it goes on to the end of the last block
     * @param recording keep the batch in one part on the calling thread, whose operators record; all threads work on each of them
     * @return the rows at the end, {@code [s, l, d]} unless {@code last} is of another width
     */
    Tensor run(
            HookPoint from,
            Tensor start,
            AttentionPlan plan,
            @Nullable HookPoint last,
            @Nullable KeyValues seen,
            boolean recording) {
        cut(start, plan, recording || seen != null);
        int at = Transformer.stepAfter(from);
        for (HookPoint point : hooks.tailMap(from, false).keySet()) {
            int next = Transformer.stepAfter(point);
            advance(at, next, seen, recording);
            at = next;
            Tensor rows = joined();
            Tensor replaced = hooked(point, rows);
            if (!replaced.equals(rows)) {
                replace(point.site(), replaced);
            }
        }
        if (last == null) {
            advance(at, transformer.steps(), seen, recording);
        }
        return joined();
    }

    private void cut(Tensor start, AttentionPlan plan, boolean whole) {
        long sequences = start.size(0);
        long each = whole ? sequences : Math.max(1, LanguageModel.PART_TOKENS / start.size(1));
        for (long first = 0; first < sequences; first += each) {
            long count = Math.min(each, sequences - first);
            Tensor piece = start.narrow(0, first, count);
            parts.add(new Part(first, count, plan.narrow(first, count), new Rows(piece, piece)));
        }
    }

    private void advance(int from, int to, @Nullable KeyValues seen, boolean recording) {
        if (recording) {
            advance(parts.getFirst(), from, to, seen);
        } else {
            lanes.run(parts.size(), i -> advance(parts.get(i), from, to, seen));
        }
    }

    /** Takes a part through steps, freeing what a block has made at the end of each. */
    private void advance(Part part, int from, int to, @Nullable KeyValues seen) {
        int at = from;
        while (at < to) {
            int stop = Math.min(to, (at / Transformer.STEPS_IN_BLOCK + 1) * Transformer.STEPS_IN_BLOCK);
            try (PointerScope _ = new PointerScope()) {
                Rows rows = part.rows;
                for (; at < stop; at++) {
                    rows = transformer.step(at, rows, part.plan, seen);
                }
                part.put(rows);
            }
        }
    }

    private Tensor joined() {
        if (parts.size() == 1) {
            return parts.getFirst().rows.rows();
        }
        return torch.cat(
                new TensorVector(parts.stream().map(part -> part.rows.rows()).toArray(Tensor[]::new)), 0);
    }

    private void replace(Site site, Tensor replaced) {
        for (Part part : parts) {
            Tensor piece = replaced.narrow(0, part.first, part.count);
            part.put(new Rows(site.isResidual() ? piece : part.rows.stream(), piece));
        }
    }

    /** Lets go of the rows; what {@link #run} has returned is closed with the caller's scope. */
    @Override
    public void close() {
        parts.forEach(part -> part.rows.release());
        parts.clear();
    }
}
