package org.loupe.text;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.loupe.io.BadInput;

/** Plain text files; each is one document without a label. */
record TextFiles(String name, List<Path> files) implements Corpus {
    static Corpus file(Path file) {
        return new TextFiles(file.toString(), List.of(file));
    }

    /** The *.txt and *.md files below a folder, in the order of their paths. */
    static Corpus folder(Path folder) {
        try (Stream<Path> walk = Files.walk(folder)) {
            List<Path> files = walk.filter(TextFiles::isText).sorted().toList();
            if (files.isEmpty()) {
                throw BadInput.in(folder, "has no *.txt or *.md file");
            }
            return new TextFiles(folder.toString(), files);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder + ": " + e.getMessage(), e);
        }
    }

    private static boolean isText(Path path) {
        String name = path.getFileName().toString();
        return (name.endsWith(".txt") || name.endsWith(".md")) && Files.isRegularFile(path);
    }

    @Override
    public int size() {
        return files.size();
    }

    @Override
    public Document get(int number) {
        Path file = files.get(number);
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (IOException e) {
            throw new BadInput(file + ": cannot be read: " + e.getMessage(), e);
        }
        String text = decode(file, bytes, 0, bytes.length, 0);
        if (text.isBlank()) {
            throw BadInput.in(file, "is empty");
        }
        return new Document(text, "");
    }

    /**
     * Bytes of a file as text.
     *
     * @param start where in the file they are, for the message
     * @throws BadInput naming the first byte that is not UTF-8
     */
    static String decode(Path file, byte[] bytes, int from, int length, long start) {
        ByteBuffer in = ByteBuffer.wrap(bytes, from, length);
        CharBuffer out = CharBuffer.allocate(length);
        CoderResult result = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT)
                .decode(in, out, true);
        if (result.isError()) {
            throw BadInput.at(file, start + in.position() - from, "is not UTF-8 text");
        }
        return out.flip().toString();
    }
}
