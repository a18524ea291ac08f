package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Json;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import tools.jackson.databind.JsonNode;

/** Rows in, SAE, latents, rows out, all through the command line. */
final class TrainEncodeDecodeTest {
    private static final int ROWS = 2048;
    private static final int WIDTH = 24;

    @TempDir
    Path folder = Path.of("");

    private Path data = Path.of("");

    @BeforeEach
    void writeRows() {
        data = folder.resolve("rows.safetensors");
        SplittableRandom random = new SplittableRandom(5);
        float[] values = new float[ROWS * WIDTH];
        for (int r = 0; r < ROWS; r++) {
            for (int active = 0; active < 3; active++) {
                values[r * WIDTH + random.nextInt(WIDTH)] += 1 + (float) random.nextDouble();
            }
        }
        new SafetensorsWriter().f32("activations", values, ROWS, WIDTH).write(data);
    }

    private Cli train(Path out, Object... more) {
        Object[] args = {
            "train",
            "--data",
            data,
            "--out",
            out,
            "--json",
            "--set",
            "latents=48",
            "--set",
            "k=3",
            "--set",
            "batch=256",
            "--set",
            "passes=20",
            "--set",
            "lr=0.003"
        };
        Object[] all = java.util.Arrays.copyOf(args, args.length + more.length);
        System.arraycopy(more, 0, all, args.length, more.length);
        return Cli.run(all);
    }

    @Test
    void trainsAndSaysCompleteTheSecondTime() throws IOException {
        Path sae = folder.resolve("sae");
        Cli first = train(sae);
        assertEquals(0, first.code(), first.err());
        JsonNode result = Json.MAPPER.readTree(first.out());
        assertEquals(40_960, result.get("tokens").asLong());
        assertTrue(result.get("fvu").asDouble() < 0.5, first.out());
        byte[] weights = Files.readAllBytes(sae.resolve("sae_weights.safetensors"));

        JsonNode made = Json.tree(sae.resolve("loupe.json"));
        assertEquals("rows.safetensors", made.at("/provenance/model").asString());
        assertEquals("", made.path("hookIn").asString());

        Cli second = train(sae);
        assertEquals(0, second.code(), second.err());
        assertTrue(Json.MAPPER.readTree(second.out()).get("complete").asBoolean());

        Cli fresh = train(sae, "--fresh");
        assertEquals(0, fresh.code(), fresh.err());
        assertEquals(40_960, Json.MAPPER.readTree(fresh.out()).get("tokens").asLong());
        assertArrayEquals(weights, Files.readAllBytes(sae.resolve("sae_weights.safetensors")));
    }

    @Test
    void encodedLatentsDecodeToNearTheRows() {
        Path sae = folder.resolve("sae");
        train(sae);
        Path latents = folder.resolve("latents.safetensors");
        Path dense = folder.resolve("dense.safetensors");
        Path back = folder.resolve("back.safetensors");
        assertEquals(0, Cli.run("encode", sae, "--data", data, "--out", latents).code());
        assertEquals(
                0,
                Cli.run("encode", sae, "--data", data, "--out", dense, "--dense")
                        .code());
        assertEquals(0, Cli.run("decode", sae, "--data", latents, "--out", back).code());
        try (Safetensors sparse = Safetensors.open(latents);
                Safetensors full = Safetensors.open(dense);
                Safetensors decoded = Safetensors.open(back);
                Safetensors original = Safetensors.open(data)) {
            int[] indices = sparse.entry("indices").requireShape(ROWS, 3).ints();
            float[] values = sparse.entry("values").requireShape(ROWS, 3).floats();
            float[] all = full.entry("latents").requireShape(ROWS, 48).floats();
            float[] scattered = new float[all.length];
            for (int i = 0; i < indices.length; i++) {
                scattered[i / 3 * 48 + indices[i]] = values[i];
            }
            assertArrayEquals(all, scattered);

            float[] x = original.entry("activations").floats();
            float[] y = decoded.entry("activations").requireShape(ROWS, WIDTH).floats();
            double error = 0;
            double total = 0;
            for (int i = 0; i < x.length; i++) {
                error += (x[i] - y[i]) * (x[i] - y[i]);
                total += x[i] * x[i];
            }
            assertTrue(error < 0.3 * total, "share of energy lost: " + error / total);
        }
    }

    @Test
    void infoNamesTheSaeAndItsTensors() {
        Path sae = folder.resolve("sae");
        train(sae);
        Cli info = Cli.run("info", sae);
        assertEquals(0, info.code(), info.err());
        assertTrue(info.out().contains("sparse autoencoder"), info.out());
        assertTrue(info.out().contains("W_dec"), info.out());
    }
}
