package org.loupe.text;

import java.util.Objects;

/**
 * One text.
 *
 * @param text not empty
 * @param label its category, or empty
 */
public record Document(String text, String label) {
    public Document {
        Objects.requireNonNull(text, "text");
        Objects.requireNonNull(label, "label");
    }
}
