package org.loupe.harvest;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.loupe.activations.GradientLoss;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/**
 * The rows x at a hook point and g = ∂/∂x Σ_i −log p_i(label_i), i over the tokens of a row of the plan whose next token is of the
 * same document. Since documents do not see each other, a row's g is that of its own document's sum; it is 0 at a document's last token.
 *
 * <p>The derivative by the logits is known, p_i − 1_label, so backward begins there and no loss is computed. Labels that are
 * drawn are {@link DrawnLabels}.
 */
public final class LossGradients implements Forward {
    private final LanguageModel model;
    private final HookPoint hook;
    private final GradientLoss loss;
    private final DrawnLabels labels;

    /** @param seed of the labels that are drawn */
    public LossGradients(LanguageModel model, HookPoint hook, GradientLoss loss, long seed) {
        this.model = model;
        this.hook = hook;
        this.loss = loss;
        this.labels = new DrawnLabels(seed);
    }

    @Override
    public Rows of(TokenBatch batch, int firstRow) {
        Matrix x = Matrix.zeros(batch.size(), model.width(hook));
        Matrix g = Matrix.zeros(batch.size(), model.width(hook));
        // The parts of a run without gradients: the rows are the same bits.
        int each = Math.max(1, LanguageModel.PART_TOKENS / batch.length());
        model.sideBySide((batch.sequences() + each - 1) / each, part -> {
            int first = part * each;
            TokenBatch some = batch.rows(first, Math.min(each, batch.sequences() - first));
            model.withGradients(() -> {
                run(some, firstRow + first, x, g, first * batch.length());
                return null;
            });
        });
        return new Rows(List.of(x), g);
    }

    private void run(TokenBatch some, int firstRow, Matrix x, Matrix g, int at) {
        Tensor[] leaf = new Tensor[1];
        try (PointerScope _ = new PointerScope()) {
            Tensor logits = model.logits(some, Map.of(hook, (_, rows) -> {
                // Nothing before the hook point has a gradient, so nothing before it is recorded.
                leaf[0] = Tensors.keep(rows.detach().clone().set_requires_grad(true));
                return leaf[0];
            }));
            Tensor slope = logits.detach().softmax(2).contiguous(); // [s, l, v]
            toSlopes(slope, some, (long) firstRow * some.length());
            logits.backward(slope, new BoolOptional(), false, new TensorArrayRefOptional());
            Tensor rows = Objects.requireNonNull(leaf[0]);
            copy(rows, x, at);
            copy(rows.grad(), g, at);
        } finally {
            if (leaf[0] != null) {
                leaf[0].close();
            }
        }
    }

    private static void copy(Tensor rows, Matrix out, int at) {
        Matrix some = Tensors.matrix(rows);
        some.copyColumns(0, some.cols(), out, at, 0);
    }

    /** p − 1_label at the places that predict, 0 at the others; p is overwritten. */
    private void toSlopes(Tensor p, TokenBatch some, long firstPlace) {
        MemorySegment memory = Tensors.bytes(p);
        int vocabulary = Math.toIntExact(p.size(2));
        float[] row = new float[vocabulary];
        int[] predicting = some.predicting();
        int next = 0;
        for (int i = 0; i < some.size(); i++) {
            long bytes = (long) i * vocabulary * Float.BYTES;
            if (next == predicting.length || predicting[next] != i) {
                memory.asSlice(bytes, (long) vocabulary * Float.BYTES).fill((byte) 0);
                continue;
            }
            next++;
            int label = switch (loss) {
                case KL -> {
                    MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT, bytes, row, 0, vocabulary);
                    yield labels.of(row, firstPlace + i);
                }
                case CE -> some.ids()[i + 1];
            };
            long place = bytes + (long) label * Float.BYTES;
            memory.set(ValueLayout.JAVA_FLOAT, place, memory.get(ValueLayout.JAVA_FLOAT, place) - 1);
        }
    }
}
