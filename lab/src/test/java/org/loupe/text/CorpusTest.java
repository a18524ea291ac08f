package org.loupe.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.text.Corpus.Fields;

class CorpusTest {
    @TempDir
    Path folder;

    private Path file(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, text);
    }

    private static Corpus open(Path path, Fields fields) {
        return Corpus.of(List.of(path.toString()), fields);
    }

    private static List<String> texts(Corpus corpus) {
        return corpus.documents().map(Document::text).toList();
    }

    @Test
    void filesAndFoldersAreDocumentsInTheOrderOfTheirPaths() throws IOException {
        file("d/b.txt", "second\n");
        file("d/a/z.md", "first ä\n");
        file("d/c.bin", "not text");
        Corpus corpus = Corpus.of(
                List.of(
                        folder.resolve("d").toString(),
                        file("one.text", "alone").toString()),
                Fields.DEFAULT);
        assertEquals(List.of("first ä\n", "second\n", "alone"), texts(corpus));
        assertEquals(List.of("second\n", "alone"), texts(corpus.range(1, 3)));
        assertEquals(3, corpus.shuffled(5).documents().distinct().count());
    }

    @Test
    void jsonLinesGiveTextAndLabel() throws IOException {
        Path file = file(
                "a.jsonl",
                "{\"t\": \"one\", \"l\": \"x\"}\n\n  {\"l\": \"y\", \"t\": \"two\\n\"}\r\n{\"t\":\"3\",\"l\":\"\"}");
        Corpus corpus = open(file, new Fields("t", "l"));
        assertEquals(
                List.of(new Document("one", "x"), new Document("two\n", "y"), new Document("3", "")),
                corpus.documents().toList());
        assertEquals("", open(file, new Fields("t", "")).get(0).label());
    }

    @Test
    void badTextIsRefusedWithFileAndPlace() throws IOException {
        Path latin = folder.resolve("latin.txt");
        Files.write(latin, "caf\u00e9 au lait".getBytes(StandardCharsets.ISO_8859_1));
        refused("latin.txt: is not UTF-8 text (at byte 3)", () -> texts(open(latin, Fields.DEFAULT)));
        Path cut = folder.resolve("cut.txt");
        Files.write(cut, new byte[] {'a', 'b', (byte) 0xC3});
        refused("cut.txt: is not UTF-8 text (at byte 2)", () -> texts(open(cut, Fields.DEFAULT)));
        refused("empty.txt: is empty", () -> texts(open(file("empty.txt", " \n"), Fields.DEFAULT)));
        refused("has no *.txt or *.md file", () -> open(Files.createDirectory(folder.resolve("none")), Fields.DEFAULT));
        refused("unknown text 'wordnat'", () -> Corpus.of(List.of("wordnat"), Fields.DEFAULT));
        refused("no text is named", () -> Corpus.of(List.of(), Fields.DEFAULT));
    }

    @Test
    void badJsonLinesAreRefusedWithFileAndLine() throws IOException {
        refusedLine("{\"text\": \"a\"}\n{\"tezt\": \"b\"}\n", "line 2 'text'; did you mean 'tezt'?");
        refusedLine("{\"text\": \"a\"}\n\n{\"text\": 7}\n", "line 3: field 'text' is not a string");
        refusedLine("{\"text\": \"  \"}\n", "line 1: field 'text' is empty");
        refusedLine("{\"text\": \"a\"}\n[1]\n", "line 2 is not a JSON object");
        refusedLine("{\"text\": \"a\"}\n{\"text\": \n", "line 2 is not JSON");
        refusedLine("\n\n", "lines.jsonl: is empty");
        Files.write(folder.resolve("u.jsonl"), new byte[] {'\n', '{', '"', (byte) 0xFF, '"', '}'});
        refused("u.jsonl: is not UTF-8 text (at byte 3)", () -> texts(open(folder.resolve("u.jsonl"), Fields.DEFAULT)));
    }

    private void refusedLine(String content, String message) throws IOException {
        Path file = file("lines.jsonl", content);
        refused(message, () -> texts(open(file, Fields.DEFAULT)));
    }

    private static void refused(String expected, Executable what) {
        String message = String.valueOf(assertThrows(BadInput.class, what).getMessage());
        assertTrue(message.contains(expected), message);
    }

    @Property(tries = 300)
    void anyBytesAreReadOrRefused(@ForAll @Size(max = 60) byte[] noise) throws IOException {
        byte[] start = "{\"text\": \"a\"}\n".getBytes(StandardCharsets.UTF_8);
        byte[] bytes = java.util.Arrays.copyOf(start, start.length + noise.length);
        System.arraycopy(noise, 0, bytes, start.length, noise.length);
        Path file = Files.createTempFile("noise", ".jsonl");
        try {
            Files.write(file, bytes);
            Corpus corpus = open(file, Fields.DEFAULT);
            assertEquals("a", corpus.get(0).text());
            for (int i = 1; i < corpus.size(); i++) {
                try {
                    assertTrue(!corpus.get(i).text().isBlank());
                } catch (BadInput e) {
                    assertTrue(String.valueOf(e.getMessage()).startsWith(file.toString())
                            || String.valueOf(e.getMessage()).contains("line"));
                }
            }
        } finally {
            Files.delete(file);
        }
    }
}
