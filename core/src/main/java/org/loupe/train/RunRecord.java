package org.loupe.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.sae.SaeFolder;

/**
 * What a run folder was made from: {@code run.json}, written before the first step. A second start with anything else that the
 * result depends on is refused.
 *
 * @param config the configuration as nested maps
 * @param rows number of rows of the data
 * @param width their width
 */
record RunRecord(
        Map<String, Object> config, Provenance provenance, String hookIn, String hookOut, long rows, int width) {
    static final String FILE = "run.json";

    /** Keys that a result does not depend on. */
    private static final Set<String> FREE = Set.of("threads", "checkpoint_seconds", "precision");

    /** Writes the record where none is there. */
    void claim(Path folder) {
        Path file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            Json.write(file, this);
        }
    }

    /** Refuses a folder with the record of another run, or with an SAE and no record of what it was made from. */
    void check(Path folder) {
        Path file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            if (TrainRun.isComplete(folder)) {
                throw BadInput.in(folder, "holds " + SaeFolder.INFO + " without " + FILE + ": choose another folder");
            }
            return;
        }
        RunRecord there = Json.read(file, RunRecord.class);
        Map<String, String> before = flat(there.config);
        Map<String, String> now = flat(config);
        Set<String> keys = new TreeSet<>(now.keySet());
        keys.addAll(before.keySet());
        keys.removeAll(FREE);
        for (String key : keys) {
            require(folder, key, before.getOrDefault(key, "unset"), now.getOrDefault(key, "unset"));
        }
        require(folder, "model", there.provenance.model(), provenance.model());
        require(folder, "model hash", there.provenance.modelSha256(), provenance.modelSha256());
        require(folder, "text", there.provenance.text(), provenance.text());
        require(folder, "seed of the text's order", there.provenance.seed(), provenance.seed());
        require(folder, "hook point", there.hookIn, hookIn);
        require(folder, "hook point of what is written", there.hookOut, hookOut);
        require(folder, "rows of the data", there.rows, rows);
        require(folder, "width of the data", there.width, width);
    }

    /** Every key with its value as JSON writes it, nested keys with a dot. */
    private static Map<String, String> flat(Map<String, Object> config) {
        Map<String, String> flat = new TreeMap<>();
        Json.leaves(Json.MAPPER.valueToTree(config)).forEach((key, value) -> flat.put(key, value.toString()));
        return flat;
    }

    private static void require(Path folder, String key, Object there, Object here) {
        if (!Objects.equals(there, here)) {
            throw BadInput.in(
                    folder,
                    "holds a run with " + key + " = " + there + ", this one has " + here
                            + "; choose another folder, or start over with --fresh");
        }
    }
}
