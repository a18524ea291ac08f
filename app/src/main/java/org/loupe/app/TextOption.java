package org.loupe.app;

import java.util.List;
import org.loupe.text.Corpus;
import picocli.CommandLine.Option;

/** {@code --text} and how its JSON-lines are read. */
final class TextOption {
    @Option(
            names = "--text",
            paramLabel = "SRC",
            arity = "1..*",
            defaultValue = "wordnet",
            description = "Text: 'wordnet', files, folders, JSON-lines (default: ${DEFAULT-VALUE}).")
    private List<String> text = List.of("wordnet");

    @Option(
            names = "--field",
            paramLabel = "NAME",
            defaultValue = "text",
            description = "Field of JSON-lines that holds the text (default: ${DEFAULT-VALUE}).")
    private String field = "text";

    @Option(
            names = "--label-field",
            paramLabel = "NAME",
            defaultValue = "",
            description = "Field of JSON-lines that holds a category (default: none).")
    private String labelField = "";

    Corpus corpus() {
        return Corpus.of(text, new Corpus.Fields(field, labelField));
    }
}
