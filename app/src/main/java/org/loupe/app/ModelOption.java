package org.loupe.app;

import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelFiles;
import org.loupe.lm.ModelStore;
import org.loupe.lm.Precision;
import picocli.CommandLine.Option;

/** {@code --model}, for commands that always need one. */
final class ModelOption {
    static final String DEFAULT = "smollm2";

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            defaultValue = DEFAULT,
            description = "Name, GGUF file or HuggingFace folder (default: ${DEFAULT-VALUE}).")
    private String model = DEFAULT;

    @Option(
            names = "--precision",
            paramLabel = "P",
            defaultValue = "f32",
            description = "Arithmetic of the model: f32 or bf16 (default: ${DEFAULT-VALUE}).")
    private Precision precision = Precision.F32;

    /** The model, fetched first where it is known by name and not there yet. */
    LanguageModel load(Terminal terminal, int threads) {
        return LanguageModel.load(fetch(terminal, model), precision, threads);
    }

    /** The model of that name. */
    static LanguageModel load(Terminal terminal, String name, Precision precision, int threads) {
        return LanguageModel.load(fetch(terminal, name), precision, threads);
    }

    /** The files of a model, fetched with progress where it is known by name and not there yet. */
    static ModelFiles fetch(Terminal terminal, String name) {
        AtomicLong bytes = new AtomicLong();
        ModelFiles files;
        try (Progress progress = new Progress(terminal)) {
            files = ModelStore.ofUser().findOrGet(name, (stage, done, total) -> {
                bytes.set(done);
                progress.at("model: " + stage, "bytes", done, total, "");
            });
        }
        if (bytes.get() > 0) {
            terminal.say(
                    String.format(Locale.ROOT, "model: fetched %s, %,d bytes → %s", name, bytes.get(), files.path()));
        }
        return files;
    }
}
