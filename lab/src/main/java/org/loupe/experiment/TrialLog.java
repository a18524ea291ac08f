package org.loupe.experiment;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Provenance;

/** The trials of a folder, written anew after each: {@value #FILE}. */
final class TrialLog {
    static final String FILE = "trials.json";

    private final Path file;
    private final Content about;
    private final List<Trial> trials;

    /** What the file holds. */
    private record Content(String experiment, boolean small, int seeds, String loupe, List<Trial> trials) {}

    /**
     * Goes on with the folder's trials, where it has any.
     *
     * @throws BadInput where they are of another experiment, size or version
     */
    TrialLog(Path folder, Experiment experiment, Scale scale) {
        file = folder.resolve(FILE);
        about = new Content(experiment.name(), scale.small(), scale.seeds(), Provenance.VERSION, List.of());
        if (Files.exists(file)) {
            Content there = Json.read(file, Content.class);
            require("experiment", there.experiment, about.experiment);
            require("small", there.small, about.small);
            require("loupe", there.loupe, about.loupe);
            trials = new ArrayList<>(there.trials);
        } else {
            trials = new ArrayList<>();
        }
    }

    private void require(String key, Object there, Object here) {
        if (!there.equals(here)) {
            throw BadInput.in(
                    file,
                    key + " is " + there + ", this start has " + here
                            + "; choose another folder, or start over with --fresh");
        }
    }

    Optional<Trial> find(String part, String variant, int seed) {
        return trials.stream()
                .filter(t -> t.part().equals(part) && t.variant().equals(variant) && t.seed() == seed)
                .findFirst();
    }

    void add(Trial trial) {
        trials.add(trial);
        Json.write(file, new Content(about.experiment, about.small, about.seeds, about.loupe, trials));
    }

    /** Those with seeds below a bound. */
    Trials below(int seeds) {
        return new Trials(trials.stream().filter(trial -> trial.seed() < seeds).toList());
    }
}
