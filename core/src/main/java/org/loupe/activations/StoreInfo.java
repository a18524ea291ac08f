package org.loupe.activations;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;

/**
 * What {@code store.json} says about an activation store.
 *
 * @param provenance model, text and hook point that the rows come from
 * @param width width of a row
 * @param dtype element type on disk: BF16 or F32
 * @param rows rows in all shards together
 * @param prefix token ids that the model saw before every document; a row's position counts from the first of them
 * @param normLimit rows with a larger norm were dropped; 0 where none was dropped for its norm
 * @param dropped rows that were harvested and not kept, by reason
 * @param configuration what decides the bytes of the store, key by key: a run with another value is another store
 * @param documents name of the JSON-lines file with the documents
 * @param corpusDocuments how many documents of the corpus, in its order shuffled by the seed, the rows come from: those after
 *     them are unseen by whatever is trained on the store
 * @param shards the files that hold the rows, in order
 */
public record StoreInfo(
        Provenance provenance,
        int width,
        Dtype dtype,
        long rows,
        List<Integer> prefix,
        double normLimit,
        Map<String, Long> dropped,
        Map<String, String> configuration,
        String documents,
        int corpusDocuments,
        List<Shard> shards) {
    /** Name of the file that describes a store. */
    public static final String FILE = "store.json";

    /**
     * A file of rows.
     *
     * @param name file name within the store's folder
     * @param rows rows in it
     * @param sha256 hash of the file's bytes
     */
    public record Shard(String name, long rows, String sha256) {
        public Shard {
            requirePlainName(name);
            Objects.requireNonNull(sha256, "sha256");
            if (rows < 0) {
                throw new IllegalArgumentException("shard '" + name + "' has " + rows + " rows");
            }
        }
    }

    public StoreInfo {
        if (width < 1) {
            throw new IllegalArgumentException("width is " + width + ", expected at least 1");
        }
        if (dtype != Dtype.BF16 && dtype != Dtype.F32) {
            throw new IllegalArgumentException("dtype is " + dtype + ", expected BF16 or F32");
        }
        requirePlainName(documents);
        long counted = shards.stream().mapToLong(Shard::rows).sum();
        if (counted != rows) {
            throw new IllegalArgumentException("rows is " + rows + ", but the shards have " + counted + " together");
        }
        Objects.requireNonNull(provenance, "provenance");
        prefix = List.copyOf(prefix);
        // Sorted, so that the same store is the same bytes.
        dropped = Collections.unmodifiableMap(new TreeMap<>(dropped));
        configuration = Collections.unmodifiableMap(new TreeMap<>(configuration));
        shards = List.copyOf(shards);
    }

    /** A store names only files of its own folder. */
    private static void requirePlainName(String name) {
        if (name.isEmpty() || name.equals("..") || name.contains("/") || name.contains("\\") || name.indexOf(0) >= 0) {
            throw new IllegalArgumentException("'" + name + "' is not the name of a file in the store's folder");
        }
    }
}
