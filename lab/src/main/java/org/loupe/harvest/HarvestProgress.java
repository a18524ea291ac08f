package org.loupe.harvest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.loupe.activations.DocumentTable;
import org.loupe.activations.StoreInfo;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.io.Json;

/**
 * What {@code progress.json} says about an unfinished store; it goes when {@code store.json} comes.
 *
 * @param configuration see {@link StoreInfo#configuration}
 * @param normLimits {@link StoreInfo.Part#normLimit} of each hook point: the inputs, then the target where there is one
 * @param tokensSha256 {@link TokenPlan#sha256}
 * @param shards the shards that are whole
 */
record HarvestProgress(
        Map<String, String> configuration, List<Double> normLimits, String tokensSha256, List<StoreInfo.Shard> shards) {
    static final String FILE = "progress.json";

    HarvestProgress withShards(List<StoreInfo.Shard> whole) {
        return new HarvestProgress(configuration, normLimits, tokensSha256, List.copyOf(whole));
    }

    static boolean exists(Path folder) {
        return Files.isRegularFile(folder.resolve(FILE));
    }

    static HarvestProgress read(Path folder) {
        return Json.read(folder.resolve(FILE), HarvestProgress.class);
    }

    void write(Path folder) {
        Json.write(folder.resolve(FILE), this);
    }

    static void delete(Path folder) {
        try {
            Files.deleteIfExists(folder.resolve(FILE));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + folder.resolve(FILE) + ": " + e.getMessage(), e);
        }
    }

    /** Refuses to go on with, or to overwrite, a store of another configuration: names the first key that differs. */
    static void requireSame(Path folder, Map<String, String> there, Map<String, String> wanted) {
        TreeSet<String> keys = new TreeSet<>(there.keySet());
        keys.addAll(wanted.keySet());
        for (String key : keys) {
            String has = there.getOrDefault(key, "absent");
            String wants = wanted.getOrDefault(key, "absent");
            if (!has.equals(wants)) {
                throw BadInput.in(
                        folder,
                        "holds a store of another configuration: its " + key + " is " + has + ", this run's is " + wants
                                + "; choose another folder or start over with --fresh");
            }
        }
    }

    /** Refuses a folder that holds anything but an unfinished harvest. */
    static void requireEmpty(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            files.filter(f -> !isOurs(f) && !f.endsWith(FolderLock.FILE))
                    .findFirst()
                    .ifPresent(f -> {
                        throw BadInput.in(folder, "is not empty and holds no store: it has " + f.getFileName());
                    });
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder + ": " + e.getMessage(), e);
        }
    }

    /** Deletes the files of a store, finished or not, and nothing else. */
    static void clear(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            // store.json first: what is left after an interruption is then no store.
            List<Path> ours = files.filter(HarvestProgress::isOurs)
                    .sorted((a, b) -> Boolean.compare(!a.endsWith(StoreInfo.FILE), !b.endsWith(StoreInfo.FILE)))
                    .toList();
            for (Path file : ours) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot clear " + folder + ": " + e.getMessage(), e);
        }
    }

    private static boolean isOurs(Path file) {
        String name = file.getFileName().toString();
        return name.equals(StoreInfo.FILE)
                || name.equals(FILE)
                || name.equals(DocumentTable.FILE)
                || name.matches("shard-\\d+\\.safetensors")
                || name.matches("\\..*\\.part");
    }
}
