package org.loupe.lm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint.Site;
import org.loupe.tensor.Matrix;

/**
 * A language model with hook points.
 *
 * <p>Tensors that a method returns belong to the caller's {@code PointerScope} where there is one, otherwise to the caller, who
 * closes them. Calls from several threads take turns.
 */
public final class LanguageModel implements AutoCloseable {
    /** Tokens that go through the model together: enough for products to be efficient, few enough for their rows to stay in the cache. */
    public static final int PART_TOKENS = 512;

    /** Bound where what the calling thread records leaves attention patterns and norms' factors constant. */
    private static final ScopedValue<MlpRule> FROZEN = ScopedValue.newInstance();

    private final ModelInfo info;
    private final Architecture architecture;
    private final Precision precision;
    private final Transformer transformer;
    private final Tokenizer tokenizer;
    private final Lanes lanes;
    private final Turns turns;

    private LanguageModel(
            ModelInfo info,
            Architecture architecture,
            Precision precision,
            Transformer transformer,
            Tokenizer tokenizer,
            Lanes lanes) {
        this.info = info;
        this.architecture = architecture;
        this.precision = precision;
        this.transformer = transformer;
        this.tokenizer = tokenizer;
        this.lanes = lanes;
        this.turns = new Turns(lanes);
    }

    /**
     * Reads a model.
     *
     * @param threads what libtorch may use in this process, for all models in it
     * @throws BadInput for files that are no model, or not one of a supported family
     */
    public static LanguageModel load(ModelFiles files, Precision precision, int threads) {
        try (Checkpoint checkpoint = Checkpoint.open(files)) {
            Architecture a = checkpoint.architecture();
            Tokenizer tokenizer = checkpoint.tokenizer();
            try {
                return new LanguageModel(
                        ModelInfo.of(files.name(), checkpoint.sha256(), a),
                        a,
                        precision,
                        new Transformer(checkpoint, precision),
                        tokenizer,
                        new Lanes(threads));
            } catch (RuntimeException e) {
                tokenizer.close();
                throw e;
            }
        }
    }

    public ModelInfo info() {
        return info;
    }

