package org.loupe.causal;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.loupe.io.BadInput;
import org.loupe.lm.Continuation;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Sampler;
import org.loupe.lm.TokenBatch;

/** One model with interventions at one or several hook points; each reads what those before it have left. */
public record Interventions(LanguageModel model, List<Intervention> all) {
    /** @throws BadInput for two at one hook point */
    public Interventions {
        all = List.copyOf(all);
        Map<HookPoint, Intervention> at = new HashMap<>();
        for (Intervention one : all) {
            if (at.put(one.changes(), one) != null) {
                throw new BadInput(
                        "two SAEs change the rows at " + one.changes() + ", expected one at each hook point");
            }
        }
    }

    /** What the changed model writes: the interventions hold on every token of the prompt and on every token written. */
    public Continuation generate(int[] prompt, int count, Sampler sampler) {
        return model.generate(
                prompt,
                count,
                position -> hooks(one -> one.from(position)),
                sampler,
                model.tokenizer().endsOfText());
    }

    /** Hooks for a run of a batch. */
    public Map<HookPoint, Hook> on(TokenBatch batch) {
        return hooks(one -> one.on(batch));
    }

    private Map<HookPoint, Hook> hooks(Function<Intervention, Map<HookPoint, Hook>> each) {
        Map<HookPoint, Hook> hooks = new HashMap<>();
        Map<HookPoint, Hook> readers = new HashMap<>();
        for (Intervention one : all) {
            each.apply(one).forEach((point, hook) -> {
                if (point.equals(one.changes())) {
                    hooks.put(point, hook);
                } else {
                    readers.merge(point, hook, Interventions::both);
                }
            });
        }
        readers.forEach((point, hook) -> hooks.merge(point, hook, Interventions::both));
        return hooks;
    }

    /** Where one changes what another reads, the reader sees what the writer gives. */
    private static Hook both(Hook first, Hook second) {
        return (point, rows) -> second.at(point, first.at(point, rows));
    }
}
