package org.loupe.trace;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.MlpRule;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

/**
 * One run of a prompt with the tape of backward kept, cut at the embeddings and at every row that an SAE stands for: what comes
 * before a cut reaches what comes after it only through the cut's own rows, the <em>leaves</em>. Rows keep their values, so the run is
 * the model's own. Attention patterns and norms' factors are constants; of an MLP that no transcoder stands for, backward makes what the
 * {@link MlpRule} says.
 *
 * <p>The batch is the prompt several times over, so that one backward serves as many targets. Gradients may be asked for from several
 * threads at once.
 */
final class FrozenRun implements AutoCloseable {
    /** The number of a leaf that is the embeddings; others have their SAE's. */
    static final int EMBEDDING = -1;

    /** Rows of a batch: at 30 blocks with MLPs of 1,536 a tape of about 150 MB. */
    private static final int BATCH_ROWS = 256;

    private final List<TracedSae> saes;
    private final int length;
    private final int copies;
    private final Map<Integer, Tensor> leaves = new HashMap<>(); // [copies, l, d]
    private final Map<Integer, Tensor> read = new HashMap<>(); // by SAE, [copies, l, d in]
    private final Map<Integer, Matrix> written = new HashMap<>();
    private final List<Tensor> kept = new ArrayList<>();
    private @Nullable Tensor logits; // [copies, v]

    /** Runs a prompt on one thread: its products are too small to be worth several threads' waiting for each other. */
    static FrozenRun of(LanguageModel model, List<TracedSae> saes, int[] ids, MlpRule rule) {
        List<FrozenRun> made = new ArrayList<>();
        model.sideBySide(1, _ -> model.withFrozenGradients(rule, () -> made.add(new FrozenRun(model, saes, ids))));
        return made.getFirst();
    }