    /** The precision that the model was loaded in. */
    public Precision precision() {
        return precision;
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** Every hook point, in the order of a forward pass. */
    public List<HookPoint> hookPoints() {
        List<HookPoint> points = new ArrayList<>();
        points.add(HookPoint.embed());
        for (int block = 0; block < architecture.layers(); block++) {
            for (Site site : Site.values()) {
                if (site != Site.EMBED) {
                    points.add(new HookPoint(block, site));
                }
            }
        }
        return points;
    }

    /** Width of the rows at a hook point; refuses one that this model does not have. */
    public int width(HookPoint point) {
        if (point.block() >= architecture.layers()) {
            throw new BadInput("hook point " + point + ": " + info.name() + " has blocks 0 to "
                    + (architecture.layers() - 1) + "; the nearest is "
                    + new HookPoint(architecture.layers() - 1, point.site()));
        }
        return switch (point.site()) {
            case EMBED, RESID_PRE, LN1_NORMALIZED, ATTN_OUT, RESID_MID, LN2_NORMALIZED, MLP_OUT, RESID_POST ->
                architecture.width();
            case ATTN_Z -> architecture.heads() * architecture.headWidth();
            case MLP_POST -> architecture.mlpWidth();
        };
    }

    /** The MLP of a block, in f32. */
    public MlpWeights mlp(int block) {
        width(new HookPoint(block, Site.MLP_OUT));
        return turns.take(() -> transformer.mlp(block));
    }

    /** Logits {@code [sequences, length, vocabulary]}, f32. */
    public Tensor logits(TokenBatch batch, Map<HookPoint, Hook> hooks) {
        return turns.take(() -> Tensors.escaping(() -> {
            try (Pass pass = pass(hooks)) {
                Tensor start = embedded(batch, pass);
                return unembedded(pass.run(HookPoint.embed(), start, plan(batch), null, null, Turns.recording()));
            }
        }));
    }

    /** Runs the hooks and stops after the last one. */
    public void runTo(TokenBatch batch, Map<HookPoint, Hook> hooks) {
        if (hooks.isEmpty()) {
            return;
        }
        HookPoint last = Collections.max(hooks.keySet());
        turns.take(() -> {
            try (PointerScope _ = new PointerScope();
                    Pass pass = pass(hooks)) {
                Tensor start = embedded(batch, pass);
                return pass.run(HookPoint.embed(), start, plan(batch), last, null, Turns.recording());
            }
        });
    }

    /**
     * Logits {@code [sequences, length, vocabulary]}, f32, of a run that starts with given rows {@code [sequences, length,
     * width]} at a residual-stream hook point; only hooks after it are called. The batch says which tokens see which.
     */
    public Tensor logitsFrom(HookPoint from, Tensor rows, TokenBatch batch, Map<HookPoint, Hook> hooks) {
        requireStart(from, rows, batch);
        return turns.take(() -> Tensors.escaping(() -> {
            try (Pass pass = pass(hooks)) {
                return unembedded(pass.run(from, transformer.input(rows), plan(batch), null, null, Turns.recording()));
            }
        }));
    }

    /**
     * A run from given rows at a residual-stream hook point on, kept so that ends of its sequences can run again. Within {@link
     * #withGradients} its residual stream is recorded; what is kept for the ends is not.
     *
     * @param rows {@code [sequences, length, width]}; it and what is returned belong to the caller's {@code PointerScope}
     * @param hooks for hook points after {@code from}; ends run without them
     */
    public KeptRun keep(HookPoint from, Tensor rows, TokenBatch batch, Map<HookPoint, Hook> hooks) {
        requireStart(from, rows, batch);
        return turns.take(() -> {
            Tensor start = transformer.input(rows);
            KeyValueCache cache = new KeyValueCache(architecture, batch.sequences(), batch.length());
            KeyValues keeping = (block, key, value) -> {
                cache.with(block, key.detach(), value.detach());
                return new KeyValues.Pair(key, value);
            };
            Tensor residual = residual(from, start, plan(batch), keeping, hooks);
            return new KeptRun(this, batch, from, start.detach(), cache, residual);
        });
    }

    /** The residual stream after the last block, {@code [s, l, d]}, of a run from a hook point on. */
    Tensor residual(HookPoint from, Tensor start, AttentionPlan plan, KeyValues seen, Map<HookPoint, Hook> hooks) {
        return turns.take(() -> Tensors.escaping(() -> {
            try (Pass pass = pass(hooks)) {
                // A handle of our own: the run frees its own when it closes.
                return new Tensor(pass.run(from, transformer.input(start), plan, null, seen, Turns.recording()));
            }
        }));
    }

    Architecture architecture() {
        return architecture;
    }

    private void requireStart(HookPoint from, Tensor rows, TokenBatch batch) {
        if (!from.site().isResidual()) {
            throw new BadInput("a run cannot start at " + from + ": it is not the residual stream");
        }
        long[] expected = {batch.sequences(), batch.length(), width(from)};
        if (!Arrays.equals(expected, Tensors.shape(rows))) {
            throw new IllegalArgumentException("rows have shape " + Arrays.toString(Tensors.shape(rows)) + ", expected "
                    + Arrays.toString(expected));
        }
    }

    /** The rows at one hook point, {@code [sequences · length × width]}. */
    public Matrix activations(TokenBatch batch, HookPoint point) {
        return activations(batch, List.of(point)).getFirst();
    }

    /** The rows at several hook points of one run, each {@code [sequences · length × width]}, in the order of the points. */
    public List<Matrix> activations(TokenBatch batch, List<HookPoint> points) {
        Map<HookPoint, Matrix> seen = new HashMap<>();
        Map<HookPoint, Hook> hooks = new HashMap<>();
        points.forEach(point -> hooks.put(point, (at, rows) -> {
            seen.put(at, Tensors.matrix(rows));
            return rows;
        }));
        runTo(batch, hooks);
        return points.stream().map(seen::get).map(Objects::requireNonNull).toList();
    }

    /** Final norm and unembedding of residual-stream rows {@code [..., width]}: logits {@code [..., vocabulary]}, f32. */
    public Tensor unembed(Tensor residual) {
        return turns.take(() -> Tensors.escaping(() -> unembedded(transformer.input(residual))));
    }

    private Tensor unembedded(Tensor residual) {
        if (Turns.recording()) {
            return current().unembed(residual);
        }
        long[] shape = Tensors.shape(residual);
        Tensor rows = residual.reshape(-1, architecture.width());
        shape[shape.length - 1] = architecture.vocabulary();
        Tensor out = torch.empty(rows.size(0), architecture.vocabulary());
        int each = PART_TOKENS;
        lanes.run(Math.toIntExact((rows.size(0) + each - 1) / each), part -> {
            long first = (long) part * each;
            long count = Math.min(each, rows.size(0) - first);
            try (PointerScope _ = new PointerScope()) {
                transformer.unembed(rows.narrow(0, first, count), out.narrow(0, first, count));
            }
        });
        return out.view(shape);
    }

    /**
     * The tokens that directions in the residual stream promote and suppress most, by the direct path to the output:
     * score(t) = ⟨w ⊙ d, U_t⟩ with w the final norm's gain and U the unembedding; the norm's division is left out, as it is
     * one positive factor for all tokens.
     *
     * @param directions {@code [count × width]}
     * @param top how many tokens at either end
     */
    public LogitLens logitLens(Matrix directions, int top) {
        directions.requireCols(architecture.width(), "logitLens");
        return turns.take(() -> {
            try (PointerScope _ = new PointerScope()) {
                Tensor scores = transformer.directScores(Tensors.tensor(directions)); // [count, vocabulary]
                T_TensorTensor_T promoted = torch.topk(scores, top, 1, true, true);
                T_TensorTensor_T suppressed = torch.topk(scores, top, 1, false, true);
                return new LogitLens(
                        top,
                        Tensors.ints(promoted.get1()),
                        Tensors.floats(promoted.get0()),
                        Tensors.ints(suppressed.get1()),
                        Tensors.floats(suppressed.get0()));
            }
        });
    }

    /**
     * A continuation, token by token, with a key-value cache.
     *
     * @param hooksFrom hooks for rows that begin at a position: all of the prompt's at 0, then one row for each token written
     * @param stop ids after which nothing is written
     */
    public Continuation generate(
            int[] prompt, int count, IntFunction<Map<HookPoint, Hook>> hooksFrom, Sampler sampler, Set<Integer> stop) {
        if (prompt.length == 0 || prompt.length + count > architecture.context()) {
            throw new BadInput("a prompt of " + prompt.length + " tokens and " + count
                    + " more: expected at least 1 and at most " + architecture.context() + " in all");
        }
        return turns.take(() -> {
            try (PointerScope _ = new PointerScope()) {
                KeyValueCache cache = new KeyValueCache(architecture, 1, prompt.length + count);
                int[] ids = new int[count];
                float[] logProbabilities = new float[count];
                int written = 0;
                while (written < count && (written == 0 || !stop.contains(ids[written - 1]))) {
                    int[] next = written == 0 ? prompt : new int[] {ids[written - 1]};
                    int position = written == 0 ? 0 : prompt.length + written - 1;
                    float[] p = nextToken(next, position, cache, hooksFrom.apply(position));
                    ids[written] = sampler.next(p);
                    logProbabilities[written] = p[ids[written]];
                    written++;
                }
                return new Continuation(Arrays.copyOf(ids, written), Arrays.copyOf(logProbabilities, written));
            }
        });
    }

    /** log p of every next token. */
    private float[] nextToken(int[] tokens, int position, KeyValueCache cache, Map<HookPoint, Hook> hooks) {
        try (PointerScope _ = new PointerScope();
                Pass pass = pass(hooks)) {
            TokenBatch batch = TokenBatch.of(tokens);
            AttentionPlan plan = position == 0 ? plan(batch) : AttentionPlan.next(position, architecture);
            Tensor residual = pass.run(HookPoint.embed(), embedded(batch, pass), plan, null, cache, Turns.recording());
            Tensor last = residual.narrow(1, tokens.length - 1L, 1); // [1, 1, d]
            return Tensors.floats(transformer.unembed(last).log_softmax(2));
        }
    }

    /** Runs a body in which the model's calls record what backward needs; outside of it they do not. */
    public <T> T withGradients(Supplier<T> body) {
        return turns.recorded(body);
    }

    /**
     * As {@link #withGradients}, with attention patterns and the norms' factors 1 / √(mean(x²) + ε) as constants to backward. What
     * is left between two hook points is linear but for the MLPs.
     */
    public <T> T withFrozenGradients(MlpRule rule, Supplier<T> body) {
        return ScopedValue.where(FROZEN, rule).call(() -> withGradients(body));
    }

    /**
     * Runs tasks 0 to count − 1, each alone on a thread that libtorch's operators do not leave, as many at a time as the model
     * has threads. What a task asks of this model runs on its own thread. A task's result does not depend on the number of
     * threads. The first failure is thrown when all have ended. A task may
     * ask for tasks in turn, which then run on its thread.
     */
    public void sideBySide(int count, IntConsumer task) {
        turns.sideBySide(count, task);
    }

    private Pass pass(Map<HookPoint, Hook> hooks) {
        hooks.keySet().forEach(this::width);
        return new Pass(current(), lanes, hooks);
    }

    private Transformer current() {
        return FROZEN.isBound() ? transformer.frozen(FROZEN.get()) : transformer;
    }

    private AttentionPlan plan(TokenBatch batch) {
        if (batch.length() > architecture.context()) {
            throw new BadInput("rows of " + batch.length() + " tokens: " + info.name() + " takes at most "
                    + architecture.context());
        }
        return AttentionPlan.of(batch, architecture);
    }

    private Tensor embedded(TokenBatch batch, Pass pass) {
        for (int id : batch.ids()) {
            if (id < 0 || id >= architecture.vocabulary()) {
                throw new BadInput(
                        "token id " + id + ": " + info.name() + " has ids 0 to " + (architecture.vocabulary() - 1));
            }
        }
        Tensor ids = Tensors.tensor(batch.ids(), batch.sequences(), batch.length());
        return pass.hooked(HookPoint.embed(), transformer.embedding(ids));
    }

    @Override
    public void close() {
        lanes.close();
        transformer.close();
        tokenizer.close();
    }
}
