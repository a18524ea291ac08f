package org.loupe.index;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What {@code index.json} says about a feature index.
 *
 * @param store provenance of the activation store
 * @param sae provenance of the SAE
 * @param saeSha256 hash of the SAE's file of weights; empty in an {@code index.json} without this key
 * @param hookIn hook point the SAE reads
 * @param hookOut hook point it writes
 * @param prefix token ids that the model saw before every document
 * @param config what decided the content
 * @param latents number of latents, one row each of {@code latents.parquet}
 * @param rows rows of the store that were encoded
 * @param documents documents of the store
 * @param categories categories of the documents, sorted; the p-values are judged against {@code 1e-6 / categories}
 * @param counts see there
 * @param effects what the latents do to the model's output; null, and without the key, where it was not measured
 * @param seconds time of the build by stage
 * @param columns what each column of each Parquet file means
 */
public record IndexInfo(
        Provenance store,
        Provenance sae,
        String saeSha256,
        String hookIn,
        String hookOut,
        List<Integer> prefix,
        IndexConfig config,
        int latents,
        long rows,
        int documents,
        List<String> categories,
        Counts counts,
        @Nullable EffectInfo effects,
        Map<String, Double> seconds,
        Map<String, Map<String, String>> columns) {
    /** Name of the file that describes an index. */
    public static final String FILE = "index.json";

    /** Reads a description as Loupe has written them so far: one without {@code saeSha256} does not say which weights it is of. */
    public static IndexInfo read(Path file) {
        JsonNode tree = Json.tree(file);
        if (tree instanceof ObjectNode description && !description.has("saeSha256")) {
            description.put("saeSha256", "");
        }
        return Json.convert(file, tree, IndexInfo.class);
    }

    /** Why this is not known to be the index of an SAE with weights of that hash; null where it is. */
    public @Nullable String strangerTo(String weightsSha256) {
        if (saeSha256.equals(weightsSha256)) {
            return null;
        }
        return saeSha256.isEmpty()
                ? "does not say which weights it was made from, as an older version wrote it"
                : "was made from an SAE with weights of sha256 " + saeSha256 + ", this one has " + weightsSha256;
    }

    /**
     * How many latents are what.
     *
     * @param live fire on at least one row
     * @param labelled have a clear label
     * @param labelledUnflagged have a clear label and no flag
     * @param labelledPermuted would have a clear label if the documents' categories were permuted: the null, about 0
     * @param singleToken flagged as single-token latents
     * @param position flagged as position latents
     */
    public record Counts(
            int live, int labelled, int labelledUnflagged, int labelledPermuted, int singleToken, int position) {}
}
