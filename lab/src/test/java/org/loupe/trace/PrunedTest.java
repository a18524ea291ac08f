package org.loupe.trace;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.loupe.io.Json;
import org.loupe.lm.MlpRule;
import tools.jackson.databind.JsonNode;

/** Influence, pruning and scores, against circuit-tracer's on the same graph (scripts/reference/attribution_graph.py). */
class PrunedTest {
    private static final int EARLY = 6;
    private static final int LATENTS = 12;
    private static final int TOKENS = 3;
    private static final int FIRST_TOKEN = LATENTS + 2 * TOKENS;
    private static final int FIRST_LOGIT = FIRST_TOKEN + TOKENS;
    private static final int NODES = FIRST_LOGIT + 2;

    private static JsonNode expected = Json.MAPPER.createObjectNode();

    @BeforeAll
    static void read() throws IOException {
        try (InputStream file = PrunedTest.class.getResourceAsStream("/trace/pruned.json")) {
            expected = Json.MAPPER.readTree(file);
        }
    }

    /** The script's weight. */
    private static double weight(int target, int source) {
        double value = Math.pow(Math.sin(12.9 * target + 4.1 * source), 3);
        boolean edge;
        if (target < EARLY) {
            edge = source >= FIRST_TOKEN && source < FIRST_LOGIT;
        } else if (target < LATENTS) {
            edge = source < EARLY || (source >= LATENTS && source < LATENTS + TOKENS);
        } else {
            edge = target >= FIRST_LOGIT
                    && ((source >= EARLY && source < LATENTS) || (source >= LATENTS + TOKENS && source < FIRST_TOKEN));
        }
        return edge ? value : 0;
    }

    static AttributionGraph graph() {
        List<GraphNode> nodes = new ArrayList<>();
        float[][] weights = new float[NODES][NODES];
        for (int n = 0; n < NODES; n++) {
            for (int s = 0; s < NODES; s++) {
                weights[n][s] = (float) weight(n, s);
            }
            if (n < LATENTS) {
                nodes.add(new GraphNode.Latent(n / EARLY, n % TOKENS, n, 1));
            } else if (n < FIRST_TOKEN) {
                nodes.add(new GraphNode.ErrorTerm((n - LATENTS) / TOKENS, n % TOKENS));
            } else if (n < FIRST_LOGIT) {
                nodes.add(new GraphNode.Token(n - FIRST_TOKEN, n));
            } else {
                nodes.add(new GraphNode.Logit(2, n, n == FIRST_LOGIT ? 0.7 : 0.2));
            }
        }
        Prompt prompt = new Prompt("made up", new int[TOKENS], 0);
        return new AttributionGraph(prompt, List.of(), nodes, LATENTS, 2, LATENTS, weights, List.of());
    }

    @Test
    void keepsWhatCircuitTracerKeeps() {
        Pruned pruned = Pruned.of(graph(), new TraceConfig(0.8, 0.9, 100, MlpRule.SPLIT));
        int[] nodes = IntStream.range(0, NODES).filter(n -> pruned.nodes()[n]).toArray();
        assertArrayEquals(ints(expected.get("nodes")), nodes);
        assertEquals(nodes.length, pruned.nodeCount());
        List<String> edges = new ArrayList<>();
        for (int t = 0; t < NODES; t++) {
            for (int s = 0; s < NODES; s++) {
                if (pruned.edges()[t][s]) {
                    edges.add(t + " " + s);
                }
            }
        }
        List<String> theirs = new ArrayList<>();
        expected.get("edges")
                .forEach(edge ->
                        theirs.add(edge.get(0).asInt() + " " + edge.get(1).asInt()));
        assertEquals(theirs, edges);
        assertEquals(theirs.size(), pruned.edgeCount());
        for (int n = 0; n < FIRST_LOGIT; n++) {
            assertEquals(expected.get("cumulative").get(n).asDouble(), pruned.cumulative()[n], 1e-6, "node " + n);
        }
    }

    @Test
    void scoresAsCircuitTracerDoes() {
        GraphScores scores = GraphScores.of(graph());
        assertEquals(expected.get("replacement").asDouble(), scores.replacement(), 1e-6);
        assertEquals(expected.get("completeness").asDouble(), scores.completeness(), 1e-6);
    }

    @Test
    void aThresholdIsTheScoreOfTheLastOneNeeded() {
        double[] scores = {1, 4, 0, 3, 2};
        assertEquals(3, Influence.threshold(scores, 0.7));
        assertEquals(2, Influence.threshold(scores, 0.71));
        assertEquals(1, Influence.threshold(scores, 1));
        assertEquals(0, Influence.threshold(new double[4], 0.8));
    }

    private static int[] ints(JsonNode array) {
        int[] out = new int[array.size()];
        Arrays.setAll(out, i -> array.get(i).asInt());
        return out;
    }
}
