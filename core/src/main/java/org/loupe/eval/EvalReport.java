package org.loupe.eval;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The figures of one evaluation. As JSON it is one object with every metric of the SAE under its own key at the top, which is
 * what scripts read, and the rest nested beside them.
 *
 * @param provenance of the SAE
 * @param scores the SAE's figures
 * @param heldOut the SAE's figures on the held-out text's rows; empty without a model
 * @param baselines figures of each baseline by name, as in {@link Baselines}
 * @param parts figures on the rows of each hook point apart, where those of several stand side by side; else empty
 */
public record EvalReport(
        Provenance provenance,
        Subject sae,
        Window window,
        Scores scores,
        Scores heldOut,
        Map<String, Scores> baselines,
        Map<String, Scores> parts,
        Histograms histograms) {
    /**
     * What was evaluated.
     *
     * @param activation the activation function in words
     * @param hook hook point of its rows; empty for rows of unknown origin
     * @param width of the rows that it reads
     * @param coefficients what each baseline may spend on a row
     * @param hookOut hook point of the rows that it writes: another one than {@code hook} for a transcoder
     * @param widthOut of the rows that it writes
     * @param transcoder whether what it writes are not the rows that it reads
     */
    public record Subject(
            String activation,
            String hook,
            int width,
            int latents,
            int coefficients,
            String hookOut,
            int widthOut,
            boolean transcoder) {}

    /**
     * On what, and how much of it.
     *
     * @param source the rows: folder of a store, or file and tensor
     * @param rows rows behind every figure on rows: the window in which dead latents never fired
     * @param available rows of the source
     * @param tokens predicted tokens behind the cross-entropies and KL; 0 without a model
     * @param sequences rows of tokens that they stand in
     * @param heldOutRows rows of the held-out text that were replaced
     */
    public record Window(String source, long rows, long available, long tokens, long sequences, long heldOutRows) {}

    /** How often latents fire, and how strongly. */
    public record Histograms(Histogram density, Histogram activations) {}

    public EvalReport {
        baselines = new LinkedHashMap<>(baselines);
        parts = new LinkedHashMap<>(parts);
    }

    /** A figure of the SAE; NaN where it was not measured. */
    public double value(Metric metric) {
        return scores.value(metric);
    }

    /** The table for a terminal. */
    public String table() {
        return ReportTable.of(this);
    }

    /** The report as JSON. */
    public ObjectNode toJson() {
        ObjectNode node = Json.MAPPER.createObjectNode();
        put(node, scores);
        node.set("window", Json.MAPPER.valueToTree(window));
        node.set("sae", Json.MAPPER.valueToTree(sae));
        put(node.putObject("held_out"), heldOut);
        ObjectNode all = node.putObject("baselines");
        baselines.forEach((name, figures) -> put(all.putObject(name), figures));
        if (!parts.isEmpty()) {
            ObjectNode each = node.putObject("parts");
            parts.forEach((hook, figures) -> put(each.putObject(hook), figures));
        }
        node.set("histograms", Json.MAPPER.valueToTree(histograms));
        node.set("provenance", Json.MAPPER.valueToTree(provenance));
        return node;
    }

    private static void put(ObjectNode node, Scores figures) {
        figures.values().forEach((metric, value) -> node.put(metric.key(), value));
    }

    /** Writes the JSON, aside first. */
    public void write(Path file) {
        Json.write(file, toJson());
    }

    /** Reads what {@link #write} wrote. */
    public static EvalReport read(Path file) {
        JsonNode node = Json.tree(file);
        if (node.path("sae") instanceof ObjectNode sae && !sae.has("transcoder")) {
            if (!sae.has("hookOut")) {
                // As Loupe 0.1.0 wrote it, which evaluated autoencoders only.
                sae.set("hookOut", sae.path("hook"));
                sae.set("widthOut", sae.path("width"));
            }
            sae.put(
                    "transcoder",
                    !sae.path("hook").equals(sae.path("hookOut"))
                            || !sae.path("width").equals(sae.path("widthOut")));
        }
        try {
            return new EvalReport(
                    Json.MAPPER.treeToValue(node.required("provenance"), Provenance.class),
                    Json.MAPPER.treeToValue(node.required("sae"), Subject.class),
                    Json.MAPPER.treeToValue(node.required("window"), Window.class),
                    figures(node),
                    figures(node.path("held_out")),
                    figuresByName(node.path("baselines")),
                    figuresByName(node.path("parts")),
                    Json.MAPPER.treeToValue(node.required("histograms"), Histograms.class));
        } catch (JacksonException e) {
            throw new BadInput(file + ": is not the report of an evaluation", e);
        }
    }

    private static Map<String, Scores> figuresByName(JsonNode node) {
        Map<String, Scores> all = new LinkedHashMap<>();
        node.properties().forEach(e -> all.put(e.getKey(), figures(e.getValue())));
        return all;
    }

    private static Scores figures(JsonNode node) {
        Scores scores = Scores.NONE;
        for (Metric metric : Metric.values()) {
            if (node.path(metric.key()).isNumber()) {
                scores = scores.with(metric, node.path(metric.key()).asDouble());
            }
        }
        return scores;
    }
}
