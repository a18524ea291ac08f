package org.loupe.app;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.RowSource;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Where rows come from: either {@code --store}, or {@code --data} and {@code --key}. */
final class RowsOption {
    @Option(names = "--store", paramLabel = "STORE", description = "Activation store that harvest wrote.")
    private Path store = Path.of("");

    @ArgGroup(exclusive = false, multiplicity = "1")
    private @Nullable DataOption data;

    RowSource open() {
        return data == null ? ActivationStore.open(store) : data.open();
    }
}
