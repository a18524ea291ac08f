package org.loupe.lm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.loupe.io.Safetensors;

/** The numbers that scripts/reference/lm_reference.py made. */
final class Reference {
    private Reference() {}

    static Path file(String name) {
        try {
            return Path.of(Objects.requireNonNull(Reference.class.getResource(name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static List<String> lines(String name) {
        try {
            return Files.readAllLines(file(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Largest difference between a fixture and what was computed.
     *
     * @param ofTensor over the root mean square of the whole expected tensor
     * @param ofRow over the root mean square of its row, at its largest: stricter, as attention sinks are huge rows
     */
    record Difference(double ofTensor, double ofRow) {}

    static Difference difference(Safetensors.Entry expected, float[] actual) {
        float[] values = expected.floats();
        if (values.length != actual.length) {
            throw new AssertionError(expected.name() + ": " + actual.length + " values, expected " + values.length);
        }
        int width = Math.toIntExact(expected.shape().getLast());
        double allSquares = 0;
        double allLargest = 0;
        double ofRow = 0;
        for (int from = 0; from < values.length; from += width) {
            double squares = 0;
            double largest = 0;
            for (int i = from; i < from + width; i++) {
                largest = Math.max(largest, Math.abs(values[i] - actual[i]));
                squares += (double) values[i] * values[i];
            }
            allSquares += squares;
            allLargest = Math.max(allLargest, largest);
            ofRow = Math.max(ofRow, largest / Math.sqrt(squares / width));
        }
        return new Difference(allLargest / Math.sqrt(allSquares / values.length), ofRow);
    }
}
