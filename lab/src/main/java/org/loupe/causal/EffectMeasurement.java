package org.loupe.causal;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.harvest.DrawnLabels;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Encoder;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Measures what every latent does to a model's output on a text: all firings by attribution, some of each latent's by exact
 * ablation. Batches run side by side; the result does not depend on how many.
 */
public final class EffectMeasurement {
    /** Batches whose gradients give the causal dimension: some 8,000 rows where a batch has 4 sequences of 128 tokens. */
    private static final int DIMENSION_BATCHES = 16;

    /** Raised and lowered tokens kept of each latent. */
    private static final int MOVED = 10;

    private final LanguageModel model;
    private final Sae sae;
    private final Attribution attribution;
    private final EffectConfig config;
    private final Known known;
    private final double[] drawn; // share of each latent's firings that is ablated
    private final float[] squares; // ‖d‖² of each dictionary row
    private final DrawnLabels labels;
    private final FiringSums sums;
    private final Covariance gradients;
    private final List<Ablated> ablated = new ArrayList<>();
    private final Map<Integer, Part> waiting = new TreeMap<>();
    private int next;

    /**
     * What is known of latents beforehand, from all rows of a store.
     *
     * @param count firings
     * @param rows rows of the store
     * @param strongest largest |f|
     * @param bands upper ends of the three weaker quarters of its firings
     */
    public record Known(long[] count, long rows, float[] strongest, float[][] bands) {}

    /** @param drawn gradients for the causal dimension, in one matrix or none */
    private record Part(Firings firings, List<Ablated> ablated, List<Matrix> drawn, int length) {}

    /**
     * Measures.
     *
     * @param batches packed documents; memory grows with the tokens of one batch times the vocabulary times the threads
     * @param normLimits largest norms by hook point; rows above them are attention sinks and not counted
     * @throws org.loupe.io.BadInput for an SAE that does not fit the model, and a crosscoder
     */
    public static Effects run(
            LanguageModel model,
            SaeFolder.Loaded loaded,
            List<TokenBatch> batches,
            EffectConfig config,
            Known known,
            Map<String, Double> normLimits,
            Progress progress) {
        long tokens = batches.stream()
                .mapToLong(b -> IntStream.range(0, b.size())
                        .filter(i -> Positions.isDocument(b, i))
                        .count())
                .sum();
        EffectMeasurement run = new EffectMeasurement(
                model, loaded.sae(), new Attribution(model, loaded, normLimits), config, known, tokens);
        long[] places = new long[batches.size() + 1];
        for (int i = 0; i < batches.size(); i++) {
            places[i + 1] = places[i] + batches.get(i).size();
        }
        long[] done = new long[1];
        try (Workers alone = new Workers(1)) {
            model.sideBySide(batches.size(), i -> {
                Part part = run.measure(i, batches.get(i), places[i]);
                synchronized (run) {
                    run.add(i, part, alone);
                    done[0] += batches.get(i).size();
                    progress.at("effects", done[0], places[batches.size()]);
                }
            });
        }
        List<LatentEffect> latents = run.latents();
        return new Effects(tokens, latents, EffectSummary.of(latents, run.ablated, known, run.sums, run.dimension()));
    }

    private EffectMeasurement(
            LanguageModel model, Sae sae, Attribution attribution, EffectConfig config, Known known, long tokens) {
        this.model = model;
        this.sae = sae;
        this.attribution = attribution;
        this.config = config;
        this.known = known;
        this.labels = new DrawnLabels(config.seed());
        this.sums = new FiringSums(sae.latents());
        this.gradients = new Covariance(sae.dOut());
        this.squares = new float[sae.latents()];
        for (int i = 0; i < squares.length; i++) {
            int row = sae.decoder().offset(i);
            squares[i] =
                    Kernels.BEST.dot(sae.decoder().data(), row, sae.decoder().data(), row, sae.dOut());
        }
        this.drawn = new double[sae.latents()];
        for (int i = 0; i < drawn.length; i++) {
            double expected = (double) known.count[i] / known.rows * tokens;
            drawn[i] = expected > config.exact() ? config.exact() / expected : 1;
        }
    }

