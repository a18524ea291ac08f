package org.loupe.trace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.loupe.eval.Svg;

/**
 * A picture of the strongest part of a pruned graph: tokens from left to right, layers from below upwards, the most influential nodes as
 * boxes and the edges that bring the largest shares of what reaches their targets.
 */
public final class GraphPicture {
    /** Latents and errors shown at most. */
    private static final int MOST_NODES = 36;

    private static final int MOST_LOGITS = 5;
    private static final int MOST_EDGES = 90;

    private static final int LEFT = 132;
    private static final int TOP = 66;
    private static final int BOX_WIDTH = 146;
    private static final int BOX_HEIGHT = 18;
    private static final int PITCH = 22;
    private static final int BETWEEN_COLUMNS = 14;
    private static final int BETWEEN_LAYERS = 64;
    private static final int EMPTY_LAYER = 8;
    private static final double CHARACTER = 6.6; // units, of the 11-unit type

    private static final String STYLE = """
            svg{background:#fff;font:11px system-ui,'DejaVu Sans',sans-serif}
            text{fill:#1f2933}.title{font-size:15px;font-weight:600}.quiet{fill:#64707d}
            .latent{fill:#e8f1fb;stroke:#3b78b5}.error{fill:#fff;stroke:#8a949e;stroke-dasharray:3 2}
            .token{fill:#eef0f2;stroke:#8a949e}.logit{fill:#fdf1d8;stroke:#b98a1d}
            .plus{fill:none;stroke:#2f6fb0;stroke-opacity:.5}.minus{fill:none;stroke:#d2622a;stroke-opacity:.5}
            .band{fill:#f7f8f9;stroke:none}
            @media (prefers-color-scheme:dark){svg{background:#14181d}text{fill:#e4e9ee}.quiet{fill:#97a3af}
            .latent{fill:#1d3148;stroke:#6aa5e0}.error{fill:#14181d;stroke:#8a949e}.token{fill:#262c33;stroke:#8a949e}
            .logit{fill:#3a2f14;stroke:#d6a93f}.plus{stroke:#6aa5e0}.minus{stroke:#f08a55}.band{fill:#1a1f25}}
            """;

    /**
     * Where a box is.
     *
     * @param x of its middle
     * @param y of its upper edge
     * @param anchor x where its edges begin and end: another one for each box of a stack
     */
    private record Place(double x, double y, double anchor) {}

    /**
     * An edge to draw.
     *
     * @param share |weight| / Σ |weight| of the target's row
     */
    private record Edge(int source, int target, double share) {}

    private final AttributionGraph graph;
    private final Pruned pruned;
    private final GraphNames names;
    private final List<Integer> shown = new ArrayList<>();
    private final Map<Integer, Place> places = new HashMap<>();
    private final double[] columnAt;
    private final int[] columnWidth;

    private GraphPicture(AttributionGraph graph, Pruned pruned, GraphNames names) {
        this.graph = graph;
        this.pruned = pruned;
        this.names = names;
        int tokens = graph.prompt().ids().length;
        columnAt = new double[tokens];
        columnWidth = new int[tokens];
    }

    /** Draws a graph. */
    public static String of(AttributionGraph graph, Pruned pruned, GraphNames names) {
        return new GraphPicture(graph, pruned, names).draw();
    }

