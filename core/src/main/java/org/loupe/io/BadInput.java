package org.loupe.io;

import java.nio.file.Path;
import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/**
 * Input that breaks a rule: a file, an argument or a configuration. The message names the rule, the values, and the file
 * with the offset or key; the command line prints it alone, with no stack trace, and exits with 2.
 */
public final class BadInput extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public BadInput(String message) {
        super(message);
    }

    public BadInput(String message, Throwable cause) {
        super(message, cause);
    }

    /** A fault at a byte of a file. */
    public static BadInput at(Path file, long offset, String rule) {
        return new BadInput(file + ": " + rule + " (at byte " + offset + ")");
    }

    /** A fault of a file as a whole. */
    public static BadInput in(Path file, String rule) {
        return new BadInput(file + ": " + rule);
    }

    /** A word that is none of the known ones, with the nearest of them. */
    public static BadInput unknown(String what, String word, Collection<String> known) {
        Optional<String> nearest = known.stream()
                .min(Comparator.comparingInt((String k) -> distance(word, k)).thenComparing(Comparator.naturalOrder()));
        return new BadInput("unknown " + what + " '" + word + "'"
                + nearest.map(n -> "; did you mean '" + n + "'?").orElse("")
                + (known.size() <= 40 ? " Known: " + String.join(", ", known) : ""));
    }

    /** Levenshtein distance. */
    static int distance(String a, String b) {
        int[] previous = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            previous[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int[] current = new int[b.length() + 1];
            current[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int substitute = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                current[j] = Math.min(substitute, 1 + Math.min(previous[j], current[j - 1]));
            }
            previous = current;
        }
        return previous[b.length()];
    }
}