    /** @param firstPlace of the batch in the text */
    private Part measure(int number, TokenBatch batch, long firstPlace) {
        List<OutputLoss> also =
                number < DIMENSION_BATCHES ? List.of(new OutputLoss.Drawn(labels, firstPlace)) : List.of();
        try (PointerScope _ = new PointerScope();
                Workers alone = new Workers(1)) {
            Attribution.Result run = attribution.run(
                    batch, new OutputLoss.CrossEntropy(), config.steps(), new Encoder(sae, alone), also);
            Firings firings = run.firings();
            int[] which = IntStream.range(0, config.exact() == 0 ? 0 : firings.count())
                    .filter(i -> isDrawn(firings.latent()[i], number, firings.row()[i]))
                    .toArray();
            List<Ablated> exact = which.length == 0
                    ? List.of()
                    : new Ablations(model, sae, batch, attribution.written(), run).of(which, known.strongest);
            return new Part(firings, exact, run.also(), batch.length());
        }
    }

    /** A draw that depends on the firing alone. */
    private boolean isDrawn(int latent, int batch, int row) {
        long place = ((long) batch << 24 | row) * 0x9E3779B97F4A7C15L ^ (latent + config.seed() * 0xC2B2AE3D27D4EB4FL);
        return new SplittableRandom(place).nextDouble() < drawn[latent];
    }

    /** Adds up parts in the order of their numbers, whatever the order they are ready in: sums in double depend on it. */
    private void add(int number, Part part, Workers workers) {
        waiting.put(number, part);
        for (Part ready = waiting.remove(next); ready != null; ready = waiting.remove(++next)) {
            sums.add(ready.firings, ready.length, squares, known.bands);
            ablated.addAll(ready.ablated);
            ready.drawn.stream().filter(rows -> rows.rows() > 0).forEach(rows -> gradients.add(rows, workers));
        }
    }

    private CausalDimension dimension() {
        return CausalDimension.of(gradients.secondMoment(), gradients.rows());
    }

    private List<LatentEffect> latents() {
        List<List<Ablated>> byLatent = new ArrayList<>();
        for (int i = 0; i < sae.latents(); i++) {
            byLatent.add(new ArrayList<>());
        }
        ablated.forEach(one -> byLatent.get(one.latent()).add(one));
        return IntStream.range(0, sae.latents())
                .mapToObj(i -> latent(i, byLatent.get(i)))
                .toList();
    }

    private LatentEffect latent(int i, List<Ablated> exact) {
        double n = sums.count[i];
        double[] increase = exact.stream().mapToDouble(Ablated::increase).toArray();
        double[] kl = exact.stream().mapToDouble(Ablated::kl).toArray();
        return new LatentEffect(
                i,
                sums.count[i],
                sums.effect[i] / n,
                sums.absolute[i] / n,
                Math.max(sums.positive[i], sums.count[i] - sums.positive[i]) / n,
                sums.perEnergy(i),
                sums.perEnergyError(i),
                exact.size(),
                mean(increase),
                error(increase),
                mean(kl),
                error(kl),
                mean(kl) * known.count[i],
                IntStream.range(0, FiringSums.BANDS)
                        .mapToObj(b -> sums.bandAbsolute[b][i] / sums.bandCount[b][i])
                        .toList(),
                moved(exact, true),
                moved(exact, false),
                mean(exact.stream().mapToDouble(Ablated::confidence).toArray()),
                mean(exact.stream().mapToDouble(Ablated::amplifiedKl).toArray()));
    }

    private static double mean(double[] values) {
        return IntStream.range(0, values.length)
                .mapToDouble(i -> values[i])
                .average()
                .orElse(Double.NaN);
    }

    /** Standard error of the mean; NaN for fewer than two values. */
    private static double error(double[] values) {
        double mean = mean(values);
        double squares = 0;
        for (double value : values) {
            squares += (value - mean) * (value - mean);
        }
        return values.length < 2 ? Double.NaN : Math.sqrt(squares / (values.length - 1) / values.length);
    }

    /** Mean changes of probability; a token that is not among a firing's most moved ones counts as 0 there. */
    private static List<Comparison.Moved> moved(List<Ablated> exact, boolean up) {
        Map<Integer, Double> by = new HashMap<>();
        exact.forEach(one -> {
            one.raised().forEach(m -> by.merge(m.id(), m.by() / exact.size(), Double::sum));
            one.lowered().forEach(m -> by.merge(m.id(), m.by() / exact.size(), Double::sum));
        });
        Comparator<Comparison.Moved> order = Comparator.comparingDouble(m -> up ? -m.by() : m.by());
        return by.entrySet().stream()
                .map(e -> new Comparison.Moved(e.getKey(), e.getValue()))
                .filter(m -> up ? m.by() > 0 : m.by() < 0)
                .sorted(order.thenComparingInt(Comparison.Moved::id))
                .limit(MOVED)
                .toList();
    }
}
