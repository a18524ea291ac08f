package org.loupe.text;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/** A JSON-lines file: one object a line, blank lines left out. Lines are parsed when asked for. */
final class JsonLines implements Corpus {
    private final Path file;
    private final Fields fields;
    private final MemorySegment bytes;
    private final long[] starts;
    private final int[] lengths;
    private final int[] lines;

    private JsonLines(Path file, Fields fields, MemorySegment bytes, List<Line> found) {
        this.file = file;
        this.fields = fields;
        this.bytes = bytes;
        this.starts = found.stream().mapToLong(Line::start).toArray();
        this.lengths = found.stream().mapToInt(Line::length).toArray();
        this.lines = found.stream().mapToInt(Line::number).toArray();
    }

    private record Line(long start, int length, int number) {}

    /** Maps a file and finds its lines. */
    static Corpus open(Path file, Fields fields) {
        try (FileChannel channel = FileChannel.open(file)) {
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
            List<Line> found = lines(file, bytes);
            if (found.isEmpty()) {
                throw BadInput.in(file, "is empty");
            }
            return new JsonLines(file, fields, bytes, found);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    private static List<Line> lines(Path file, MemorySegment bytes) {
        List<Line> found = new ArrayList<>();
        long size = bytes.byteSize();
        long start = 0;
        boolean blank = true;
        int number = 1;
        for (long at = 0; at <= size; at++) {
            byte b = at < size ? bytes.get(ValueLayout.JAVA_BYTE, at) : (byte) '\n';
            if (b != '\n') {
                blank &= b == ' ' || b == '\t' || b == '\r';
                continue;
            }
            if (!blank) {
                if (at - start > Integer.MAX_VALUE - 8) {
                    throw BadInput.at(file, start, "line " + number + " is longer than 2 GiB");
                }
                found.add(new Line(start, (int) (at - start), number));
            }
            start = at + 1;
            blank = true;
            number++;
        }
        return found;
    }

    @Override
    public String name() {
        return file.toString();
    }

    @Override
    public int size() {
        return starts.length;
    }

    @Override
    public Document get(int number) {
        byte[] raw = bytes.asSlice(starts[number], lengths[number]).toArray(ValueLayout.JAVA_BYTE);
        String line = TextFiles.decode(file, raw, 0, raw.length, starts[number]);
        String where = "line " + lines[number];
        JsonNode json;
        try {
            json = Json.MAPPER.readTree(line);
        } catch (JacksonException e) {
            String rule = e.getOriginalMessage().lines().findFirst().orElse("");
            throw new BadInput(file + ": " + where + " is not JSON: " + rule, e);
        }
        if (!json.isObject()) {
            throw BadInput.in(file, where + " is not a JSON object");
        }
        String text = string(json, fields.text(), where);
        if (text.isBlank()) {
            throw BadInput.in(file, where + ": field '" + fields.text() + "' is empty");
        }
        return new Document(text, fields.label().isEmpty() ? "" : string(json, fields.label(), where));
    }

    private String string(JsonNode json, String field, String where) {
        JsonNode value = json.get(field);
        if (value == null) {
            List<String> known = new ArrayList<>(json.propertyNames());
            throw BadInput.unknown("field of " + file + " " + where, field, known);
        }
        if (!value.isString()) {
            throw BadInput.in(file, where + ": field '" + field + "' is not a string");
        }
        return value.asString();
    }
}
