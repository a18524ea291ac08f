package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.io.SafetensorsWriter;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import tools.jackson.databind.JsonNode;

/** {@code loupe eval --data} on rows and an SAE whose figures can be worked out by hand. */
final class EvalDataTest {
    private static final int ROWS = 300;
    private static final int WIDTH = 6;

    @TempDir
    private Path folder = Path.of("");

    private final float[] values = new float[ROWS * WIDTH];
    private Path sae = Path.of("");
    private Path data = Path.of("");

    /** Rows along one axis each, and the SAE of all axes whose decoder halves what it finds. */
    @BeforeEach
    void makeInputs() {
        SplittableRandom random = new SplittableRandom(3);
        for (int r = 0; r < ROWS; r++) {
            values[r * WIDTH + random.nextInt(WIDTH)] = 1 + (float) random.nextDouble();
        }
        data = folder.resolve("held-out.safetensors");
        new SafetensorsWriter()
                .f32("zeros", new float[2 * WIDTH], 2, WIDTH)
                .f32("rows", values, ROWS, WIDTH)
                .write(data);
        Matrix encoder = Matrix.zeros(WIDTH, WIDTH);
        Matrix decoder = Matrix.zeros(WIDTH, WIDTH);
        for (int i = 0; i < WIDTH; i++) {
            encoder.data()[encoder.offset(i) + i] = 1;
            decoder.data()[decoder.offset(i) + i] = 0.5f;
        }
        Sae axes = new Sae(encoder, new float[WIDTH], decoder, new float[WIDTH], new Activation.TopK(1), true);
        sae = folder.resolve("sae");
        SaeFolder.save(
                sae,
                axes,
                new SaeInfo(Provenance.here("training.safetensors", "", "", "", 0), "", "", Map.of(), Map.of()));
    }

    private JsonNode evaluate(Object... more) throws IOException {
        Object[] all = new Object[5 + more.length];
        System.arraycopy(new Object[] {"eval", sae, "--data", data, "--json"}, 0, all, 0, 5);
        System.arraycopy(more, 0, all, 5, more.length);
        Cli cli = Cli.run(all);
        assertEquals(0, cli.code(), cli.err());
        return Json.MAPPER.readTree(cli.out());
    }

    /** Σ‖x − x/2‖² / Σ‖x − μ‖². */
    private double fvu() {
        double lost = 0;
        double variation = 0;
        for (int c = 0; c < WIDTH; c++) {
            double mean = 0;
            for (int r = 0; r < ROWS; r++) {
                mean += values[r * WIDTH + c] / (double) ROWS;
            }
            for (int r = 0; r < ROWS; r++) {
                double x = values[r * WIDTH + c];
                lost += x * x / 4;
                variation += (x - mean) * (x - mean);
            }
        }
        return lost / variation;
    }

    @Test
    void measuresTheTensorNamedAndItsBaselines() throws IOException {
        JsonNode report = evaluate("--key", "rows");
        assertEquals(fvu(), report.path("fvu").asDouble(), 1e-7);
        assertEquals(1, report.path("l0").asDouble());
        assertEquals(0, report.path("dead_fraction").asDouble());
        assertEquals(0.5, report.path("relative_bias").asDouble(), 1e-7);
        for (String baseline : new String[] {"pca", "random", "mean"}) {
            assertTrue(report.at("/baselines/" + baseline + "/fvu").isNumber(), baseline);
        }
        assertEquals(ROWS, report.at("/window/rows").asInt());
        assertEquals(data + ": tensor 'rows'", report.at("/window/source").asString());
        assertFalse(report.has("ce_clean") || report.has("kl") || report.has("mmcs"), report.toString());
        assertEquals(report, Json.tree(sae.resolve("eval.json")));
        String page = Files.readString(sae.resolve("report.html"));
        assertTrue(page.contains("no model: cross-entropy and KL are not measured"), page);
        assertTrue(page.contains("held-out.safetensors: tensor 'rows', 300 of 300 rows"), page);
    }

    /** Five axes are decoder rows; a direction half way between two axes has cosine 1/√2 to either. */
    @Test
    void comparesTheDictionaryWithTheTruth() throws IOException {
        float[] directions = new float[6 * WIDTH];
        for (int i = 0; i < 5; i++) {
            directions[i * WIDTH + i] = 3;
        }
        directions[5 * WIDTH + 4] = -2;
        directions[5 * WIDTH + 5] = 2;
        Path truth = folder.resolve("truth.safetensors");
        new SafetensorsWriter().f32("dict", directions, 6, WIDTH).write(truth);
        Path out = folder.resolve("out");
        JsonNode report = evaluate("--key", "rows", "--truth", truth, "--out", out);
        assertEquals((5 + Math.sqrt(0.5)) / 6, report.path("mmcs").asDouble(), 1e-6);
        assertEquals((5 + Math.sqrt(0.5)) / 6, report.path("mmcs_latents").asDouble(), 1e-6);
        assertTrue(Files.readString(out.resolve("report.html")).contains("true directions found"));
    }

    @Test
    void severalTensorsAndNoKeyAreRefused() {
        Cli cli = Cli.run("eval", sae, "--data", data);
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains("held-out.safetensors") && cli.err().contains("zeros, rows"), cli.err());
    }
}
