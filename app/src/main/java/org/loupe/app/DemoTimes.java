package org.loupe.app;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.io.Json;

/**
 * {@code demo.json}: how long each stage took when it last had something to do.
 *
 * @param stages by name, in order
 */
record DemoTimes(Map<String, Stage> stages) {
    static final String FILE = "demo.json";

    /** @param tokens tokens that went through; 0 where they are not what is counted */
    record Stage(double seconds, long tokens) {}

    DemoTimes {
        stages = new LinkedHashMap<>(stages);
    }

    static DemoTimes read(Path folder) {
        Path file = folder.resolve(FILE);
        return Files.isRegularFile(file) ? Json.read(file, DemoTimes.class) : new DemoTimes(Map.of());
    }

    /** Notes a stage that had something to do. */
    void note(Path folder, String stage, double seconds, long tokens) {
        stages.put(stage, new Stage(seconds, tokens));
        Json.write(folder.resolve(FILE), this);
    }
}
