package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.activations.MatrixRows;
import org.loupe.io.Provenance;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;

/** {@code precision: fast} changes the time a run takes and nothing else. */
class PrecisionTest {
    @TempDir
    Path folder = Path.of("");

    @Test
    void fastTrainsTheSameBitsAsF32() throws IOException {
        Random random = new Random(3);
        Matrix rows = Matrix.zeros(4096, 96);
        for (int i = 0; i < rows.rows() * rows.cols(); i++) {
            rows.data()[i] = (float) random.nextGaussian() + (i % rows.cols() == 7 ? 30 : 0);
        }
        byte[] f32 = train(rows, "f32");
        assertArrayEquals(f32, train(rows, "fast"));
    }

    private byte[] train(Matrix rows, String precision) throws IOException {
        TrainConfig config = ConfigReader.read(
                TrainConfig.DEFAULT,
                null,
                List.of(
                        "latents=1500",
                        "k=8",
                        "batch=256",
                        "passes=2",
                        "lr=1e-3",
                        "threads=2",
                        "auxk.dead_after=512",
                        "precision=" + precision));
        Path out = folder.resolve(precision);
        TrainRun.train(out, new MatrixRows(rows), config, Provenance.here("", "", "", "", 0), "", "", e -> {
            if (e instanceof TrainEvent.Started started && precision.equals("fast")) {
                assertTrue(started.arithmetic().contains("product"), started.arithmetic());
            }
        });
        return Files.readAllBytes(out.resolve(SaeFolder.WEIGHTS));
    }
}