    private FrozenRun(LanguageModel model, List<TracedSae> saes, int[] ids) {
        this.saes = saes;
        this.length = ids.length;
        this.copies = Math.max(1, BATCH_ROWS / length);
        int[] repeated = new int[copies * length];
        for (int i = 0; i < repeated.length; i++) {
            repeated[i] = ids[i % length];
        }
        HookPoint end = HookPoint.residPost(model.info().layers() - 1);
        Map<HookPoint, Hook> hooks = new HashMap<>();
        hooks.put(HookPoint.embed(), this::pass);
        saes.forEach(sae -> {
            hooks.put(sae.reads(), this::pass);
            hooks.put(sae.writes(), this::pass);
        });
        hooks.put(end, (point, rows) -> {
            Tensor out = pass(point, rows);
            logits = keep(model.unembed(out.narrow(1, length - 1L, 1)).view(copies, -1));
            return out;
        });
        try {
            model.runTo(TokenBatch.causal(repeated, copies, length), hooks);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Reads and cuts at a hook point. */
    private Tensor pass(HookPoint point, Tensor rows) {
        Tensor now = rows;
        if (point.equals(HookPoint.embed())) {
            now = leaf(EMBEDDING, now);
        }
        for (int s = 0; s < saes.size(); s++) {
            TracedSae one = saes.get(s);
            if (point.equals(one.reads())) {
                read.put(s, keep(now));
            }
            if (point.equals(one.writes())) {
                written.put(s, first(now));
                now = cut(s, one.sae(), now);
            }
        }
        return now;
    }

    /** A skip transcoder's W_skip x stays a path of its own beside the leaf. */
    private Tensor cut(int sae, Sae weights, Tensor rows) {
        if (weights.skip() == null) {
            return leaf(sae, rows);
        }
        Tensor past = torch.linear(tape(read, sae), Tensors.tensor(weights.skip()));
        return leaf(sae, rows.sub(past)).add(past);
    }

    private Tensor leaf(int number, Tensor rows) {
        Tensor leaf = keep(rows.detach().set_requires_grad(true));
        leaves.put(number, leaf);
        return leaf;
    }

    private Tensor keep(Tensor tensor) {
        kept.add(Tensors.keep(tensor));
        return tensor;
    }

    private static Tensor tape(Map<Integer, Tensor> tensors, int number) {
        Tensor tensor = tensors.get(number);
        if (tensor == null) {
            throw new IllegalStateException("the run did not reach SAE " + number);
        }
        return tensor;
    }

    private static Matrix first(Tensor rows) {
        try (PointerScope _ = new PointerScope()) {
            return Tensors.matrix(rows.narrow(0, 0, 1));
        }
    }

    /** Targets that one backward serves at most. */
    int copies() {
        return copies;
    }

    /** What an SAE reads, [l × d in]. */
    Matrix read(int sae) {
        return first(tape(read, sae));
    }

    /** The rows at the hook point that an SAE writes, [l × d out]. */
    Matrix written(int sae) {
        return Objects.requireNonNull(written.get(sae));
    }

    /** The rows of a leaf, [l × d]. */
    Matrix leaf(int number) {
        return first(tape(leaves, number));
    }

    /** The logits after the last token. */
    float[] logits() {
        try (PointerScope _ = new PointerScope()) {
            return Tensors.floats(tapeEnd().narrow(0, 0, 1));
        }
    }

    private Tensor tapeEnd() {
        if (logits == null) {
            throw new IllegalStateException("the run did not reach the logits");
        }
        return logits;
    }

    /**
     * Gradients of ⟨c_i, x[p_i]⟩, x what an SAE reads.
     *
     * @param cotangents one c a row, at most {@link #copies} of them
     * @param positions their p
     * @return by leaf that has a direct path there, [targets · l × d]
     */
    Map<Integer, Matrix> ofRead(int sae, Matrix cotangents, int[] positions) {
        int width = cotangents.cols();
        float[] all = new float[copies * length * width];
        for (int i = 0; i < positions.length; i++) {
            System.arraycopy(cotangents.data(), cotangents.offset(i), all, (i * length + positions[i]) * width, width);
        }
        List<Integer> above = sources(sae);
        try (PointerScope _ = new PointerScope()) {
            return gradients(tape(read, sae), Tensors.tensor(all, copies, length, width), above, positions.length);
        }
    }

    /**
     * Gradients of logit t − the mean of all logits, after the last token.
     *
     * @param tokens the t, at most {@link #copies} of them
     * @return by leaf that has a direct path there, [targets · l × d]
     */
    Map<Integer, Matrix> ofLogits(int[] tokens) {
        int v = Math.toIntExact(tapeEnd().size(1));
        float[] all = new float[copies * v];
        for (int i = 0; i < tokens.length; i++) {
            Arrays.fill(all, i * v, (i + 1) * v, -1f / v);
            all[i * v + tokens[i]] += 1;
        }
        try (PointerScope _ = new PointerScope()) {
            return gradients(tapeEnd(), Tensors.tensor(all, copies, v), sources(saes.size()), tokens.length);
        }
    }

    /**
     * The leaves that reach what an SAE reads, or the end, without passing another one.
     *
     * @param sae its number; the number of SAEs for the end
     */
    private List<Integer> sources(int sae) {
        List<Integer> found = new ArrayList<>();
        for (int s = sae - 1; s >= 0; s--) {
            if (sae < saes.size()
                    && saes.get(s).writes().compareTo(saes.get(sae).reads()) > 0) {
                continue;
            }
            found.add(s);
            if (saes.get(s).writes().site().isResidual()) {
                return found;
            }
        }
        found.add(EMBEDDING);
        return found;
    }

    private Map<Integer, Matrix> gradients(Tensor of, Tensor cotangents, List<Integer> numbers, int targets) {
        Tensor[] with = numbers.stream().map(n -> tape(leaves, n)).toArray(Tensor[]::new);
        TensorVector found = torch.grad(
                new TensorVector(of),
                new TensorVector(with),
                new TensorVector(cotangents),
                new BoolOptional(true),
                false,
                true);
        Map<Integer, Matrix> out = new HashMap<>();
        for (int i = 0; i < with.length; i++) {
            Tensor gradient = found.get(i);
            if (gradient.defined()) {
                out.put(numbers.get(i), Tensors.matrix(gradient.narrow(0, 0, targets)));
            }
        }
        return out;
    }

    @Override
    public void close() {
        kept.forEach(Tensor::releaseReference);
        kept.clear();
    }
}
