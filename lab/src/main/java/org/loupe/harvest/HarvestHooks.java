package org.loupe.harvest;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.GradientLoss;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;

/**
 * The hook points of one harvest; all are read in one run of the model.
 *
 * @param inputs whose rows stand side by side in {@code activations}, in this order
 * @param target whose rows a transcoder is to write, stored as a tensor of their own; null for none
 * @param gradients the loss whose gradients by the one hook point's rows are stored too; null for none
 */
public record HarvestHooks(
        List<HookPoint> inputs,
        @Nullable HookPoint target,
        @Nullable GradientLoss gradients) {
    public HarvestHooks {
        inputs = List.copyOf(inputs);
        if (inputs.isEmpty()) {
            throw new BadInput("no hook point is named, expected at least one");
        }
        Set<HookPoint> seen = new HashSet<>();
        for (HookPoint point : all(inputs, target)) {
            if (!seen.add(point)) {
                throw new BadInput("hook point " + point + " is named twice");
            }
        }
        if (gradients != null && seen.size() > 1) {
            throw new BadInput("gradients are those of one hook point, but " + seen.size() + " are named: "
                    + HookPoint.join(all(inputs, target)));
        }
    }

    /** Hook points without gradients. */
    public HarvestHooks(List<HookPoint> inputs, @Nullable HookPoint target) {
        this(inputs, target, null);
    }

    /** One hook point, its rows their own targets. */
    public static HarvestHooks of(HookPoint hook) {
        return new HarvestHooks(List.of(hook), null, null);
    }

    /** The inputs and, behind them, the target. */
    public List<HookPoint> all() {
        return all(inputs, target);
    }

    private static List<HookPoint> all(List<HookPoint> inputs, @Nullable HookPoint target) {
        List<HookPoint> all = new ArrayList<>(inputs);
        if (target != null) {
            all.add(target);
        }
        return all;
    }

    /** The inputs' names joined. */
    public String inputNames() {
        return HookPoint.join(inputs);
    }
}
