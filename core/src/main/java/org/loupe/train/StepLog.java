package org.loupe.train;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.loupe.io.AtomicFiles;
import org.loupe.io.Json;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.ObjectWriter;
import tools.jackson.databind.SerializationFeature;

/** The tracking file {@code steps.jsonl}: one JSON object a line, flushed line by line. */
final class StepLog implements AutoCloseable {
    static final String FILE = "steps.jsonl";

    private static final ObjectWriter LINE = Json.MAPPER.writer().without(SerializationFeature.INDENT_OUTPUT);

    private final Path file;
    private final BufferedWriter out;

    /** Opens the log of a run that has done {@code from} steps; later lines, of steps that a killed run lost, are dropped. */
    StepLog(Path folder, long from) {
        file = folder.resolve(FILE);
        try {
            AtomicFiles.writeString(file, Files.exists(file) ? kept(file, from) : "");
            out = Files.newBufferedWriter(file, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }

    private static String kept(Path file, long from) throws IOException {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.filter(line -> stepOf(line) <= from)
                    .map(line -> line + "\n")
                    .collect(Collectors.joining());
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

    void add(long step, long tokens, Map<String, Number> figures) {
        Map<String, Number> line = new LinkedHashMap<>();
        line.put("step", step);
        line.put("tokens", tokens);
        line.putAll(figures);
        try {
            out.write(LINE.writeValueAsString(line));
            out.write("\n");
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }
}
