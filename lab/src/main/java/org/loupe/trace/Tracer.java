package org.loupe.trace;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.RowScore;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Finds the attribution graph of a prompt. The weight of the edge from a source that adds v to a row of a leaf, to a target, is
 *
 * <pre>
 * ⟨v, ∇ z⟩      z = ⟨w s(x), x⟩ for a latent with encoder row w        z = logit − mean logit for a next token
 * </pre>
 *
 * with the gradient of {@link FrozenRun}: no path leads through another SAE's rows. Targets are taken by influence, the logits first, as
 * circuit-tracer takes them: after a number of targets influences are computed anew over the edges known so far.
 */
public final class Tracer {
    /** Backward passes between two rankings. */
    private static final int BATCHES_A_RANKING = 4;

    /** Told how far it is. */
    @FunctionalInterface
    public interface Progress {
        void at(int done, int of);
    }

    /** The edges into one target. */
    record Target(GraphNode node, float[] weights, Account account) {}

    /** Latents of one SAE for one backward, by their places in the list of those asked for. */
    private record Batch(int sae, List<Integer> places) {}

    private final LanguageModel model;
    private final List<TracedSae> saes;
    private final FrozenRun run;
    private final Sources sources;
    private final Matrix[] read;

    private Tracer(LanguageModel model, List<TracedSae> saes, FrozenRun run, Prompt prompt, Workers workers) {
        this.model = model;
        this.saes = saes;
        this.run = run;
        this.sources = new Sources(run, saes, prompt, workers);
        this.read = IntStream.range(0, saes.size()).mapToObj(run::read).toArray(Matrix[]::new);
    }

    /**
     * Traces a prompt.
     *
     * @param saes as {@link TracedSae#all} gives them, at least one
     */
    public static AttributionGraph trace(
            LanguageModel model,
            List<TracedSae> saes,
            Prompt prompt,
            TraceConfig config,
            Workers workers,
            Progress progress) {
        try (FrozenRun run = FrozenRun.of(model, saes, prompt.ids(), config.mlps())) {
            return new Tracer(model, saes, run, prompt, workers).graph(prompt, config.maxNodes(), progress);
        }
    }

    private AttributionGraph graph(Prompt prompt, int maxNodes, Progress progress) {
        List<Target> logits = logits(prompt.ids().length - 1);
        int wanted = Math.min(maxNodes, sources.latents());
        List<Integer> chosen = new ArrayList<>();
        List<Target> latents = new ArrayList<>();
        while (chosen.size() < wanted) {
            progress.at(chosen.size(), wanted);
            List<Integer> next = ranked(logits, latents, chosen)
                    .subList(0, Math.min(BATCHES_A_RANKING * run.copies(), wanted - chosen.size()));
            latents.addAll(targets(next));
            chosen.addAll(next);
        }
        progress.at(wanted, wanted);
        return assembled(prompt, logits, latents, chosen);
    }

    /** The most probable next tokens. */
    private List<Target> logits(int last) {
        float[] logits = run.logits();
        List<GraphNode.Logit> nodes = mostProbable(logits, last);
        double mean = 0;
        for (float logit : logits) {
            mean += logit / (double) logits.length;
        }
        List<Target> out = new ArrayList<>();
        for (int from = 0; from < nodes.size(); from += run.copies()) {
            List<GraphNode.Logit> some = nodes.subList(from, Math.min(nodes.size(), from + run.copies()));
            Map<Integer, Matrix> gradients =
                    run.ofLogits(some.stream().mapToInt(GraphNode.Logit::id).toArray());
            for (int i = 0; i < some.size(); i++) {
                out.add(target(some.get(i), gradients, i, logits[some.get(i).id()] - mean));
            }
        }
        return out;
    }

