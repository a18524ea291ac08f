package org.loupe.train;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.io.AtomicFiles;
import org.loupe.io.Json;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.ObjectWriter;
import tools.jackson.databind.SerializationFeature;

/** The tracking file {@code steps.jsonl}: one JSON object a line, flushed line by line. */
final class StepLog implements AutoCloseable {
    static final String FILE = "steps.jsonl";

    /** About this many lines over a run. */
    private static final long LINES = 1000;

    private static final ObjectWriter LINE = Json.MAPPER.writer().without(SerializationFeature.INDENT_OUTPUT);

    private final BufferedWriter out;
    private final long every;

    /** Opens the log of a run that has done {@code from} steps; later lines, of steps that a killed run lost, are dropped. */
    StepLog(Path folder, long from, long steps) {
        Path file = folder.resolve(FILE);
        every = Math.max(1, steps / LINES);
        try {
            String kept = Files.exists(file)
                    ? Files.readString(file)
                            .lines()
                            .filter(line -> stepOf(line) <= from)
                            .map(line -> line + "\n")
                            .reduce("", String::concat)
                    : "";
            AtomicFiles.writeString(file, kept);
            out = Files.newBufferedWriter(file, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }

    /** The step of a line; beyond every step for a line that was cut off. */
    private static long stepOf(String line) {
        try {
            return Json.MAPPER.readTree(line).path("step").asLong(Long.MAX_VALUE);
        } catch (JacksonException e) {
            return Long.MAX_VALUE;
        }
    }

    void add(StepStats s, double tokensPerSecond) {
        if (s.step() % every != 0) {
            return;
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("step", s.step());
        line.put("tokens", s.tokens());
        line.put("loss", s.loss());
        line.put("fvu", s.fvu());
        line.put("l0", s.l0());
        line.put("dead", s.dead());
        line.put("lr", s.lr());
        line.put("grad_norm", s.gradNorm());
        line.put("coefficient", s.coefficient());
        line.put("tokens_per_second", Math.round(tokensPerSecond));
        try {
            out.write(LINE.writeValueAsString(line));
            out.write("\n");
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + FILE + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + FILE + ": " + e.getMessage(), e);
        }
    }
}
