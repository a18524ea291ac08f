package org.loupe.trace;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.io.Provenance;
import org.loupe.lm.ModelInfo;

/**
 * A pruned graph in circuit-tracer's JSON ({@code circuit_tracer/frontend/graph_models.py}, schema version 1), which its page and
 * Neuronpedia's read. Their words for kinds of nodes stay, as both pages tell nodes apart by them: any latent is a "cross layer
 * transcoder", any SAE's error an "mlp reconstruction error".
 */
public final class GraphJson {
    /** The graph's name among others in a folder; circuit-tracer's page asks for the file of that name. */
    public static final String SLUG = "graph";

    private final AttributionGraph graph;
    private final Pruned pruned;
    private final GraphNames names;
    private final ModelInfo model;

    private GraphJson(AttributionGraph graph, Pruned pruned, GraphNames names, ModelInfo model) {
        this.graph = graph;
        this.pruned = pruned;
        this.names = names;
        this.model = model;
    }

    /** The content of {@code graph.json}. */
    public static Map<String, @Nullable Object> of(
            AttributionGraph graph, Pruned pruned, TraceConfig config, GraphNames names, ModelInfo model) {
        GraphJson json = new GraphJson(graph, pruned, names, model);
        return object(
                "metadata",
                metadata(graph, config, names, model),
                "qParams",
                object(
                        "pinnedIds",
                        List.of(),
                        "supernodes",
                        List.of(),
                        "linkType",
                        "both",
                        "clickedId",
                        "",
                        "sg_pos",
                        ""),
                "nodes",
                json.nodes(),
                "links",
                json.links());
    }

    /** The content of {@code graph-metadata.json}: the graphs of a folder, here one. */
    public static Map<String, @Nullable Object> list(
            AttributionGraph graph, TraceConfig config, GraphNames names, ModelInfo model) {
        return object("graphs", List.of(metadata(graph, config, names, model)));
    }

    private static Map<String, @Nullable Object> metadata(
            AttributionGraph graph, TraceConfig config, GraphNames names, ModelInfo model) {
        List<String> hooks = graph.saes().stream()
                .map(sae ->
                        sae.reads().equals(sae.writes()) ? sae.writes().toString() : sae.reads() + " → " + sae.writes())
                .toList();
        return object(
                "slug",
                SLUG,
                "scan",
                model.name(),
                "transcoder_list",
                hooks,
                "prompt_tokens",
                Arrays.stream(graph.prompt().ids()).mapToObj(names::line).toList(),
                "prompt",
                graph.prompt().text(),
                "node_threshold",
                config.nodeThreshold(),
                "schema_version",
                1,
                "info",
                object("generator", object("name", "Loupe", "version", Provenance.VERSION)),
                "generation_settings",
                object(
                        "max_n_logits",
                        TraceConfig.MOST_LOGITS,
                        "desired_logit_prob",
                        TraceConfig.LOGIT_PROBABILITY,
                        "max_feature_nodes",
                        config.maxNodes(),
                        "mlps",
                        config.mlps().name().toLowerCase(Locale.ROOT),
                        "model_sha256",
                        model.sha256()),
                "pruning_settings",
                object("node_threshold", config.nodeThreshold(), "edge_threshold", config.edgeThreshold()));
    }

    private List<Map<String, @Nullable Object>> nodes() {
        List<Map<String, @Nullable Object>> out = new ArrayList<>();
        for (int n = 0; n < graph.nodes().size(); n++) {
            if (pruned.nodes()[n]) {
                out.add(node(graph.nodes().get(n), pruned.cumulative()[n]));
            }
        }
        return out;
    }

    private Map<String, @Nullable Object> node(GraphNode node, double influence) {
        return switch (node) {
            case GraphNode.Latent latent -> {
                int layer = graph.saes().get(latent.sae()).layer();
                yield node(
                        node,
                        pairing(layer, latent.latent()),
                        String.valueOf(layer),
                        "cross layer transcoder",
                        layer + "_" + latent.latent() + "-0",
                        names.label().apply(latent),
                        influence,
                        latent.activation());
            }
            case GraphNode.ErrorTerm error -> {
                int layer = graph.saes().get(error.sae()).layer();
                yield node(
                        node,
                        -1,
                        String.valueOf(layer),
                        "mlp reconstruction error",
                        layer + "_-1-" + error.position(),
                        "",
                        influence,
                        null);
            }
            case GraphNode.Token token ->
                node(
                        node,
                        token.position(),
                        "E",
                        "embedding",
                        "E_" + token.id() + "-" + token.position(),
                        "Emb: \"" + names.line(token.id()) + "\"",
                        influence,
                        null);
            case GraphNode.Logit logit -> {
                Map<String, @Nullable Object> out = node(
                        node,
                        logit.id(),
                        String.valueOf(model.layers() + 1),
                        "logit",
                        "L_" + logit.id() + "-" + logit.position(),
                        String.format(
                                Locale.ROOT, "Output \"%s\" (p=%.3f)", names.line(logit.id()), logit.probability()),
                        null,
                        null);
                out.put("token_prob", logit.probability());
                out.put("is_target_logit", logit.equals(graph.nodes().get(graph.firstLogit())));
                yield out;
            }
        };
    }

    private Map<String, @Nullable Object> node(
            GraphNode node,
            long feature,
            String layer,
            String type,
            String jsNodeId,
            String clerp,
            @Nullable Double influence,
            @Nullable Float activation) {
        Map<String, @Nullable Object> out = object(
                "node_id",
                id(node),
                "feature",
                feature,
                "layer",
                layer,
                "ctx_idx",
                node.position(),
                "feature_type",
                type);
        out.put("token_prob", 0.0);
        out.put("is_target_logit", false);
        out.put("run_idx", 0);
        out.put("reverse_ctx_idx", 0);
        out.put("jsNodeId", jsNodeId);
        out.put("clerp", clerp);
        out.put("influence", influence);
        out.put("activation", activation);
        return out;
    }

    private String id(GraphNode node) {
        return switch (node) {
            case GraphNode.Latent latent ->
                graph.saes().get(latent.sae()).layer() + "_" + latent.latent() + "_" + latent.position();
            case GraphNode.ErrorTerm error -> graph.saes().get(error.sae()).layer() + "_-1_" + error.position();
            case GraphNode.Token token -> "E_" + token.id() + "_" + token.position();
            case GraphNode.Logit logit -> (model.layers() + 1) + "_" + logit.id() + "_" + logit.position();
        };
    }

    private List<Map<String, @Nullable Object>> links() {
        List<Map<String, @Nullable Object>> out = new ArrayList<>();
        for (int n = 0; n < graph.nodes().size(); n++) {
            for (int s = 0; s < graph.nodes().size(); s++) {
                if (pruned.edges()[n][s]) {
                    out.add(object(
                            "source",
                            id(graph.nodes().get(s)),
                            "target",
                            id(graph.nodes().get(n)),
                            "weight",
                            graph.weights()[n][s]));
                }
            }
        }
        return out;
    }

    /** Cantor's number of a pair, by which both pages tell features of all layers apart. */
    static long pairing(long x, long y) {
        return (x + y) * (x + y + 1) / 2 + y;
    }

    private static Map<String, @Nullable Object> object(@Nullable Object... keysAndValues) {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            map.put(String.valueOf(keysAndValues[i]), keysAndValues[i + 1]);
        }
        return map;
    }
}
