package org.loupe.app;

import java.nio.file.Path;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import org.loupe.sae.Decoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code loupe decode}: latents, as encode writes them, to rows. */
@Command(
        name = "decode",
        description = "Decode latents that encode wrote: write the rows, 'activations' [n, d] f32.",
        footer = {"Example:", "  loupe decode runs/demo/sae --data latents.safetensors --out rows.safetensors"})
final class DecodeCommand extends LoupeCommand {
    @Parameters(paramLabel = "SAE", description = "Folder of the SAE.")
    private Path sae = Path.of("");

    @Option(
            names = "--data",
            paramLabel = "FILE",
            required = true,
            description = "Safetensors file with 'indices' and 'values', both [n, k].")
    private Path data = Path.of("");

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "Safetensors file to write.")
    private Path out = Path.of("");

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Override
    void run(Terminal terminal) {
        Sae loaded = SaeFolder.load(sae).sae();
        try (Safetensors file = Safetensors.open(data);
                Workers workers = new Workers(threads.count())) {
            Latents latents = latents(file, loaded.latents());
            SaeRows.count(latents.rows(), loaded.dOut(), data.toString());
            Matrix rows = Matrix.zeros(latents.rows(), loaded.dOut());
            Decoder.decode(loaded, latents, rows, workers);
            new SafetensorsWriter()
                    .metadata("sae", sae.toString())
                    .f32("activations", rows)
                    .write(out);
            terminal.say("decode: " + rows.rows() + " rows of width " + rows.cols() + " → " + out);
        }
    }

    private Latents latents(Safetensors file, int m) {
        Safetensors.Entry indices = file.entry("indices");
        Safetensors.Entry values = file.entry("values");
        if (indices.dtype() != Dtype.I32
                || indices.shape().size() != 2
                || !indices.shape().equals(values.shape())) {
            throw BadInput.in(
                    data,
                    "'indices' is " + indices.dtype() + " " + indices.shape() + " and 'values' is " + values.dtype()
                            + " " + values.shape() + ", expected I32 and floats of one shape [n, k]");
        }
        int n = SaeRows.count(
                indices.shape().get(0), Math.toIntExact(indices.shape().get(1)), data.toString());
        int k = Math.toIntExact(indices.shape().get(1));
        int[] index = indices.ints();
        float[] value = values.floats();
        int[] starts = new int[n + 1];
        for (int r = 0; r < n; r++) {
            starts[r + 1] = (r + 1) * k;
            for (int i = starts[r]; i < starts[r + 1]; i++) {
                if (index[i] < 0 || index[i] >= m || !Float.isFinite(value[i])) {
                    throw BadInput.in(
                            data,
                            "row " + r + " has latent " + index[i] + " with value " + value[i] + ", expected a latent"
                                    + " from 0 to " + (m - 1) + " and a finite value");
                }
            }
        }
        return new Latents(starts, index, value, m);
    }
}