    private static List<GraphNode.Logit> mostProbable(float[] logits, int last) {
        double most = IntStream.range(0, logits.length)
                .mapToDouble(i -> logits[i])
                .max()
                .orElseThrow();
        double total = IntStream.range(0, logits.length)
                .mapToDouble(i -> Math.exp(logits[i] - most))
                .sum();
        List<GraphNode.Logit> top = IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer i) -> -logits[i]))
                .limit(TraceConfig.MOST_LOGITS)
                .map(i -> new GraphNode.Logit(last, i, Math.exp(logits[i] - most) / total))
                .toList();
        double sum = 0;
        int count = 0;
        while (count < top.size() && sum < TraceConfig.LOGIT_PROBABILITY) {
            sum += top.get(count++).probability();
        }
        return top.subList(0, count);
    }

    /** All latents that are no targets yet, the most influential first. */
    private List<Integer> ranked(List<Target> logits, List<Target> latents, List<Integer> chosen) {
        double[] influence =
                Influence.partial(logits, latents, chosen, sources.nodes().size());
        boolean[] done = new boolean[sources.latents()];
        chosen.forEach(c -> done[c] = true);
        return IntStream.range(0, done.length)
                .filter(i -> !done[i])
                .boxed()
                .sorted(Comparator.comparingDouble((Integer i) -> -influence[i]))
                .toList();
    }

    /** The edges into some latents, in the order given. */
    private List<Target> targets(List<Integer> which) {
        Map<Integer, List<Integer>> bySae = new TreeMap<>();
        for (int i = 0; i < which.size(); i++) {
            bySae.computeIfAbsent(latent(which.get(i)).sae(), _ -> new ArrayList<>())
                    .add(i);
        }
        List<Batch> batches = new ArrayList<>();
        bySae.forEach((sae, places) -> {
            for (int from = 0; from < places.size(); from += run.copies()) {
                batches.add(new Batch(sae, places.subList(from, Math.min(places.size(), from + run.copies()))));
            }
        });
        Target[] out = new Target[which.size()];
        model.sideBySide(batches.size(), b -> {
            List<Integer> places = batches.get(b).places();
            List<Target> found = intoLatents(
                    batches.get(b).sae(),
                    places.stream().map(i -> latent(which.get(i))).toList());
            for (int i = 0; i < places.size(); i++) {
                out[places.get(i)] = found.get(i);
            }
        });
        return Arrays.asList(out);
    }

    private List<Target> intoLatents(int number, List<GraphNode.Latent> nodes) {
        Sae sae = saes.get(number).sae();
        Matrix x = read[number];
        Matrix cotangents = Matrix.zeros(nodes.size(), sae.dIn());
        double[] values = new double[nodes.size()];
        for (int i = 0; i < values.length; i++) {
            GraphNode.Latent node = nodes.get(i);
            int row = x.offset(node.position());
            RowScore score = sae.score();
            float factor = score == null ? 1 : score.factor(Kernels.BEST.dot(x.data(), row, x.data(), row, x.cols()));
            Kernels.BEST.addScaled(
                    factor,
                    sae.encoder().data(),
                    sae.encoder().offset(node.latent()),
                    cotangents.data(),
                    cotangents.offset(i),
                    x.cols());
            values[i] = Kernels.BEST.dot(cotangents.data(), cotangents.offset(i), x.data(), row, x.cols());
        }
        int[] positions = nodes.stream().mapToInt(GraphNode.Latent::position).toArray();
        Map<Integer, Matrix> gradients = run.ofRead(number, cotangents, positions);
        List<Target> out = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            out.add(target(nodes.get(i), gradients, i, values[i]));
        }
        return out;
    }

    private Target target(GraphNode node, Map<Integer, Matrix> gradients, int number, double value) {
        float[] weights = new float[sources.nodes().size()];
        double constants = sources.weigh(gradients, number, weights);
        double[] by = new double[3];
        for (int s = 0; s < weights.length; s++) {
            int kind = switch (sources.nodes().get(s)) {
                case GraphNode.Latent _ -> 0;
                case GraphNode.ErrorTerm _ -> 1;
                case GraphNode.Token _, GraphNode.Logit _ -> 2;
            };
            by[kind] += weights[s];
        }
        return new Target(node, weights, new Account(value, by[0], by[1], by[2], constants));
    }

    private GraphNode.Latent latent(int source) {
        return (GraphNode.Latent) sources.nodes().get(source);
    }

    /** The graph of the chosen latents and all other nodes, latents in the sources' order. */
    private AttributionGraph assembled(Prompt prompt, List<Target> logits, List<Target> latents, List<Integer> chosen) {
        Target[] bySource = new Target[sources.latents()];
        for (int i = 0; i < chosen.size(); i++) {
            bySource[chosen.get(i)] = latents.get(i);
        }
        int[] columns = IntStream.range(0, sources.nodes().size())
                .filter(s -> s >= bySource.length || bySource[s] != null)
                .toArray();
        int size = columns.length + logits.size();
        float[][] weights = new float[size][size];
        List<GraphNode> nodes = new ArrayList<>();
        List<Account> accounts = new ArrayList<>();
        for (int n = 0; n < columns.length; n++) {
            nodes.add(sources.nodes().get(columns[n]));
            Target target = columns[n] < bySource.length ? bySource[columns[n]] : null;
            if (target != null) {
                accounts.add(target.account());
                pick(target.weights(), columns, weights[n]);
            }
        }
        for (Target logit : logits) {
            pick(logit.weights(), columns, weights[nodes.size()]);
            nodes.add(logit.node());
            accounts.add(logit.account());
        }
        return new AttributionGraph(
                prompt, saes, nodes, chosen.size(), logits.size(), sources.latents(), weights, accounts);
    }

    private static void pick(float[] from, int[] columns, float[] to) {
        for (int c = 0; c < columns.length; c++) {
            to[c] = from[columns[c]];
        }
    }
}
