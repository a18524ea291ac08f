package org.loupe.causal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.loupe.activations.ActivationStore;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SplitMix;
import org.loupe.train.DownstreamConfig;
import org.loupe.train.Judge;
import org.loupe.train.JudgedRows;
import org.loupe.train.TrainConfig;

/**
 * Batches for objectives that run the model: sequences of a text, their rows at a hook point, and the rest of the model run on with a
 * reconstruction in their place. With n tokens that another of their document follows,
 *
 * <pre>
 * KL   (1/n) Σ KL(as it is ‖ reconstructed)                                      nats a token
 * CE   (1/n) Σ −log p(next token | reconstructed)                                nats a token
 * MSE  (1/layers) Σ_l Σ‖h_l − h_l'‖² / Σ‖h_l − h̄_l‖²   over resid_post of all later blocks, tokens of documents
 * </pre>
 *
 * (Braun et al. 2024, arXiv 2405.12241, whose downstream error is not normalised). Attention sinks keep their true rows. Gradients flow through the frozen model to the
 * reconstruction only.
 */
public final class Downstream implements JudgedRows {
    /** Sequences that run together on one thread: at 128 tokens and a vocabulary of 49,152 one tensor of their f32 logits is 100 MB. */
    private static final int SEQUENCES = 4;

    private final LanguageModel model;
    private final SplicePoints points;
    private final List<TokenBatch> text;
    private final int batch;
    private final JudgedPart.Setting setting;
    private final int[] tokens; // document tokens of each sequence
    private final long seed;
    private final List<Judge.Kind> kinds;
    private final List<HookPoint> later;

    /** Place in the stream of sequences, pass after pass, at which each step known so far begins. */
    private final List<Long> starts = new ArrayList<>(List.of(0L));

    private int[] order = new int[0];
    private long ordered = -1;

    /**
     * @param points where the SAE is; one hook point is replaced
     * @param text sequences, one a batch; runs go through them in an order drawn anew for each pass
     * @param batch rows of a step
     * @param seed of the order
     * @throws BadInput where no text makes up a batch
     */
    Downstream(
            LanguageModel model,
            SplicePoints points,
            List<TokenBatch> text,
            int batch,
            long seed,
            DownstreamConfig weights) {
        this.model = model;
        this.points = points;
        this.text = List.copyOf(text);
        this.batch = batch;
        this.seed = seed;
        this.kinds = Arrays.stream(Judge.Kind.values())
                .filter(kind -> weights.weight(kind) > 0)
                .toList();
        HookPoint written = points.replaced().getFirst();
        this.later = weights.weight(Judge.Kind.MSE) > 0
                ? model.hookPoints().stream()
                        .filter(point -> point.site() == HookPoint.Site.RESID_POST && point.compareTo(written) > 0)
                        .toList()
                : List.of();
        if (weights.weight(Judge.Kind.MSE) > 0 && later.isEmpty()) {
            throw new BadInput("objective: no block comes after " + written + ", so there is no later residual stream");
        }
        this.setting = new JudgedPart.Setting(model, points, kinds, later);
        this.tokens = text.stream().mapToInt(Downstream::documentTokens).toArray();
        long all = Arrays.stream(tokens).asLongStream().sum();
        if (all < batch) {
            throw new BadInput("batch: " + batch + ", expected at most the " + all
                    + " tokens of the text that the model is run on");
        }
    }

    private static int documentTokens(TokenBatch sequence) {
        return (int) IntStream.range(0, sequence.size())
                .filter(i -> Positions.isDocument(sequence, i))
                .count();
    }

    /**
     * What a configuration's objective needs: the store's documents run through the model.
     *
     * @throws BadInput where the model is another one than the store's, the store has rows of several hook points side by side, or of
     *     an unknown one
     */
    public static Downstream of(LanguageModel model, ActivationStore store, TrainConfig config) {
        Provenance made = store.provenance();
        requireMaker(model, store);
        if (store.parts().size() > 1) {
            throw BadInput.in(
                    store.folder(),
                    "has rows of several hook points, " + made.hook() + ": objective="
                            + config.objective().name().toLowerCase(Locale.ROOT) + " trains on those of one");
        }
        List<HookPoint> hooks = new ArrayList<>(List.of(HookPoint.parse(made.hook())));
        if (store.targetWidth() > 0) {
            hooks.add(HookPoint.parse(store.targetHook()));
        }
        Map<String, Double> limits = store.info().normLimits();
        SplicePoints points = new SplicePoints(
                hooks,
                hooks.size() - 1,
                hooks.stream()
                        .map(hook -> limits.getOrDefault(hook.toString(), 0.0))
                        .toList());
        List<TokenBatch> text = DrawnText.batches(store.info(), store.documents(), Long.MAX_VALUE, 1, config.seed());
        return new Downstream(
                model,
                points,
                text,
                config.batch(),
                config.seed(),
                config.downstream().of(config.objective()));
    }

    /** Refuses a store of another model, naming both. */
    static void requireMaker(LanguageModel model, ActivationStore store) {
        Provenance made = store.provenance();
        if (!made.modelSha256().equals(model.info().sha256())) {
            throw BadInput.in(
                    store.folder(),
                    "was made with model '" + made.model() + "' (sha256 " + made.modelSha256()
                            + "), the model given is '" + model.info().name() + "' (sha256 "
                            + model.info().sha256() + ")");
        }
    }

