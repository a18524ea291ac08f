package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.app.web.SyntheticRun;
import org.loupe.io.Json;
import org.loupe.sae.SaeFolder;
import tools.jackson.databind.node.ObjectNode;

/** An index belongs to one SAE's weights, whatever else two SAEs have in common. */
final class IndexOfAnotherSaeTest {
    @TempDir
    private Path folder;

    private Cli index(Path sae) {
        Cli cli = Cli.run(
                "index", sae, "--store", folder.resolve("store"), "--out", folder.resolve("index"), "--threads", 2);
        assertEquals(0, cli.code(), cli.err());
        return cli;
    }

    private Cli attribute(Path sae) {
        return Cli.run(
                "attribute", "--sae", sae, "--index", folder.resolve("index"), "--model", "none", "--prompt", "x");
    }

    /** The same description, one bias another, and not newer than the index. */
    private Path twin() throws IOException {
        SaeFolder.Loaded loaded = SaeFolder.load(folder.resolve("sae"));
        loaded.sae().encoderBias()[3] += 1;
        Path twin = folder.resolve("twin");
        SaeFolder.save(twin, loaded.sae(), loaded.info());
        Files.setLastModifiedTime(twin.resolve(SaeFolder.INFO), FileTime.fromMillis(0));
        return twin;
    }

    @Test
    void isBuiltAnewAndItsLabelsAreRefused() throws IOException {
        SyntheticRun.write(folder, 64, 50);
        Path sae = folder.resolve("sae");
        assertTrue(index(sae).err().contains("complete already"));
        assertTrue(attribute(sae).err().contains("'none'"), "its own labels are taken");

        Path twin = twin();
        Cli refused = attribute(twin);
        assertEquals(2, refused.code());
        assertTrue(
                refused.err().contains(SaeFolder.load(sae).weightsSha256())
                        && refused.err().contains(SaeFolder.load(twin).weightsSha256()),
                refused.err());
        Cli anew = index(twin);
        assertTrue(anew.err().contains("built anew") && !anew.err().contains("complete already"), anew.err());
        assertFalse(attribute(twin).err().contains("sha256"));

        Path description = folder.resolve("index/index.json");
        ObjectNode older = (ObjectNode) Json.tree(description);
        older.remove("saeSha256");
        Json.write(description, older);
        assertTrue(attribute(twin).err().contains("does not say which weights"));
        assertTrue(index(twin).err().contains("built anew"));
        assertTrue(index(twin).err().contains("complete already"));
    }
}
