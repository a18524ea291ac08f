package org.loupe.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonTest {
    @TempDir
    Path folder;

    record Point(int x, List<String> names) {}

    @Test
    void recordsComeBack() {
        Path file = folder.resolve("p.json");
        Json.write(file, new Point(3, List.of("ä", "")));
        assertEquals(new Point(3, List.of("ä", "")), Json.read(file, Point.class));
        assertEquals(3, Json.tree(file).get("x").asInt());
    }

    @Test
    void whatDoesNotFitTheRecordIsRefused() throws IOException {
        refuse("{\"x\": 1, \"names\": [], \"nmaes\": []}", "nmaes");
        refuse("{\"x\": 1}", "'names'");
        refuse("{\"x\": null, \"names\": []}", "null");
        refuse("{\"x\": \"one\", \"names\": []}", "one");
        refuse("{\"x\": 1, \"names\": []} {}", "railing token");
        refuse("{\"x\": 1,\n \"names\": [", "line 2");
        refuse("", "p.json");
        Files.write(folder.resolve("p.json"), new byte[] {'"', (byte) 0xFF, '"'});
        SafetensorsTest.refused("cannot be read as UTF-8", () -> Json.tree(folder.resolve("p.json")));
        SafetensorsTest.refused("no such file", () -> Json.tree(folder.resolve("q.json")));
    }

    private void refuse(String json, String message) throws IOException {
        Path file = Files.writeString(folder.resolve("p.json"), json);
        SafetensorsTest.refused(message, () -> {
            Point read = Json.read(file, Point.class);
            assertFalse(true, "was read: " + read);
        });
    }

    @Test
    void unknownWordsAreRefusedWithTheNearest() {
        assertEquals(
                "unknown key 'lattents'; did you mean 'latents'? Known: k, latents",
                BadInput.unknown("key", "lattents", new java.util.TreeSet<>(Set.of("k", "latents")))
                        .getMessage());
        assertEquals(3, BadInput.distance("kitten", "sitting"));
        assertEquals(4, BadInput.distance("", "four"));
        assertEquals("f: rule (at byte 7)", BadInput.at(Path.of("f"), 7, "rule").getMessage());
    }
}
