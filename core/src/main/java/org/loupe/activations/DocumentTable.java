package org.loupe.activations;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Objects;
import org.loupe.io.AtomicFiles;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.ObjectWriter;
import tools.jackson.databind.SerializationFeature;

/**
 * The documents of a store by number: the lines of {@code documents.jsonl}, each {@code {"text", "label", "tokens"}}. Lines
 * are parsed when asked for.
 */
public final class DocumentTable {
    /** The file's name in a store. */
    public static final String FILE = "documents.jsonl";

    private static final ObjectWriter LINE = Json.MAPPER.writer().without(SerializationFeature.INDENT_OUTPUT);

    private final Path file;
    private final byte[] bytes;
    /** Line n is bytes [starts[n], starts[n + 1] − 1). */
    private final int[] starts;

    /**
     * One document, or one piece of a document longer than a row.
     *
     * @param text its text
     * @param label its category, or empty
     * @param tokens its token ids without the prefix: the token at position p of the document is {@code tokens[p − prefix
     *     length]}, dropped rows included
     */
    public record Document(String text, String label, int[] tokens) {
        public Document {
            Objects.requireNonNull(text, "text");
            Objects.requireNonNull(label, "label");
            Objects.requireNonNull(tokens, "tokens");
        }
    }

    private DocumentTable(Path file, byte[] bytes, int[] starts) {
        this.file = file;
        this.bytes = bytes;
        this.starts = starts;
    }

    /** Reads the file and finds its lines. */
    public static DocumentTable open(Path file) {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (IOException e) {
            throw new BadInput(file + ": cannot be read: " + e.getMessage(), e);
        }
        int lines = 0;
        for (byte b : bytes) {
            lines += b == '\n' ? 1 : 0;
        }
        if (bytes.length > 0 && bytes[bytes.length - 1] != '\n') {
            throw BadInput.at(file, bytes.length, "the last line has no end; the file is truncated");
        }
        int[] starts = new int[lines + 1];
        int line = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\n') {
                starts[++line] = i + 1;
            }
        }
        return new DocumentTable(file, bytes, starts);
    }

    /** Writes documents as lines, whole or not at all. */
    public static void write(Path file, Iterator<Document> documents) {
        AtomicFiles.write(file, out -> {
            while (documents.hasNext()) {
                writeLine(out, documents.next());
            }
        });
    }

    private static void writeLine(OutputStream out, Document document) throws IOException {
        out.write(LINE.writeValueAsString(document).getBytes(StandardCharsets.UTF_8));
        out.write('\n');
    }

    /** Number of documents. */
    public int size() {
        return starts.length - 1;
    }

    /** The document of that number, as the store's {@code document} column gives it. */
    public Document get(int number) {
        if (number < 0 || number >= size()) {
            throw BadInput.in(file, "has " + size() + " documents, but the store asks for number " + number);
        }
        byte[] line = Arrays.copyOfRange(bytes, starts[number], starts[number + 1] - 1);
        try {
            return Json.MAPPER.readValue(line, Document.class);
        } catch (JacksonException e) {
            throw new BadInput(file + ": line " + (number + 1) + " is not a document: " + Json.describe(e), e);
        }
    }
}
