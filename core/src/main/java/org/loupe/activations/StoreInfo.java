package org.loupe.activations;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.loupe.io.Dtype;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import tools.jackson.databind.node.ObjectNode;

/**
 * What {@code store.json} says about an activation store.
 *
 * @param provenance model, text and hook point that the rows come from
 * @param width columns of {@code activations}: the widths of the parts together
 * @param dtype element type on disk: BF16 or F32
 * @param rows rows in all shards together
 * @param prefix token ids that the model saw before every document; a row's position counts from the first of them
 * @param normLimit rows with a larger norm were dropped; 0 where none was dropped for its norm; of several parts the first
 *     one's
 * @param dropped rows that were harvested and not kept, by reason
 * @param configuration what decides the bytes of the store, key by key: a run with another value is another store
 * @param documents name of the JSON-lines file with the documents
 * @param corpusDocuments how many documents of the corpus, in its order shuffled by the seed, the rows come from: those after
 *     them are unseen by whatever is trained on the store
 * @param shards the files that hold the rows, in order
 * @param parts the hook points that stand side by side in a row; in a {@code store.json} without this key there is one
 * @param target the hook point of the shards' second tensor of rows; null where there are none, and where the key is missing
 * @param gradients the loss whose gradients by the rows the shards hold; null where they hold none, and where the key is missing
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
        List<Shard> shards,
        List<Part> parts,
        @Nullable Part target,
        @Nullable GradientLoss gradients) {
    /** Name of the file that describes a store. */
    public static final String FILE = "store.json";

    /**
     * The rows of one hook point.
     *
     * @param hook its name; empty for rows of unknown origin
     * @param width columns
     * @param normLimit a row was dropped where the norm of this part was larger; 0 for no limit
     */
    public record Part(String hook, int width, double normLimit) {
        public Part {
            Objects.requireNonNull(hook, "hook");
            if (width < 1 || !(normLimit >= 0)) {
                throw new IllegalArgumentException("part '" + hook + "' has width " + width + " and norm limit "
                        + normLimit + ", expected at least 1 and 0");
            }
        }
    }

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
        parts = List.copyOf(parts);
        int together = parts.stream().mapToInt(Part::width).sum();
        if (together != width) {
            throw new IllegalArgumentException("width is " + width + ", but the parts have " + together + " together");
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
        if (gradients != null && (parts.size() > 1 || target != null)) {
            throw new IllegalArgumentException(
                    "gradients are " + gradients + " in a store of several hook points, expected none");
        }
    }

    /** A store of one hook point: the provenance's. */
    public StoreInfo(
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
        this(
                provenance,
                width,
                dtype,
                rows,
                prefix,
                normLimit,
                dropped,
                configuration,
                documents,
                corpusDocuments,
                shards,
                List.of(new Part(provenance.hook(), width, normLimit)),
                null,
                null);
    }

    /**
     * Reads a description as Loupe has written them so far: one without {@code parts} and {@code target} is of one hook point, one
     * without {@code gradients} has none.
     */
    public static StoreInfo read(Path file) {
        if (!(Json.tree(file) instanceof ObjectNode description)) {
            return Json.read(file, StoreInfo.class);
        }
        if (!description.has("gradients")) {
            description.putNull("gradients");
        }
        if (description.has("parts")) {
            return Json.convert(file, description, StoreInfo.class);
        }
        description
                .putArray("parts")
                .addObject()
                .put("hook", description.path("provenance").path("hook").asString(""))
                .put("width", description.path("width").asInt(1))
                .put("normLimit", description.path("normLimit").asDouble(0));
        description.putNull("target");
        return Json.convert(file, description, StoreInfo.class);
    }

    /** Columns of {@code targets}; 0 where there are none. */
    public int targetWidth() {
        return target == null ? 0 : target.width();
    }

    /** The norm limit of every hook point, the target's among them, by its name. */
    public Map<String, Double> normLimits() {
        Map<String, Double> limits = new TreeMap<>();
        parts.forEach(part -> limits.put(part.hook(), part.normLimit()));
        if (target != null) {
            limits.put(target.hook(), target.normLimit());
        }
        return limits;
    }

    /** A store names only files of its own folder. */
    private static void requirePlainName(String name) {
        if (name.isEmpty() || name.equals("..") || name.contains("/") || name.contains("\\") || name.indexOf(0) >= 0) {
            throw new IllegalArgumentException("'" + name + "' is not the name of a file in the store's folder");
        }
    }
}
