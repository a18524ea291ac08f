package org.loupe.app;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.loupe.trace.Account;
import org.loupe.trace.AttributionGraph;
import org.loupe.trace.GraphNames;
import org.loupe.trace.GraphNode;
import org.loupe.trace.GraphScores;
import org.loupe.trace.Pruned;

/**
 * The figures of a graph.
 *
 * @param scores circuit-tracer's, before pruning
 */
record TraceSummary(AttributionGraph graph, Pruned pruned, GraphNames names, GraphScores scores) {
    private static final int STRONGEST = 8;

    static TraceSummary of(AttributionGraph graph, Pruned pruned, GraphNames names) {
        return new TraceSummary(graph, pruned, names, GraphScores.of(graph));
    }

    /** For people. */
    String text() {
        Account account = graph.account();
        StringBuilder out = new StringBuilder();
        line(out, "prompt", quoted(graph.prompt().text()));
        line(
                out,
                "next token",
                String.join(
                        ", ",
                        logits().stream()
                                .map(l -> String.format(
                                        Locale.ROOT,
                                        "%s %.3f",
                                        quoted(names.token().apply(l.id())),
                                        l.probability()))
                                .toList()));
        line(
                out,
                "graph",
                String.format(
                        Locale.ROOT,
                        "%,d nodes and %,d edges of %,d nodes, %,d of them latents of %,d active ones",
                        pruned.nodeCount(),
                        pruned.edgeCount(),
                        graph.nodes().size(),
                        graph.latents(),
                        graph.activeLatents()));
        line(
                out,
                "logit − mean",
                String.format(
                        Locale.ROOT,
                        "%.2f of %s: latents %s, tokens %s, constants %s, errors %s%s",
                        account.value(),
                        quoted(names.token().apply(logits().getFirst().id())),
                        percent(account.latents()),
                        percent(account.tokens()),
                        percent(account.constants()),
                        percent(account.errors()),
                        summed(account) ? "" : "; not by sources: " + percent(account.remainder())));
        line(
                out,
                "scores",
                String.format(
                        Locale.ROOT,
                        "replacement %.3f, completeness %.3f",
                        scores.replacement(),
                        scores.completeness()));
        for (int source : strongest()) {
            line(
                    out,
                    "",
                    String.format(
                            Locale.ROOT,
                            "%+8.3f  %s",
                            graph.weights()[graph.firstLogit()][source],
                            name(graph.nodes().get(source))));
        }
        return out.toString().stripTrailing();
    }

    /** For machines; shares are of the most probable token's logit − mean logit. */
    Map<String, Object> toJson(Path folder) {
        Account account = graph.account();
        double value = account.value();
        return Terminal.object(
                "graph",
                folder.resolve(TraceCommand.GRAPH).toString(),
                "prompt",
                graph.prompt().text(),
                "tokens",
                IntStream.of(graph.prompt().ids()).mapToObj(names.token()).toList(),
                "next",
                logits().stream()
                        .map(l -> Terminal.object(
                                "token", names.token().apply(l.id()), "id", l.id(), "probability", l.probability()))
                        .toList(),
                "nodes",
                pruned.nodeCount(),
                "edges",
                pruned.edgeCount(),
                "latent_nodes",
                graph.latents(),
                "active_latents",
                graph.activeLatents(),
                "logit_minus_mean",
                value,
                "share_latents",
                account.latents() / value,
                "share_tokens",
                account.tokens() / value,
                "share_constants",
                account.constants() / value,
                "share_errors",
                account.errors() / value,
                "completeness_without_errors",
                (account.sum() - account.errors()) / value,
                "completeness",
                account.sum() / value,
                "replacement_score",
                scores.replacement(),
                "completeness_score",
                scores.completeness());
    }

    private List<GraphNode.Logit> logits() {
        List<GraphNode.Logit> out = new ArrayList<>();
        for (GraphNode node : graph.nodes()) {
            if (node instanceof GraphNode.Logit logit) {
                out.add(logit);
            }
        }
        return out;
    }

    /** The sources with the largest effects on the most probable token. */
    private List<Integer> strongest() {
        float[] row = graph.weights()[graph.firstLogit()];
        return IntStream.range(0, row.length)
                .filter(s -> row[s] != 0)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer s) -> -Math.abs(row[s])))
                .limit(STRONGEST)
                .toList();
    }

    private String name(GraphNode node) {
        String on = " on token " + node.position() + " "
                + quoted(names.token().apply(graph.prompt().ids()[node.position()]));
        return switch (node) {
            case GraphNode.Latent latent ->
                graph.saes().get(latent.sae()).writes() + " latent " + latent.latent() + on + "  "
                        + names.label().apply(latent);
            case GraphNode.ErrorTerm error -> graph.saes().get(error.sae()).writes() + " error" + on;
            case GraphNode.Token _, GraphNode.Logit _ -> "embedding" + on;
        };
    }

    private static boolean summed(Account account) {
        return Math.abs(account.remainder()) < 0.005 * Math.abs(account.value());
    }

    private String percent(double part) {
        return String.format(
                Locale.ROOT, "%.0f %%", 100 * part / graph.account().value());
    }

    private static void line(StringBuilder out, String name, String value) {
        out.append(String.format(Locale.ROOT, "%-13s %s%n", name, value));
    }

    private static String quoted(String text) {
        return "“" + text.replace("\n", "⏎") + "”";
    }
}
