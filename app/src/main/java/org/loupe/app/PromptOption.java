package org.loupe.app;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.loupe.lm.Tokenizer;
import org.loupe.trace.Prompt;
import picocli.CommandLine.Option;

/** {@code --prompt}. */
final class PromptOption {
    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            required = true,
            description = "The text; - reads it from standard input.")
    private String prompt = "";

    /** As it was given, or what standard input holds. */
    String text() {
        if (!prompt.equals("-")) {
            return prompt;
        }
        try {
            return new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read standard input: " + e.getMessage(), e);
        }
    }

    /** Its tokens behind what the model expects before a text. */
    Prompt of(Tokenizer tokenizer) {
        return Prompt.of(tokenizer, text());
    }
}