    @Override
    public Batch at(long step) {
        List<JudgedPart> parts = new ArrayList<>();
        int found = 0;
        long from = start(step);
        long to = start(step + 1);
        // More sequences than a batch's tokens fill are run where some of their rows are sinks.
        for (int extra = 0; found < batch && extra <= text.size(); extra += SEQUENCES) {
            List<JudgedPart> more = parts(from, to);
            model.sideBySide(more.size(), i -> more.get(i).run());
            found += more.stream().mapToInt(part -> part.rows().length).sum();
            parts.addAll(more);
            from = to;
            to += SEQUENCES;
        }
        if (found < batch) {
            throw new BadInput("batch: " + batch + ", but step " + step + " found only " + found
                    + " rows that are no attention sinks; use a smaller batch or a longer text");
        }
        int width = points.hooks().stream().mapToInt(model::width).sum();
        Matrix rows = Matrix.zeros(batch, width);
        int[] taken = new int[parts.size()];
        int filled = 0;
        for (int p = 0; p < taken.length; p++) {
            JudgedPart part = parts.get(p);
            taken[p] = Math.min(batch - filled, part.rows().length);
            Matrix all = Matrix.beside(part.read());
            for (int i = 0; i < taken[p]; i++) {
                System.arraycopy(all.data(), all.offset(part.rows()[i]), rows.data(), rows.offset(filled + i), width);
            }
            filled += taken[p];
        }
        double predicted =
                parts.stream().mapToInt(part -> part.predicting().length).sum();
        Map<HookPoint, Double> spread = spread(parts);
        return new Batch(rows, reconstruction -> terms(parts, taken, reconstruction, predicted, spread));
    }

    /** Where a step begins: behind those that filled the batches before it. */
    private long start(long step) {
        while (starts.size() <= step) {
            long place = starts.getLast();
            for (int filled = 0; filled < batch; place++) {
                filled += tokens[sequence(place)];
            }
            starts.add(place);
        }
        return starts.get(Math.toIntExact(step));
    }

    /** The sequence at a place of the stream: every pass takes each once, in an order drawn anew. */
    private int sequence(long place) {
        long pass = place / text.size();
        if (pass != ordered) {
            order = order(pass);
            ordered = pass;
        }
        return order[(int) (place % text.size())];
    }

    private List<JudgedPart> parts(long from, long to) {
        List<JudgedPart> parts = new ArrayList<>();
        for (long first = from; first < to; first += SEQUENCES) {
            List<TokenBatch> sequences = new ArrayList<>();
            for (long place = first; place < Math.min(to, first + SEQUENCES); place++) {
                sequences.add(text.get(sequence(place)));
            }
            parts.add(new JudgedPart(setting, joined(sequences)));
        }
        return parts;
    }

    private int[] order(long pass) {
        int[] drawn = IntStream.range(0, text.size()).toArray();
        SplittableRandom random = SplitMix.random(seed, pass);
        for (int i = drawn.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swap = drawn[i];
            drawn[i] = drawn[j];
            drawn[j] = swap;
        }
        return drawn;
    }

    private static TokenBatch joined(List<TokenBatch> sequences) {
        int length = sequences.getFirst().length();
        int[] ids = new int[sequences.size() * length];
        int[] segments = new int[ids.length];
        for (int s = 0; s < sequences.size(); s++) {
            System.arraycopy(sequences.get(s).ids(), 0, ids, s * length, length);
            int[] own = Objects.requireNonNull(sequences.get(s).segments(), "packed sequences have segments");
            System.arraycopy(own, 0, segments, s * length, length);
        }
        return new TokenBatch(ids, sequences.size(), length, segments);
    }

    /** Σ‖h − h̄‖² of the batch at each later hook point, document tokens alone. */
    private Map<HookPoint, Double> spread(List<JudgedPart> parts) {
        Map<HookPoint, Double> spread = new HashMap<>();
        for (HookPoint point : later) {
            double[] mean = new double[model.width(point)];
            double squares = 0;
            long count = 0;
            for (JudgedPart part : parts) {
                Matrix h = part.clean(point);
                for (int row = 0; row < h.rows(); row++) {
                    if (Positions.isDocument(part.tokens(), row)) {
                        count++;
                        for (int c = 0; c < mean.length; c++) {
                            mean[c] += h.at(row, c);
                            squares += (double) h.at(row, c) * h.at(row, c);
                        }
                    }
                }
            }
            double n = count;
            spread.put(point, squares - Arrays.stream(mean).map(m -> m * m).sum() / n);
        }
        return spread;
    }

    private List<Judge.Term> terms(
            List<JudgedPart> parts,
            int[] taken,
            Matrix reconstruction,
            double predicted,
            Map<HookPoint, Double> spread) {
        int[] from = new int[parts.size()];
        for (int p = 1; p < from.length; p++) {
            from[p] = from[p - 1] + taken[p - 1];
        }
        List<Map<Judge.Kind, Judge.Term>> judged = new ArrayList<>();
        parts.forEach(_ -> judged.add(Map.of()));
        model.sideBySide(
                parts.size(), p -> judged.set(p, parts.get(p).judge(reconstruction, from[p], taken[p], spread)));
        List<Judge.Term> terms = new ArrayList<>();
        for (Judge.Kind kind : kinds) {
            double scale = kind == Judge.Kind.MSE ? 1 : 1 / predicted;
            Matrix gradient = Matrix.zeros(reconstruction.rows(), reconstruction.cols());
            double loss = 0;
            for (int p = 0; p < from.length; p++) {
                Judge.Term own = Objects.requireNonNull(judged.get(p).get(kind));
                loss += own.loss();
                for (int i = 0; i < taken[p] * gradient.cols(); i++) {
                    gradient.data()[gradient.offset(from[p]) + i] =
                            (float) (scale * own.gradient().data()[i]);
                }
            }
            terms.add(new Judge.Term(kind, scale * loss, gradient));
        }
        return terms;
    }
}
