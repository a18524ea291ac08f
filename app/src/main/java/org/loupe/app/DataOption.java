package org.loupe.app;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.SafetensorsRows;
import picocli.CommandLine.Option;

/** {@code --data} and {@code --key}: rows without a store. */
final class DataOption {
    @Option(
            names = "--data",
            paramLabel = "FILE",
            required = true,
            description = "Safetensors file with the rows: a 2-D f32, bf16 or f16 tensor.")
    private Path data = Path.of("");

    @Option(names = "--key", paramLabel = "NAME", description = "Tensor of --data (default: the only one).")
    private @Nullable String key;

    SafetensorsRows open() {
        return SafetensorsRows.open(data, key);
    }
}
