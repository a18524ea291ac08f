package org.loupe.eval;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.loupe.io.AtomicFiles;

/** {@code truth.csv}: one line a true feature. A figure that is not defined is empty; so are no latent and no parent. */
public final class TruthTable {
    static final String HEADER =
            "feature,parent,probability,fired,latent,cosine,precision,recall,f1,shrinkage,latents_covering,absorbed";

    private TruthTable() {}

    /** Writes the file, aside first. */
    public static void write(Path file, List<TrueFeature> features) {
        StringBuilder out = new StringBuilder(HEADER).append('\n');
        for (TrueFeature t : features) {
            out.append(String.join(
                            ",",
                            String.valueOf(t.feature()),
                            number(t.parent()),
                            figure(t.probability()),
                            String.valueOf(t.fired()),
                            number(t.latent()),
                            figure(t.cosine()),
                            figure(t.precision()),
                            figure(t.recall()),
                            figure(t.f1()),
                            figure(t.shrinkage()),
                            String.valueOf(t.covering()),
                            figure(t.absorbed())))
                    .append('\n');
        }
        AtomicFiles.writeString(file, out.toString());
    }

    /** Deletes the table of an earlier evaluation; a file of that name that is none stays. */
    public static void delete(Path file) {
        try (Stream<String> lines = Files.isRegularFile(file) ? Files.lines(file) : Stream.empty()) {
            if (!lines.findFirst().orElse("").equals(HEADER)) {
                return;
            }
        } catch (IOException | UncheckedIOException e) {
            return; // not text: not ours
        }
        AtomicFiles.delete(file);
    }

    private static String number(int value) {
        return value < 0 ? "" : String.valueOf(value);
    }

    private static String figure(double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%.6g", value);
    }
}
