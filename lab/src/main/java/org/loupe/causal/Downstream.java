package org.loupe.causal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.loupe.activations.ActivationStore;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
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
        if (!made.modelSha256().equals(model.info().sha256())) {
            throw BadInput.in(
                    store.folder(),
                    "was made with model '" + made.model() + "' (sha256 " + made.modelSha256()
                            + "), the model given is '" + model.info().name() + "' (sha256 "
                            + model.info().sha256() + ")");
        }
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

    /** Some sequences with what the model as it is makes of them. */
    private final class Part {
        private final TokenBatch tokens;
        private final int[] predicting;
        private List<Matrix> read = List.of();
        private Matrix stream = Matrix.zeros(0, 0);
        private final Map<HookPoint, Matrix> clean = new HashMap<>();
        private float[] logProbabilities = new float[0]; // [predicting.length, vocabulary]
        private int[] rows = new int[0];

        Part(TokenBatch tokens) {
            this.tokens = tokens;
            this.predicting = Positions.predicting(tokens);
        }

        void run() {
            try (PointerScope _ = new PointerScope()) {
                Map<HookPoint, Matrix> seen = new HashMap<>();
                Map<HookPoint, Hook> hooks = new HashMap<>();
                List<HookPoint> wanted = new ArrayList<>(points.hooks());
                wanted.add(points.start());
                wanted.addAll(later);
                wanted.forEach(point -> hooks.put(point, (at, rows) -> {
                    seen.put(at, Tensors.matrix(rows));
                    return rows;
                }));
                Tensor logits = model.logits(tokens, hooks).flatten(0, 1);
                if (kinds.contains(Judge.Kind.KL)) {
                    logProbabilities = Tensors.floats(predicted(logits).log_softmax(1));
                }
                read = points.hooks().stream()
                        .map(seen::get)
                        .map(Objects::requireNonNull)
                        .toList();
                stream = Objects.requireNonNull(seen.get(points.start()));
                later.forEach(point -> clean.put(point, Objects.requireNonNull(seen.get(point))));
                rows = Positions.replaced(tokens, read, points.normLimits());
            }
        }

        private Tensor predicted(Tensor ofTokens) {
            return ofTokens.index_select(0, Tensors.tensor(predicting, predicting.length));
        }

        /** Gradients of each kind's sum over this part at its first {@code taken} rows, and the sums. */
        Map<Judge.Kind, Judge.Term> judge(Matrix reconstruction, int from, int taken, Map<HookPoint, Double> spread) {
            HookPoint written = points.replaced().getFirst();
            Matrix spliced = read.getLast();
            Matrix on =
                    new Matrix(spliced.rows(), spliced.cols(), spliced.data().clone());
            for (int i = 0; i < taken; i++) {
                System.arraycopy(
                        reconstruction.data(),
                        reconstruction.offset(from + i),
                        on.data(),
                        on.offset(rows[i]),
                        on.cols());
            }
            Map<Judge.Kind, Judge.Term> terms = new EnumMap<>(Judge.Kind.class);
            for (Judge.Kind kind : kinds) {
                try (PointerScope _ = new PointerScope()) {
                    Tensor leaf = tensor(on).set_requires_grad(true);
                    List<Tensor> errors = new ArrayList<>();
                    double value = model.withGradients(() -> {
                        Tensor sum = loss(kind, leaf, written, spread, errors);
                        sum.backward();
                        return sum.item_double();
                    });
                    errors.forEach(Tensor::releaseReference);
                    terms.put(kind, new Judge.Term(kind, value, gathered(Tensors.matrix(leaf.grad()), taken)));
                }
            }
            return terms;
        }

        private Matrix gathered(Matrix gradient, int taken) {
            return Positions.gather(gradient, Arrays.copyOf(rows, taken));
        }

        private Tensor tensor(Matrix rows) {
            return Tensors.tensor(rows.data(), tokens.sequences(), tokens.length(), rows.cols());
        }

        /** @param errors receives what hooks keep of a run, for the caller to release */
        private Tensor loss(
                Judge.Kind kind, Tensor leaf, HookPoint written, Map<HookPoint, Double> spread, List<Tensor> errors) {
            Map<HookPoint, Hook> hooks = new HashMap<>();
            boolean starts = points.start().equals(written);
            if (!starts) {
                hooks.put(written, (_, _) -> leaf);
            }
            if (kind == Judge.Kind.MSE) {
                for (HookPoint point : later) {
                    hooks.put(point, (at, rows) -> {
                        Matrix before = Objects.requireNonNull(clean.get(at));
                        int[] judged = IntStream.range(0, tokens.size())
                                .filter(i -> Positions.isDocument(tokens, i))
                                .toArray();
                        Tensor which = Tensors.tensor(judged, judged.length);
                        Tensor difference = rows.flatten(0, 1)
                                .index_select(0, which)
                                .to(torch.ScalarType.Float)
                                .sub(Tensors.tensor(before).index_select(0, which));
                        double scale = 1 / (later.size() * Objects.requireNonNull(spread.get(at)));
                        errors.add(Tensors.keep(difference.square().sum().mul(new Scalar(scale))));
                        return rows;
                    });
                }
            }
            Tensor start = starts ? leaf : tensor(stream);
            Tensor logits =
                    model.logitsFrom(points.start(), start, tokens, hooks).flatten(0, 1);
            return switch (kind) {
                case MSE ->
                    torch.stack(new TensorVector(errors.toArray(Tensor[]::new))).sum();
                case CE -> {
                    int[] targets = Arrays.stream(predicting)
                            .map(i -> tokens.ids()[i + 1])
                            .toArray();
                    yield predicted(logits)
                            .log_softmax(1)
                            .gather(1, Tensors.tensor(targets, targets.length, 1))
                            .sum()
                            .neg();
                }
                case KL -> {
                    Tensor p = Tensors.tensor(
                            logProbabilities,
                            predicting.length,
                            logProbabilities.length / Math.max(1, predicting.length));
                    yield p.exp().mul(p.sub(predicted(logits).log_softmax(1))).sum();
                }
            };
        }
    }

    @Override
    public Batch at(long step) {
        List<Part> parts = new ArrayList<>();
        int found = 0;
        long from = start(step);
        long to = start(step + 1);
        // More sequences than a batch's tokens fill are run where some of their rows are sinks.
        for (int extra = 0; found < batch && extra <= text.size(); extra += SEQUENCES) {
            List<Part> more = parts(from, to);
            model.sideBySide(more.size(), i -> more.get(i).run());
            found += more.stream().mapToInt(part -> part.rows.length).sum();
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
            Part part = parts.get(p);
            taken[p] = Math.min(batch - filled, part.rows.length);
            Matrix all = Matrix.beside(part.read);
            for (int i = 0; i < taken[p]; i++) {
                System.arraycopy(all.data(), all.offset(part.rows[i]), rows.data(), rows.offset(filled + i), width);
            }
            filled += taken[p];
        }
        double predicted =
                parts.stream().mapToInt(part -> part.predicting.length).sum();
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

    private List<Part> parts(long from, long to) {
        List<Part> parts = new ArrayList<>();
        for (long first = from; first < to; first += SEQUENCES) {
            List<TokenBatch> sequences = new ArrayList<>();
            for (long place = first; place < Math.min(to, first + SEQUENCES); place++) {
                sequences.add(text.get(sequence(place)));
            }
            parts.add(new Part(joined(sequences)));
        }
        return parts;
    }

    private int[] order(long pass) {
        int[] drawn = IntStream.range(0, text.size()).toArray();
        SplittableRandom random = new SplittableRandom(seed * 0x9E3779B97F4A7C15L + pass);
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
    private Map<HookPoint, Double> spread(List<Part> parts) {
        Map<HookPoint, Double> spread = new HashMap<>();
        for (HookPoint point : later) {
            double[] mean = new double[model.width(point)];
            double squares = 0;
            long count = 0;
            for (Part part : parts) {
                Matrix h = Objects.requireNonNull(part.clean.get(point));
                for (int row = 0; row < h.rows(); row++) {
                    if (Positions.isDocument(part.tokens, row)) {
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
            List<Part> parts, int[] taken, Matrix reconstruction, double predicted, Map<HookPoint, Double> spread) {
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
