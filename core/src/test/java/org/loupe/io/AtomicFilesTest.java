package org.loupe.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFilesTest {
    @TempDir
    Path folder;

    @Test
    void writesAndReplaces() throws IOException {
        Path file = folder.resolve("new/folder/a.txt");
        AtomicFiles.writeString(file, "one ä");
        AtomicFiles.writeString(file, "two");
        assertEquals("two", Files.readString(file));
        assertEquals(List.of("a.txt"), names(file.resolveSibling("")));
    }

    @Test
    void aFailureLeavesTheEarlierFileAndNothingBesideIt() throws IOException {
        Path file = folder.resolve("a.txt");
        AtomicFiles.writeString(file, "earlier");
        UncheckedIOException thrown = assertThrows(
                UncheckedIOException.class,
                () -> AtomicFiles.write(file, out -> {
                    out.write("half".getBytes(StandardCharsets.UTF_8));
                    out.flush();
                    throw new IOException("cable pulled");
                }));
        assertEquals("cannot write " + file + ": cable pulled", thrown.getMessage());
        assertThrows(
                IllegalStateException.class,
                () -> AtomicFiles.write(file, out -> {
                    throw new IllegalStateException("a fault of the caller");
                }));
        assertEquals("earlier", Files.readString(file));
        assertEquals(List.of("a.txt"), names(folder));
    }

    /** The file written aside is a link to a device that is always full. */
    @Test
    void aFullDiskIsSaidInOneLine() throws IOException {
        Path full = Path.of("/dev/full");
        assumeTrue(Files.isWritable(full), "only where there is a /dev/full");
        Path file = folder.resolve("a.txt");
        AtomicFiles.writeString(file, "earlier");
        Files.createSymbolicLink(folder.resolve(".a.txt.part"), full);
        UncheckedIOException thrown =
                assertThrows(UncheckedIOException.class, () -> AtomicFiles.writeString(file, "later"));
        assertTrue(
                String.valueOf(thrown.getMessage()).startsWith("cannot write " + file + ": No space left"),
                thrown.getMessage());
        assertEquals("earlier", Files.readString(file));
        assertEquals(List.of("a.txt"), names(folder));
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).toList();
        }
    }
}
