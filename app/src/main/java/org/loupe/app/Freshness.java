package org.loupe.app;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.loupe.io.BadInput;

/** Whether what an earlier start left behind can be kept. */
final class Freshness {
    private Freshness() {}

    /** Whether a result exists and was written after all it was made from. */
    static boolean newer(Path result, Path... sources) {
        try {
            if (!Files.isRegularFile(result)) {
                return false;
            }
            for (Path source : sources) {
                if (Files.getLastModifiedTime(source).compareTo(Files.getLastModifiedTime(result)) > 0) {
                    return false;
                }
            }
            return true;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the time of " + result + ": " + e.getMessage(), e);
        }
    }

    /** Refuses to put a folder of Loupe's in the place of somebody's files. */
    static void requireEmpty(Path folder, String what) {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.list(folder)) {
            if (files.findAny().isPresent()) {
                throw BadInput.in(folder, "is not empty and holds no " + what + "; choose another folder");
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder + ": " + e.getMessage(), e);
        }
    }
}