    private String draw() {
        IntStream.range(0, graph.firstToken())
                .filter(n -> pruned.nodes()[n])
                .boxed()
                .sorted(Comparator.comparingDouble((Integer n) -> pruned.cumulative()[n]))
                .limit(MOST_NODES)
                .forEach(shown::add);
        IntStream.range(graph.firstToken(), Math.min(graph.nodes().size(), graph.firstLogit() + MOST_LOGITS))
                .forEach(shown::add);
        List<Edge> edges = edges();
        Set<Integer> joined = new HashSet<>();
        edges.forEach(edge -> joined.addAll(List.of(edge.source(), edge.target())));
        shown.removeIf(node -> node < graph.firstToken() && !joined.contains(node));
        double width = columns();
        int layers = graph.saes().size() + 2;
        int[] heights = new int[layers];
        for (int layer = 0; layer < layers; layer++) {
            heights[layer] = IntStream.of(stacked(layer)).max().orElse(0) * PITCH;
        }
        double height =
                TOP + BETWEEN_LAYERS * (layers - 1.0) + IntStream.of(heights).sum() + 50;
        Svg svg = Svg.file(
                width, height, "Attribution graph of: " + graph.prompt().text(), STYLE);
        double y = TOP;
        for (int layer = layers - 1; layer >= 0; layer--) {
            double tall = Math.max(EMPTY_LAYER, heights[layer]);
            svg.rect(0, y - 8, width, tall + 12, "band");
            svg.text(12, y + 13, "start", "quiet", layerName(layer));
            place(layer, y, heights[layer]);
            y += heights[layer] + BETWEEN_LAYERS;
        }
        title(svg);
        edges.forEach(edge -> draw(svg, edge));
        shown.forEach(node -> draw(svg, node));
        svg.text(
                12,
                height - 16,
                "start",
                "quiet",
                "Blue raises its target, orange lowers it; width: share of what reaches the target. Dashed: what the SAE"
                        + " leaves out. Point at a box or a line for its numbers.");
        return svg.end() + "\n";
    }

    private void title(Svg svg) {
        svg.text(12, 24, "start", "title", "“" + graph.prompt().text().replace('\n', ' ') + "”");
        String best = graph.nodes().get(graph.firstLogit()) instanceof GraphNode.Logit logit
                ? String.format(Locale.ROOT, "“%s” (p = %.3f)", names.line(logit.id()), logit.probability())
                : "";
        svg.text(
                12,
                42,
                "start",
                "quiet",
                String.format(
                        Locale.ROOT,
                        "Next: %s. Shown: %d of %d nodes and the strongest of %,d edges.",
                        best,
                        shown.size(),
                        pruned.nodeCount(),
                        pruned.edgeCount()));
    }

    /** Columns as wide as what stands in them; gives the whole width. */
    private double columns() {
        double x = LEFT;
        for (int p = 0; p < columnAt.length; p++) {
            int position = p;
            boolean boxes = shown.stream()
                    .anyMatch(
                            n -> n < graph.firstToken() && graph.nodes().get(n).position() == position);
            boolean last = p == columnAt.length - 1;
            String token = names.line(graph.prompt().ids()[p]);
            columnWidth[p] = boxes || last ? BOX_WIDTH : (int) Math.min(BOX_WIDTH, 16 + token.length() * CHARACTER);
            columnAt[p] = x;
            x += columnWidth[p] + BETWEEN_COLUMNS;
        }
        return Math.max(x, 620);
    }

    /** 0 for tokens, then the SAEs, then the logits. */
    private int layer(int node) {
        return switch (graph.nodes().get(node)) {
            case GraphNode.Token _ -> 0;
            case GraphNode.Latent latent -> latent.sae() + 1;
            case GraphNode.ErrorTerm error -> error.sae() + 1;
            case GraphNode.Logit _ -> graph.saes().size() + 1;
        };
    }

    private String layerName(int layer) {
        if (layer == 0) {
            return "tokens";
        }
        return layer > graph.saes().size()
                ? "next token"
                : graph.saes().get(layer - 1).writes().toString();
    }

    /** How many boxes of a layer stand in each column. */
    private int[] stacked(int layer) {
        int[] counts = new int[columnAt.length];
        for (int node : shown) {
            counts[graph.nodes().get(node).position()] += layer(node) == layer ? 1 : 0;
        }
        return counts;
    }

