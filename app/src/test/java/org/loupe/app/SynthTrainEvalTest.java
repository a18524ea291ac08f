package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.io.Json;
import org.loupe.synth.World;
import tools.jackson.databind.JsonNode;

/** Rows with a known dictionary, an SAE trained on them, and what it is worth against the truth, through the command line. */
final class SynthTrainEvalTest {
    @TempDir
    private Path folder = Path.of("");

    private Cli synth(Path out, Object... more) {
        List<Object> args = new ArrayList<>(List.of("synth", "--out", out, "--json"));
        args.addAll(List.of(more));
        return Cli.run(args.toArray());
    }

    private static JsonNode json(Cli cli) {
        assertEquals(0, cli.code(), cli.err());
        return Json.MAPPER.readTree(cli.out());
    }

    private JsonNode evaluate(Path sae, Path world, Object... more) {
        List<Object> args =
                new ArrayList<>(List.of("eval", sae, "--data", world.resolve("eval.safetensors"), "--json"));
        args.addAll(List.of(more));
        return json(Cli.run(args.toArray()));
    }

    /** 12 parents with a child each in 24 dimensions, no noise: easy enough that half of the features are found in no time. */
    @Test
    void anSaeIsMeasuredAgainstWhatMadeItsRows() throws IOException {
        Path world = folder.resolve("world");
        JsonNode made = json(synth(
                world,
                "--features",
                24,
                "--d",
                24,
                "--rows",
                8192,
                "--eval-rows",
                2000,
                "--active",
                1.5,
                "--noise",
                0,
                "--children",
                1));
        assertEquals(8192, made.path("rows").asInt());
        assertEquals(1.5, made.path("l0").asDouble(), 0.15);
        assertEquals(0, made.path("fvu_floor").asDouble());

        Path sae = folder.resolve("sae");
        Path train = world.resolve("train.safetensors");
        json(Cli.run(
                "train",
                "--data",
                train,
                "--out",
                sae,
                "--json",
                "--set",
                "latents=32",
                "--set",
                "k=3",
                "--set",
                "batch=256",
                "--set",
                "passes=20",
                "--set",
                "lr=0.003"));

        JsonNode report = evaluate(sae, world, "--truth", world.resolve("truth.safetensors"));
        for (String key : List.of(
                "mmcs",
                "mmcs_latents",
                "match_cosine",
                "recovered_fraction",
                "uniqueness",
                "truth_precision",
                "truth_recall",
                "truth_f1",
                "truth_shrinkage",
                "splitting",
                "absorption",
                "absorption_alone")) {
            assertTrue(report.path(key).isNumber(), key + ": " + report);
        }
        assertTrue(report.path("recovered_fraction").asDouble() >= 0.5, report.toString());
        assertTrue(report.path("match_cosine").asDouble() <= report.path("mmcs").asDouble() + 1e-6);
        assertEquals(25, Files.readAllLines(sae.resolve("truth.csv")).size());
        assertTrue(Files.readString(sae.resolve("report.html")).contains("<h2>Against the truth</h2>"));

        // The table of an earlier evaluation does not outlive the next one.
        JsonNode blind = evaluate(sae, world);
        assertFalse(blind.has("mmcs") || blind.has("truth_f1"), blind.toString());
        assertFalse(Files.exists(sae.resolve("truth.csv")));

        Cli other = Cli.run("eval", sae, "--data", train, "--truth", world.resolve("truth.safetensors"));
        assertEquals(2, other.code());
        assertTrue(other.err().contains("8192") && other.err().contains("2000"), other.err());
    }

    @ParameterizedTest
    @EnumSource(World.class)
    void everyNamedWorldIsMadeOnceAndOptionsGoOverIt(World world) {
        Path out = folder.resolve("world");
        Object[] few = {"--world", world, "--rows", 300, "--eval-rows", 200, "--seed", 3};
        assertFalse(json(synth(out, few)).path("complete").asBoolean());
        Cli again = synth(out, few);
        assertTrue(json(again).path("complete").asBoolean());
        assertTrue(again.err().contains("complete already"), again.err());
        JsonNode config = Json.tree(out.resolve("synth.json")).path("config");
        assertEquals(300, config.path("rows").asInt());
        assertEquals(
                world == World.HIERARCHICAL ? 3 : 0, config.path("children").asInt());
        assertEquals(world == World.SIGNED, config.path("signed").asBoolean());
        Cli info = Cli.run("info", out);
        assertTrue(info.out().contains("known dictionary") && info.out().contains("config.seed: 3"), info.out());
    }

    @Test
    void anotherWorldNeedsAnotherFolderOrAFreshStart() {
        Path out = folder.resolve("world");
        json(synth(out, "--rows", 300, "--eval-rows", 200));
        Cli refused = synth(out, "--rows", 300, "--eval-rows", 201);
        assertEquals(2, refused.code());
        assertTrue(refused.err().contains("evalRows = 200") && refused.err().contains("--fresh"), refused.err());
        assertEquals(1, refused.err().lines().count(), refused.err());
        JsonNode fresh = json(synth(out, "--rows", 300, "--eval-rows", 201, "--fresh", "--hierarchy"));
        assertFalse(fresh.path("complete").asBoolean());
        assertEquals(201, fresh.path("eval_rows").asInt());
        assertEquals(
                3, Json.tree(out.resolve("synth.json")).at("/config/children").asInt());
    }
}
