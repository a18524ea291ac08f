package org.loupe.experiment.question;

import java.util.List;
import org.loupe.experiment.Experiment;
import org.loupe.io.BadInput;

/** All experiments. */
public final class Experiments {
    public static final List<Experiment> ALL = List.of(
            new DownstreamQuestion(),
            new ThresholdQuestion(),
            new LowActivationsQuestion(),
            new ByAccidentQuestion(),
            new SeedsQuestion(),
            new DictionariesQuestion(),
            new NegativeFeaturesQuestion());

    private Experiments() {}

    /** @throws BadInput where there is none of that name */
    public static Experiment named(String name) {
        return ALL.stream()
                .filter(e -> e.name().equals(name))
                .findFirst()
                .orElseThrow(() -> BadInput.unknown(
                        "experiment", name, ALL.stream().map(Experiment::name).toList()));
    }
}
