package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Json;
import org.loupe.io.SafetensorsWriter;
import tools.jackson.databind.JsonNode;

/** Several SAEs of one command: {@code --seeds} and {@code --sweep}. */
final class SweepCommandTest {
    private static final int ROWS = 1024;
    private static final int WIDTH = 16;

    @TempDir
    Path folder = Path.of("");

    @BeforeEach
    void writeRows() {
        SplittableRandom random = new SplittableRandom(5);
        float[] values = new float[ROWS * WIDTH];
        for (int r = 0; r < ROWS; r++) {
            for (int active = 0; active < 3; active++) {
                values[r * WIDTH + random.nextInt(WIDTH)] += 1 + (float) random.nextDouble();
            }
        }
        new SafetensorsWriter().f32("x", values, ROWS, WIDTH).write(folder.resolve("rows.safetensors"));
    }

    private Cli train(String out, String... more) {
        List<Object> args = new ArrayList<>(List.of("train", "--data", folder.resolve("rows.safetensors")));
        args.addAll(List.of("--out", folder.resolve(out), "--set", "latents=32", "--set", "batch=128"));
        args.addAll(List.of("--set", "passes=5", "--set", "lr=0.003"));
        args.addAll(List.of((Object[]) more));
        return Cli.run(args.toArray());
    }

    private byte[] weights(String sae) throws IOException {
        return Files.readAllBytes(folder.resolve(sae).resolve("sae_weights.safetensors"));
    }

    @Test
    void eachSeedIsARunOfItsOwnAndTheSpreadIsOverAll() throws IOException {
        Cli three = train("seeds", "--seed", "4", "--seeds", "3", "--set", "k=3", "--json");
        assertEquals(0, three.code(), three.err());
        JsonNode json = Json.MAPPER.readTree(three.out());
        double[] fvu = new double[3];
        for (int i = 0; i < 3; i++) {
            Cli alone = train("alone-" + i, "--seed", "" + (4 + i), "--set", "k=3", "--json");
            JsonNode expected = Json.MAPPER.readTree(alone.out());
            JsonNode run = json.path("runs").path(i);
            assertEquals("seed-" + (4 + i), run.path("name").asString());
            for (String key : List.of("loss", "fvu", "l0", "dead", "tokens", "complete")) {
                assertFalse(expected.path(key).isMissingNode(), key);
                assertEquals(expected.path(key), run.path(key), key);
            }
            assertArrayEquals(weights("alone-" + i), weights("seeds/seed-" + (4 + i)));
            fvu[i] = run.path("fvu").asDouble();
        }
        JsonNode family = json.path("over_seeds").path(0);
        assertEquals(1, json.path("over_seeds").size());
        assertEquals(3, family.path("seeds").asInt());
        double mean = (fvu[0] + fvu[1] + fvu[2]) / 3;
        assertEquals(mean, family.at("/fvu/mean").asDouble(), 1e-12);
        double pairs = Math.pow(fvu[0] - fvu[1], 2) + Math.pow(fvu[0] - fvu[2], 2) + Math.pow(fvu[1] - fvu[2], 2);
        assertTrue(pairs > 0);
        assertEquals(Math.sqrt(pairs / 3 / 2), family.at("/fvu/deviation").asDouble(), 1e-12);
        assertEquals(3, family.at("/l0/mean").asDouble(), 1e-12);
        assertEquals(0, family.at("/l0/deviation").asDouble(), 1e-12);
    }

    @Test
    void aSweepHasARowForEachAndFindsItselfComplete() throws IOException {
        String[] swept = {"--sweep", "k=2,3", "--sweep", "optimizer.clip=0.5,1", "--json"};
        Cli first = train("sweep", swept);
        assertEquals(0, first.code(), first.err());
        List<String> names = List.of(
                "k-2_optimizer.clip-0.5", "k-2_optimizer.clip-1", "k-3_optimizer.clip-0.5", "k-3_optimizer.clip-1");
        for (String name : names) {
            assertTrue(
                    first.err()
                            .lines()
                            .anyMatch(line -> line.strip().matches(name + " +0\\.\\d{4} +[23]\\.0 +\\d+ +\\d+\\.\\d")),
                    first.err());
            assertTrue(Files.exists(folder.resolve("sweep").resolve(name).resolve("loupe.json")));
        }
        train("alone", "--set", "k=3", "--set", "optimizer.clip=0.5");
        assertArrayEquals(weights("alone"), weights("sweep/k-3_optimizer.clip-0.5"));

        Cli again = train("sweep", swept);
        assertEquals(0, again.code(), again.err());
        JsonNode before = Json.MAPPER.readTree(first.out()).path("runs");
        JsonNode after = Json.MAPPER.readTree(again.out()).path("runs");
        for (int i = 0; i < names.size(); i++) {
            assertTrue(after.path(i).path("complete").asBoolean());
            assertEquals(before.path(i).path("fvu"), after.path(i).path("fvu"));
        }
        assertEquals(
                4, again.err().lines().filter(line -> line.endsWith("complete")).count(), again.err());

        Cli fresh = train("sweep", "--sweep", "k=2", "--sweep", "optimizer.clip=1", "--fresh", "--json");
        assertFalse(Json.MAPPER.readTree(fresh.out()).at("/runs/0/complete").asBoolean(), fresh.out());
        assertEquals(0, Json.MAPPER.readTree(fresh.out()).path("over_seeds").size());
    }

    @Test
    void aConfigurationFileListsThem() throws IOException {
        Path yaml = Files.writeString(folder.resolve("sweep.yaml"), """
                k: 2
                sweep:
                  - {latents: 40}
                  - {architecture: batchtopk}
                """);
        Cli listed = train("listed", "--config", yaml.toString());
        assertEquals(0, listed.code(), listed.err());
        assertTrue(Files.exists(folder.resolve("listed/latents-40/loupe.json")));
        assertTrue(Files.exists(folder.resolve("listed/architecture-batchtopk/loupe.json")));
    }

    @Test
    void oneThatDivergesFailsTheCommandAfterTheOthersAreThere() {
        Cli cli = train("wild", "--set", "k=2", "--sweep", "lr=1e20,1e-3", "--json");
        assertEquals(2, cli.code(), cli.err());
        String last = cli.err().lines().toList().getLast();
        assertTrue(last.startsWith("loupe: 1 of 2 SAEs have diverged; "), last);
        JsonNode runs = Json.MAPPER.readTree(cli.out()).path("runs");
        assertTrue(runs.path(0).path("diverged").asString().contains("smaller lr"), cli.out());
        assertFalse(runs.path(1).has("diverged"));
        assertTrue(Files.exists(folder.resolve("wild/lr-1e-3/loupe.json")));
        assertFalse(Files.exists(folder.resolve("wild/lr-1e20/loupe.json")));
    }
}
