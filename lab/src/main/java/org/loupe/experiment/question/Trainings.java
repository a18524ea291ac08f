package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.activations.RowSource;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Quantity;
import org.loupe.experiment.Trial;

/**
 * Trainings of one part, on the same rows.
 *
 * @param base settings that all share
 * @param measure of what came out
 */
record Trainings(Laboratory lab, String part, RowSource rows, List<String> base, Measure measure) {
    static final Quantity SECONDS = new Quantity("train_seconds", "training", "s", "time of all training steps");

    /** Measures a trained SAE. */
    @FunctionalInterface
    interface Measure {
        Trial.Outcome of(Laboratory.Trained trained);
    }

    /** One trial, of the part's rows and a variant's settings. */
    void train(String variant, int seed, String... settings) {
        lab.trial(part, variant, seed, _ -> {
            Laboratory.Trained trained =
                    lab.train(lab.sae(part, variant, seed), rows, null, settings(seed, List.of(settings)));
            Trial.Outcome outcome = measure.of(trained);
            Map<String, Double> values = new LinkedHashMap<>(outcome.values());
            values.put(SECONDS.key(), trained.seconds());
            return new Trial.Outcome(values, outcome.curves());
        });
    }

    /** Base and own settings together. */
    List<String> settings(int seed, List<String> own) {
        List<String> all = new ArrayList<>(base);
        all.addAll(own);
        all.add("seed=" + seed);
        return all;
    }
}
