package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Trial;
import org.loupe.experiment.Trials;

/** Trials with values of one's choice. */
final class MadeUp {
    private final List<Trial> trials = new ArrayList<>();

    /** A value for each seed, beside what the variant has already. */
    MadeUp with(String part, String variant, Quantity quantity, double... values) {
        for (int seed = 0; seed < values.length; seed++) {
            Trial trial = trial(part, variant, seed);
            Map<String, Double> all = new LinkedHashMap<>(trial.values());
            all.put(quantity.key(), values[seed]);
            replace(trial, new Trial(part, variant, seed, 1, all, trial.curves()));
        }
        return this;
    }

    /** The same curve for each seed. */
    MadeUp curve(String part, String variant, int seeds, String name, double[] x, double[] y) {
        for (int seed = 0; seed < seeds; seed++) {
            Trial trial = trial(part, variant, seed);
            Map<String, Trial.Curve> all = new LinkedHashMap<>(trial.curves());
            all.put(name, new Trial.Curve(x, y));
            replace(trial, new Trial(part, variant, seed, 1, trial.values(), all));
        }
        return this;
    }

    Trials trials() {
        return new Trials(trials);
    }

    private Trial trial(String part, String variant, int seed) {
        return trials.stream()
                .filter(t -> t.part().equals(part) && t.variant().equals(variant) && t.seed() == seed)
                .findFirst()
                .orElseGet(() -> {
                    Trial made = new Trial(part, variant, seed, 1, Map.of(), Map.of());
                    trials.add(made);
                    return made;
                });
    }

    private void replace(Trial old, Trial by) {
        trials.set(trials.indexOf(old), by);
    }
}
