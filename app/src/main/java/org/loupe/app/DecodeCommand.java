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
            description =
                    "Safetensors file with 'indices' and 'values', both [n, k], or with 'row_starts' as encode writes it.")
    private Path data = Path.of("");

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "Safetensors file to write.")
    private Path out = Path.of("");

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Override
    void run(Terminal terminal) {
        Sae loaded = SaeFolder.load(sae).sae();
        if (loaded.skip() != null) {
            throw BadInput.in(sae, "is a skip transcoder: W_skip x needs the rows, which latents do not hold");
        }
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
        boolean ragged = file.entries().containsKey("row_starts");
        int dimensions = ragged ? 1 : 2;
        if (indices.dtype() != Dtype.I32
                || indices.shape().size() != dimensions
                || !indices.shape().equals(values.shape())) {
            throw BadInput.in(
                    data,
                    "'indices' is " + indices.dtype() + " " + indices.shape() + " and 'values' is " + values.dtype()
                            + " " + values.shape() + ", expected I32 and floats of one shape "
                            + (ragged ? "[entries]" : "[n, k]"));
        }
        int[] starts = ragged ? starts(file, indices.shape().getFirst()) : starts(indices);
        int[] index = indices.ints();
        float[] value = values.floats();
        for (int r = 0; r + 1 < starts.length; r++) {
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

    private int[] starts(Safetensors.Entry indices) {
        int k = Math.toIntExact(indices.shape().get(1));
        int[] starts = new int[SaeRows.count(indices.shape().getFirst(), k, data.toString()) + 1];
        for (int r = 0; r < starts.length; r++) {
            starts[r] = r * k;
        }
        return starts;
    }

    private int[] starts(Safetensors file, long entries) {
        Safetensors.Entry entry = file.entry("row_starts");
        if (entry.dtype() != Dtype.I32
                || entry.shape().size() != 1
                || entry.shape().getFirst() < 1) {
            throw BadInput.in(
                    data, "'row_starts' is " + entry.dtype() + " " + entry.shape() + ", expected I32 [n + 1]");
        }
        int[] starts = entry.ints();
        for (int r = 0; r < starts.length; r++) {
            boolean ascends = r == 0 ? starts[r] == 0 : starts[r] >= starts[r - 1];
            if (!ascends || (r == starts.length - 1 && starts[r] != entries)) {
                throw BadInput.in(
                        data,
                        "'row_starts' has " + starts[r] + " at " + r + ", expected to ascend from 0 to " + entries
                                + ", the number of indices");
            }
        }
        return starts;
    }
}