    /** Stacks the boxes of each column, the most influential below. */
    private void place(int layer, double y, int height) {
        int[] counts = new int[columnAt.length];
        int[] stacked = stacked(layer);
        for (int node : shown) {
            if (layer(node) == layer) {
                int p = graph.nodes().get(node).position();
                boolean downwards = node >= graph.firstLogit();
                int slot = counts[p]++;
                double top = downwards ? y + slot * PITCH : y + height - (slot + 1) * PITCH;
                double anchor = columnAt[p] + columnWidth[p] * (slot + 1.0) / (stacked[p] + 1);
                places.put(node, new Place(columnAt[p] + columnWidth[p] / 2.0, top, anchor));
            }
        }
    }

    private List<Edge> edges() {
        List<Edge> all = new ArrayList<>();
        for (int target : shown) {
            float[] row = graph.weights()[target];
            double sum = Influence.sum(row);
            for (int source : shown) {
                if (pruned.edges()[target][source]) {
                    all.add(new Edge(source, target, Math.abs(row[source]) / sum));
                }
            }
        }
        return all.stream()
                .sorted(Comparator.comparingDouble((Edge e) -> -e.share()))
                .limit(MOST_EDGES)
                .toList();
    }

    private void draw(Svg svg, Edge edge) {
        Place from = place(edge.source());
        Place to = place(edge.target());
        float weight = graph.weights()[edge.target()][edge.source()];
        svg.rise(
                from.anchor(),
                from.y(),
                to.anchor(),
                to.y() + BOX_HEIGHT,
                0.6 + 9 * edge.share(),
                weight > 0 ? "plus" : "minus",
                String.format(
                        Locale.ROOT,
                        "%s → %s: %+.3f, %.0f %% of what reaches it",
                        name(edge.source()),
                        name(edge.target()),
                        weight,
                        100 * edge.share()));
    }

    private void draw(Svg svg, int node) {
        Place at = place(node);
        int width = columnWidth[graph.nodes().get(node).position()];
        String style = switch (graph.nodes().get(node)) {
            case GraphNode.Latent _ -> "latent";
            case GraphNode.ErrorTerm _ -> "error";
            case GraphNode.Token _ -> "token";
            case GraphNode.Logit _ -> "logit";
        };
        svg.enter(name(node));
        svg.rect(at.x() - width / 2.0, at.y(), width, BOX_HEIGHT, style);
        svg.text(at.x(), at.y() + 13, "middle", "name", cut(text(node), (int) ((width - 8) / CHARACTER)));
        svg.leave();
    }

    private Place place(int node) {
        Place place = places.get(node);
        if (place == null) {
            throw new IllegalStateException("node " + node + " has no place");
        }
        return place;
    }

    private static String cut(String text, int characters) {
        int points = text.codePointCount(0, text.length());
        return points <= characters ? text : text.substring(0, text.offsetByCodePoints(0, characters - 1)) + "…";
    }

    /** What a box says. */
    private String text(int node) {
        return switch (graph.nodes().get(node)) {
            case GraphNode.Latent latent ->
                (latent.latent() + " " + names.label().apply(latent)).strip();
            case GraphNode.ErrorTerm _ -> "error";
            case GraphNode.Token token -> names.line(token.id());
            case GraphNode.Logit logit ->
                String.format(Locale.ROOT, "%s %.3f", names.line(logit.id()), logit.probability());
        };
    }

    /** What a pointer shows. */
    private String name(int node) {
        return switch (graph.nodes().get(node)) {
            case GraphNode.Latent latent ->
                String.format(
                        Locale.ROOT,
                        "%s latent %d, activation %.2f: %s",
                        layerName(layer(node)),
                        latent.latent(),
                        latent.activation(),
                        names.label().apply(latent));
            case GraphNode.ErrorTerm _ -> layerName(layer(node)) + " error";
            case GraphNode.Token token -> "token “" + names.line(token.id()) + "”";
            case GraphNode.Logit logit -> "next token “" + names.line(logit.id()) + "”";
        };
    }
}
