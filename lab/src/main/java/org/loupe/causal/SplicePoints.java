package org.loupe.causal;

import java.util.Collections;
import java.util.List;
import org.loupe.lm.HookPoint;

/**
 * What a splice looks at and what it replaces. Of the clean model the rows at all hook points stand side by side; what
 * replaces is given them and gives the columns of those from {@code firstReplaced} on: all of them for an autoencoder or a
 * crosscoder, the last one for a transcoder.
 *
 * @param hooks hook points in the order of the columns
 * @param firstReplaced the first of those that are replaced
 * @param normLimits largest norm at each hook point for a row to be replaced; 0 for no limit
 */
public record SplicePoints(List<HookPoint> hooks, int firstReplaced, List<Double> normLimits) {
    public SplicePoints {
        hooks = List.copyOf(hooks);
        normLimits = List.copyOf(normLimits);
        if (firstReplaced < 0 || firstReplaced >= hooks.size() || normLimits.size() != hooks.size()) {
            throw new IllegalArgumentException("splice at " + hooks + " from number " + firstReplaced + " on with "
                    + normLimits.size() + " norm limits");
        }
    }

    /** Where a run with replaced rows may start: what the residual stream holds there no replacement changes. */
    HookPoint start() {
        return Collections.min(replaced()).stream();
    }

    /** The hook points that are replaced. */
    List<HookPoint> replaced() {
        return hooks.subList(firstReplaced, hooks.size());
    }
}
