package org.loupe.train;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.io.AtomicFiles;

/** What a run writes about its steps, about a thousand of them: {@code steps.jsonl}, and the same figures for TensorBoard. */
final class Tracking implements AutoCloseable {
    /** About this many steps of a run are written. */
    private static final long LINES = 1000;

    private final long every;
    private final StepLog lines;
    private final EventLog events;

    /** Opens the files of a run that has done {@code from} of {@code steps} steps. */
    Tracking(Path folder, long from, long steps) {
        every = Math.max(1, steps / LINES);
        lines = new StepLog(folder, from);
        events = new EventLog(folder, from);
    }

    /** Deletes the files. */
    static void clear(Path folder) {
        AtomicFiles.delete(folder.resolve(StepLog.FILE));
        EventLog.clear(folder);
    }

    void add(StepStats s, double tokensPerSecond) {
        if (s.step() % every != 0) {
            return;
        }
        Map<String, Number> figures = new LinkedHashMap<>();
        figures.put("loss", s.loss());
        figures.put("fvu", s.fvu());
        figures.put("l0", s.l0());
        figures.put("dead", s.dead());
        figures.put("lr", s.lr());
        figures.put("grad_norm", s.gradNorm());
        figures.put("coefficient", s.coefficient());
        figures.put("tokens_per_second", Math.round(tokensPerSecond));
        lines.add(s.step(), s.tokens(), figures);
        events.add(s.step(), figures);
    }

    @Override
    public void close() {
        try (lines) {
            events.close();
        }
    }
}
