package org.loupe.lm;

import java.util.Arrays;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.loupe.lm.HookPoint.Site;

/** One run through the transformer: which hooks it calls, where it starts and where it may stop. */
final class Pass {
    private final Map<HookPoint, Hook> hooks;
    private final @Nullable HookPoint from;
    private final @Nullable HookPoint last;
    private final @Nullable KeyValueCache cache;
    private final Precision precision;
    private boolean done;

    /**
     * @param from the run starts with given rows at this residual-stream hook point; null: with the token embeddings
     * @param last the run stops after this hook point; null: it goes on to the end
     */
    Pass(
            Map<HookPoint, Hook> hooks,
            @Nullable HookPoint from,
            @Nullable HookPoint last,
            @Nullable KeyValueCache cache,
            Precision precision) {
        this.hooks = hooks;
        this.from = from;
        this.last = last;
        this.cache = cache;
        this.precision = precision;
    }

    @Nullable
    KeyValueCache cache() {
        return cache;
    }

    /** Whether nothing after the hook point just passed is needed. */
    boolean done() {
        return done;
    }

    /** Whether the run computes what lies at a place, and has not been given what lies after it. */
    boolean computes(int block, Site site) {
        return from == null || from.compareTo(new HookPoint(block, site)) < 0;
    }

    /** Calls the hook of a place, if there is one, and gives the rows to go on with. */
    Tensor at(int block, Site site, Tensor rows) {
        HookPoint point = new HookPoint(block, site);
        if (from != null && point.compareTo(from) <= 0) {
            return rows;
        }
        done = last != null && point.compareTo(last) >= 0;
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
        // A handle of our own: freeing it with the run's scope leaves the hook's tensor alone.
        return new Tensor(replaced).to(precision.scalarType());
    }
}
