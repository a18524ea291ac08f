package org.loupe.lm;

import java.nio.file.Path;
import java.util.List;

/** The models on this machine: a cache under {@code $LOUPE_HOME} or {@code ~/.cache/loupe}, and any file or folder. */
@SuppressWarnings("DoNotCallSuggester") // bodies follow
public final class ModelStore {
    private final Path home;

    /** The store in a folder. */
    public ModelStore(Path home) {
        this.home = home;
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
        throw new UnsupportedOperationException("model list");
    }

    /** The files of a model that is there: a known name, a GGUF file or a HuggingFace folder. */
    public ModelFiles find(String nameOrPath) {
        throw new UnsupportedOperationException("model find " + nameOrPath + " in " + home);
    }

    /** Fetches a known model into the cache, unless it is there. */
    public ModelFiles get(String name, Progress progress) {
        throw new UnsupportedOperationException("model get " + name);
    }

    /** {@link #find}, after a {@link #get} where a known name is not in the cache yet. */
    public ModelFiles findOrGet(String nameOrPath, Progress progress) {
        throw new UnsupportedOperationException("model get " + nameOrPath);
    }
}
