package org.loupe.causal;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;

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

    /**
     * Where an SAE is spliced in.
     *
     * @param normLimits largest norms by hook point; those it does not name have none
     * @throws BadInput when the SAE was made for another model, hook point or width than the model has, or is a transcoder that
     *     writes before it reads
     */
    public static SplicePoints of(SaeFolder.Loaded loaded, LanguageModel model, Map<String, Double> normLimits) {
        SaeInfo info = loaded.info();
        String made = info.provenance().modelSha256();
        if (!made.isEmpty() && !made.equals(model.info().sha256())) {
            throw new BadInput(
                    "the SAE was made for model '" + info.provenance().model() + "' (sha256 " + made
                            + "), but the model given is '" + model.info().name() + "' (sha256 "
                            + model.info().sha256() + ")");
        }
        if (info.hookIn().isEmpty()) {
            throw new BadInput("the SAE does not say which hook point its rows are of: it cannot be spliced in");
        }
        List<HookPoint> in = HookPoint.parseAll(info.hookIn());
        requireWidth(in, model, loaded.sae().dIn(), "reads");
        List<HookPoint> hooks = new ArrayList<>(in);
        if (!info.hookOut().equals(info.hookIn())) {
            List<HookPoint> out = HookPoint.parseAll(info.hookOut());
            requireWidth(out, model, loaded.sae().dOut(), "writes");
            HookPoint last = Collections.max(in);
            HookPoint first = Collections.min(out);
            if (last.compareTo(first) >= 0) {
                throw new BadInput("the SAE reads " + last + " and writes " + first
                        + ", which a forward pass reaches before: it cannot be spliced in");
            }
            hooks.addAll(out);
        } else {
            requireWidth(in, model, loaded.sae().dOut(), "writes");
        }
        List<Double> limits = hooks.stream()
                .map(hook -> normLimits.getOrDefault(hook.toString(), 0.0))
                .toList();
        return new SplicePoints(hooks, hooks.size() > in.size() ? in.size() : 0, limits);
    }

    private static void requireWidth(List<HookPoint> hooks, LanguageModel model, int width, String does) {
        int wide = hooks.stream().mapToInt(model::width).sum();
        if (wide != width) {
            throw new BadInput("the SAE " + does + " rows of " + width + ", but " + HookPoint.join(hooks) + " of "
                    + model.info().name() + " is " + wide + " wide");
        }
    }

    /** Where a run with replaced rows may start: what the residual stream holds there no replacement changes. */
    HookPoint start() {
        return Collections.min(replaced()).stream();
    }

    /** The hook points that are replaced. */
    public List<HookPoint> replaced() {
        return hooks.subList(firstReplaced, hooks.size());
    }
}
