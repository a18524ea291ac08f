package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Json;
import org.loupe.sae.SaeFolder;
import tools.jackson.databind.JsonNode;

/** {@code loupe jacobian} on the first MLP of the default model. */
final class JacobianCommandTest {
    @TempDir
    private static Path folder;

    @BeforeAll
    static void harvest() {
        for (String site : List.of("blocks.0.ln2.hook_normalized", "blocks.0.hook_resid_post")) {
            Cli cli = Cli.run(
                    "harvest",
                    "--hook",
                    site,
                    "--out-hook",
                    "blocks.0.hook_mlp_out",
                    "--tokens",
                    "1500",
                    "--out",
                    folder.resolve(site));
            assertEquals(0, cli.code(), cli.err());
        }
    }

    private static Cli jacobian(String out, Object... more) {
        List<Object> args = new ArrayList<>(List.of(
                "jacobian",
                "--store",
                folder.resolve("blocks.0.ln2.hook_normalized"),
                "--out",
                folder.resolve(out),
                "--set",
                "latents=96",
                "--set",
                "k=8",
                "--set",
                "batch=128",
                "--set",
                "passes=4",
                "--json"));
        args.addAll(List.of(more));
        return Cli.run(args.toArray());
    }

    private static double l1(Cli cli) {
        assertEquals(0, cli.code(), cli.err());
        return Json.MAPPER.readTree(cli.out()).path("jacobian_l1").asDouble();
    }

    @Test
    void aPairIsTrainedMeasuredAndKept() throws IOException {
        double plain = l1(jacobian("control", "--weight", "0"));
        Cli first = jacobian("pair", "--weight", "3");
        assertTrue(l1(first) < 0.8 * plain, plain + " became " + l1(first));
        JsonNode report = Json.MAPPER.readTree(first.out());
        assertEquals(report, Json.tree(folder.resolve("pair").resolve(JacobianCommand.FILE)));
        assertEquals(3, report.path("weight").asDouble());
        assertTrue(report.path("rows").asInt() > 1000);
        Path weights = folder.resolve("pair").resolve("in").resolve(SaeFolder.WEIGHTS);
        byte[] before = Files.readAllBytes(weights);
        assertEquals(l1(first), l1(jacobian("pair", "--weight", "3")));
        assertArrayEquals(before, Files.readAllBytes(weights));
        assertEquals(
                "blocks.0.hook_mlp_out",
                SaeFolder.load(folder.resolve("pair").resolve("out")).info().hookIn());
        String info = Cli.run("info", folder.resolve("pair")).out();
        assertTrue(info.contains("two SAEs around an MLP") && info.contains("weight: 3"), info);
    }

    @Test
    void aStoreThatIsNoMlpsIsRefused() {
        Cli cli = Cli.run(
                "jacobian",
                "--store",
                folder.resolve("blocks.0.hook_resid_post"),
                "--out",
                folder.resolve("none"),
                "--set",
                "k=8");
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains("expected those of an MLP"), cli.err());
        assertTrue(!Files.exists(folder.resolve("none")));
        Cli negative = jacobian("none", "--weight=-1");
        assertEquals(2, negative.code());
        assertTrue(negative.err().contains("weight of the Jacobian: -1.0"), negative.err());
    }
}
