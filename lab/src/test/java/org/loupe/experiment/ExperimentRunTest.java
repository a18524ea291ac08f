package org.loupe.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

final class ExperimentRunTest {
    private static final Laboratory.Listener SILENT = new Laboratory.Listener() {
        @Override
        public void at(String stage, String unit, long done, long total) {}

        @Override
        public void done(Trial trial) {}
    };

    @TempDir
    private Path folder;

    /** Counts its trials, and fails after some. */
    private static final class Counting implements Experiment {
        private final String name;
        private int measured;
        private int failAfter = Integer.MAX_VALUE;

        Counting(String name) {
            this.name = name;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public String question() {
            return "How much is <one> & one?";
        }

        @Override
        public List<Quantity> quantities() {
            return List.of(new Quantity("sum", "sum", "apples", "of two"));
        }

        @Override
        public void measure(Laboratory lab) {
            for (String variant : List.of("one, and one", "two")) {
                lab.trials("world", variant, seed -> {
                    if (measured == failAfter) {
                        throw new IllegalStateException("interrupted");
                    }
                    measured++;
                    double value = variant.length() + seed / 3.0;
                    return new Trial.Outcome(
                            Map.of("sum", value),
                            Map.of("line", new Trial.Curve(new double[] {1, 2}, new double[] {value, 5})));
                });
            }
        }

        @Override
        public Answer answer(Trials trials, Scale scale) {
            Quantity sum = quantities().getFirst();
            return new Answer(
                    "apples",
                    List.of(new Answer.Figure(
                            "sum",
                            "a < b",
                            "read it",
                            Rows.of(trials, "world", sum).svg("a < b"))),
                    List.of(Answer.Table.of("All", trials, "world", quantities())),
                    "Two. Surely.",
                    "other apples");
        }
    }

    private ExperimentRun.Result run(Experiment experiment, int seeds) {
        return ExperimentRun.run(
                experiment,
                new Scale(true, seeds),
                folder,
                folder.resolveSibling("stores"),
                "loupe experiment",
                1,
                precision -> {
                    throw new AssertionError("no model is needed");
                },
                SILENT);
    }

    @Test
    void anInterruptedRunGoesOnWithTheNextTrial() {
        Counting experiment = new Counting("apples");
        experiment.failAfter = 3;
        RuntimeException refused = assertThrows(RuntimeException.class, () -> run(experiment, 2));
        assertTrue(String.valueOf(refused.getMessage()).contains("interrupted"), refused.getMessage());
        assertFalse(Files.exists(folder.resolve(Report.RESULTS)));

        experiment.failAfter = Integer.MAX_VALUE;
        assertFalse(run(experiment, 2).complete());
        assertEquals(4, experiment.measured);
        assertTrue(run(experiment, 2).complete());
        assertEquals(4, experiment.measured);
        run(experiment, 3);
        assertEquals(6, experiment.measured, "a third seed alone");
    }

    @Test
    void filesAgreeWithEachOther() throws Exception {
        run(new Counting("apples"), 3);
        JsonNode results = Json.tree(folder.resolve(Report.RESULTS));
        assertEquals(6, results.path("trials").size());
        JsonNode summary = results.path("summary").get(0);
        List<String> lines = Files.readAllLines(folder.resolve(Report.TABLE));
        double mean = lines.stream()
                .filter(line -> line.startsWith("\"one, and one\"") || line.startsWith("world,\"one, and one\""))
                .filter(line -> line.contains(",sum,,"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(',') + 1)))
                .average()
                .orElseThrow();
        assertEquals("one, and one", summary.path("variant").asString());
        assertEquals(mean, summary.path("mean").asDouble(), 1e-12);
        assertEquals(1 + 6 * 3, lines.size());
        assertTrue(Files.readString(folder.resolve(Report.PAGE)).contains("How much is &lt;one&gt; &amp; one?"));
        assertTrue(Files.readString(folder.resolve(Report.PAGE)).contains("Two. Surely."));
        assertTrue(Files.readString(folder.resolve(Report.PAGE)).contains("<svg"));
        assertTrue(Files.exists(folder.resolve("sum.svg")));
    }

    @Test
    void anotherExperimentsFolderIsRefused() {
        run(new Counting("apples"), 1);
        BadInput refused = assertThrows(BadInput.class, () -> run(new Counting("pears"), 1));
        assertTrue(
                String.valueOf(refused.getMessage()).contains("experiment is apples, this start has pears"),
                refused.getMessage());
        ExperimentRun.clear(folder);
        assertFalse(run(new Counting("pears"), 1).complete());
    }

    @Test
    void somebodysFilesAreRefused() throws Exception {
        Files.writeString(folder.resolve("letter.txt"), "dear");
        BadInput refused = assertThrows(BadInput.class, () -> run(new Counting("apples"), 1));
        assertTrue(String.valueOf(refused.getMessage()).contains("is not empty"), refused.getMessage());
    }
}
