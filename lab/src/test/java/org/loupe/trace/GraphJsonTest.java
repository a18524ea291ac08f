package org.loupe.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Json;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelInfo;
import org.loupe.lm.Precision;
import org.loupe.lm.ToyModel;
import org.loupe.tensor.Workers;
import tools.jackson.databind.JsonNode;

/** The JSON against the fields of circuit-tracer's models and Neuronpedia's schema, and against the graph it was made from. */
class GraphJsonTest {
    private static final Set<String> NODE_FIELDS = Set.of(
            "node_id",
            "feature",
            "layer",
            "ctx_idx",
            "feature_type",
            "token_prob",
            "is_target_logit",
            "run_idx",
            "reverse_ctx_idx",
            "jsNodeId",
            "clerp",
            "influence",
            "activation");

    @TempDir
    private static Path folder;

    private static AttributionGraph graph = PrunedTest.graph();
    private static Pruned pruned = Pruned.of(graph, TraceConfig.DEFAULT);
    private static JsonNode json = Json.MAPPER.createObjectNode();
    private static JsonNode list = Json.MAPPER.createObjectNode();
    private static String picture = "";

    @BeforeAll
    static void trace() {
        try (LanguageModel model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2);
                Workers workers = new Workers(2)) {
            HookPoint first = HookPoint.residPost(0);
            HookPoint second = HookPoint.residPost(1);
            List<TracedSae> saes = TracedSae.all(
                    List.of(
                            ToySaes.at(ToySaes.autoencoder(1), first, first, model),
                            ToySaes.at(ToySaes.autoencoder(2), second, second, model)),
                    model,
                    Map.of());
            Prompt prompt = Prompt.of(model.tokenizer(), "the <a>\nin");
            graph = Tracer.trace(model, saes, prompt, TraceConfig.DEFAULT, workers, (_, _) -> {});
            pruned = Pruned.of(graph, TraceConfig.DEFAULT);
            GraphNames names = new GraphNames(model.tokenizer()::token, LensLabels.of(graph, model));
            ModelInfo info = model.info();
            json = tree(GraphJson.of(graph, pruned, TraceConfig.DEFAULT, names, info));
            list = tree(GraphJson.list(graph, TraceConfig.DEFAULT, names, info));
            picture = GraphPicture.of(graph, pruned, names);
        }
    }

    private static JsonNode tree(Object value) {
        return Json.MAPPER.readTree(Json.MAPPER.writeValueAsString(value));
    }

    @Test
    void hasTheFieldsOfTheFormat() {
        assertEquals(Set.of("metadata", "qParams", "nodes", "links"), names(json));
        assertTrue(names(json.get("metadata"))
                .containsAll(Set.of(
                        "slug",
                        "scan",
                        "transcoder_list",
                        "prompt_tokens",
                        "prompt",
                        "node_threshold",
                        "schema_version")));
        assertEquals(Set.of("pinnedIds", "supernodes", "linkType", "clickedId", "sg_pos"), names(json.get("qParams")));
        assertTrue(json.get("nodes").size() > 10);
        for (JsonNode node : json.get("nodes")) {
            assertEquals(NODE_FIELDS, names(node));
            for (String text : List.of("node_id", "layer", "feature_type", "jsNodeId", "clerp")) {
                assertTrue(node.get(text).isString(), text);
            }
            for (String number : List.of("feature", "ctx_idx", "run_idx", "reverse_ctx_idx")) {
                assertTrue(node.get(number).isIntegralNumber(), number);
            }
        }
        for (JsonNode link : json.get("links")) {
            assertEquals(Set.of("source", "target", "weight"), names(link));
        }
        assertEquals(json.get("metadata"), list.get("graphs").get(0));
        assertEquals("graph", json.get("metadata").get("slug").asString());
        assertEquals("the <a>\nin", json.get("metadata").get("prompt").asString());
        assertEquals("⏎", json.get("metadata").get("prompt_tokens").get(6).asString());
    }

    @Test
    void itsNumbersAreTheGraphs() {
        Map<String, JsonNode> nodes = new HashMap<>();
        json.get("nodes").forEach(node -> nodes.put(node.get("node_id").asString(), node));
        assertEquals(pruned.nodeCount(), nodes.size(), "names of nodes are their own");
        List<String> ids = new ArrayList<>();
        for (int n = 0; n < graph.nodes().size(); n++) {
            String id = id(graph.nodes().get(n));
            ids.add(id);
            assertEquals(pruned.nodes()[n], nodes.containsKey(id), id);
            if (pruned.nodes()[n]) {
                assertNode(Objects.requireNonNull(nodes.get(id)), n);
            }
        }
        assertEquals(pruned.edgeCount(), json.get("links").size());
        for (JsonNode link : json.get("links")) {
            int source = ids.indexOf(link.get("source").asString());
            int target = ids.indexOf(link.get("target").asString());
            assertTrue(pruned.edges()[target][source]);
            assertEquals(graph.weights()[target][source], link.get("weight").floatValue());
        }
    }

    private static String id(GraphNode node) {
        return switch (node) {
            case GraphNode.Latent latent -> latent.sae() + "_" + latent.latent() + "_" + latent.position();
            case GraphNode.ErrorTerm error -> error.sae() + "_-1_" + error.position();
            case GraphNode.Token token -> "E_" + token.id() + "_" + token.position();
            case GraphNode.Logit logit -> "4_" + logit.id() + "_" + logit.position();
        };
    }

    private static void assertNode(JsonNode json, int n) {
        GraphNode node = graph.nodes().get(n);
        assertEquals(node.position(), json.get("ctx_idx").asInt());
        switch (node) {
            case GraphNode.Latent latent -> {
                assertEquals("cross layer transcoder", json.get("feature_type").asString());
                assertEquals(latent.activation(), json.get("activation").floatValue());
                assertEquals(
                        GraphJson.pairing(latent.sae(), latent.latent()),
                        json.get("feature").asLong());
                assertTrue(json.get("clerp").asString().startsWith("→ "));
            }
            case GraphNode.ErrorTerm _ -> {
                assertEquals(
                        "mlp reconstruction error", json.get("feature_type").asString());
                assertEquals(-1, json.get("feature").asInt());
            }
            case GraphNode.Token _ ->
                assertEquals("embedding", json.get("feature_type").asString());
            case GraphNode.Logit logit -> {
                assertEquals("logit", json.get("feature_type").asString());
                assertEquals(logit.probability(), json.get("token_prob").asDouble());
                assertEquals(
                        n == graph.firstLogit(), json.get("is_target_logit").asBoolean());
                assertTrue(json.get("influence").isNull());
            }
        }
        if (n < graph.firstLogit()) {
            assertEquals(pruned.cumulative()[n], json.get("influence").asDouble());
        }
    }

    @Test
    void thePictureIsOneFileWithEveryTokenAndNoMarkupFromTheText() {
        assertTrue(picture.startsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assertTrue(picture.contains("“the &lt;a&gt; in”"), picture);
        assertTrue(picture.contains(">next token<") && picture.contains(">blocks.0.hook_resid_post<"));
        assertTrue(!picture.contains("<a>") && !picture.contains("href"));
    }

    private static Set<String> names(JsonNode object) {
        return new HashSet<>(object.propertyNames());
    }
}
