package org.loupe.app;

import java.nio.file.Path;
import java.util.Arrays;
import org.loupe.activations.SafetensorsRows;
import org.loupe.io.SafetensorsWriter;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code loupe encode}: rows to latents. */
@Command(
        name = "encode",
        description =
                "Encode rows: write the active latents of each, 'indices' [n, k] int32 and 'values' [n, k] f32; where their"
                        + " number is not fixed, 'row_starts' [n + 1] int32, and both with one place for each active latent.",
        footer = {"Example:", "  loupe encode runs/demo/sae --data rows.safetensors --out latents.safetensors"})
final class EncodeCommand extends LoupeCommand {
    @Parameters(paramLabel = "SAE", description = "Folder of the SAE.")
    private Path sae = Path.of("");

    @Mixin
    private DataOption data = new DataOption();

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "Safetensors file to write.")
    private Path out = Path.of("");

    @Option(names = "--dense", description = "Write all latents, 'latents' [n, latents] f32, instead.")
    private boolean dense;

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Override
    void run(Terminal terminal) {
        SaeFolder.Loaded loaded = SaeFolder.load(sae);
        try (SafetensorsRows rows = data.open();
                Workers workers = new Workers(threads.count())) {
            int m = loaded.sae().latents();
            if (dense) {
                SaeRows.count(rows.rows(), m, rows.name() + ", --dense");
            }
            Latents latents = new Encoder(loaded.sae(), workers).encode(SaeRows.forEncoding(rows, loaded, sae));
            SafetensorsWriter writer = new SafetensorsWriter().metadata("sae", sae.toString());
            if (dense) {
                writer.f32("latents", dense(latents)).write(out);
            } else {
                int most = Math.min(loaded.sae().activation().most(), m);
                (most > 0 ? fixed(latents, most, writer) : ragged(latents, writer)).write(out);
            }
            terminal.say("encode: " + latents.rows() + " rows, " + latents.entries() + " active latents → " + out);
        }
    }

    private static SafetensorsWriter ragged(Latents latents, SafetensorsWriter writer) {
        int entries = latents.entries();
        return writer.i32("row_starts", latents.starts(), latents.rows() + 1)
                .i32("indices", latents.index(), entries)
                .f32("values", latents.value(), entries);
    }

    private static Matrix dense(Latents latents) {
        Matrix all = Matrix.zeros(latents.rows(), latents.latents());
        for (int r = 0; r < latents.rows(); r++) {
            for (int i = latents.starts()[r]; i < latents.starts()[r + 1]; i++) {
                all.data()[all.offset(r) + latents.index()[i]] = latents.value()[i];
            }
        }
        return all;
    }

    /** Places that a row with fewer than k active latents leaves over hold its lowest inactive ones, with value 0. */
    private static SafetensorsWriter fixed(Latents latents, int k, SafetensorsWriter writer) {
        int n = latents.rows();
        int[] indices = new int[n * k];
        float[] values = new float[n * k];
        for (int r = 0; r < n; r++) {
            int from = latents.starts()[r];
            int active = latents.starts()[r + 1] - from;
            System.arraycopy(latents.index(), from, indices, r * k, active);
            System.arraycopy(latents.value(), from, values, r * k, active);
            int inactive = 0;
            for (int place = active; place < k; inactive++) {
                if (Arrays.binarySearch(latents.index(), from, from + active, inactive) < 0) {
                    indices[r * k + place++] = inactive;
                }
            }
        }
        return writer.i32("indices", indices, n, k).f32("values", values, n, k);
    }
}
