package org.loupe.causal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.KeptRun;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
import org.loupe.train.Judge;

/** Some sequences with what the model as it is makes of them. */
final class JudgedPart {
    /**
     * What all parts share.
     *
     * @param points where the SAE is; one hook point is replaced
     * @param kinds what is judged
     * @param later hook points at which the error is judged
     */
    record Setting(LanguageModel model, SplicePoints points, List<Judge.Kind> kinds, List<HookPoint> later) {}

    private final Setting setting;
    private final TokenBatch tokens;
    private final int[] predicting;
    private List<Matrix> read = List.of();
    private Matrix stream = Matrix.zeros(0, 0);
    private final Map<HookPoint, Matrix> clean = new HashMap<>();
    private float[] cleanLogProbabilities = new float[0]; // [predicting, vocabulary], where KL is judged
    private int[] rows = new int[0];

    JudgedPart(Setting setting, TokenBatch tokens) {
        this.setting = setting;
        this.tokens = tokens;
        this.predicting = tokens.predicting();
    }

    /** Runs the model as it is. */
    void run() {
        try (PointerScope _ = new PointerScope()) {
            Map<HookPoint, Matrix> seen = new HashMap<>();
            Map<HookPoint, Hook> hooks = new HashMap<>();
            List<HookPoint> wanted = new ArrayList<>(setting.points().hooks());
            wanted.add(setting.points().start());
            wanted.addAll(setting.later());
            wanted.forEach(point -> hooks.put(point, (at, rows) -> {
                seen.put(at, Tensors.matrix(rows));
                return rows;
            }));
            Tensor logits = setting.model().logits(tokens, hooks).flatten(0, 1);
            if (setting.kinds().contains(Judge.Kind.KL)) {
                Tensor at = logits.index_select(0, Tensors.tensor(predicting, predicting.length));
                cleanLogProbabilities = Tensors.floats(at.log_softmax(1));
            }
            read = setting.points().hooks().stream()
                    .map(seen::get)
                    .map(Objects::requireNonNull)
                    .toList();
            stream = Objects.requireNonNull(seen.get(setting.points().start()));
            setting.later().forEach(point -> clean.put(point, Objects.requireNonNull(seen.get(point))));
            rows = Positions.replaced(tokens, read, setting.points().normLimits());
        }
    }

    TokenBatch tokens() {
        return tokens;
    }

    /** Places that predict a token of their own document. */
    int[] predicting() {
        return predicting;
    }

    /** Rows that may be replaced. */
    int[] rows() {
        return rows;
    }

    /** The rows that the SAE reads, and behind them those that it writes where they are others; [tokens × width] each. */
    List<Matrix> read() {
        return read;
    }

    /** The rows at a later hook point. */
    Matrix clean(HookPoint point) {
        return Objects.requireNonNull(clean.get(point));
    }

    /** Gradients of each kind's sum over this part at its first {@code taken} rows, and the sums. */
    Map<Judge.Kind, Judge.Term> judge(Matrix reconstruction, int from, int taken, Map<HookPoint, Double> spread) {
        HookPoint written = setting.points().replaced().getFirst();
        Matrix spliced = read.getLast();
        Matrix on = new Matrix(spliced.rows(), spliced.cols(), spliced.data().clone());
        for (int i = 0; i < taken; i++) {
            System.arraycopy(
                    reconstruction.data(), reconstruction.offset(from + i), on.data(), on.offset(rows[i]), on.cols());
        }
        Map<Judge.Kind, Judge.Term> terms = new EnumMap<>(Judge.Kind.class);
        for (Judge.Kind kind : setting.kinds()) {
            try (PointerScope _ = new PointerScope()) {
                Tensor leaf = tensor(on).set_requires_grad(true);
                double value = setting.model().withGradients(() -> switch (kind) {
                    case MSE -> later(leaf, written, spread);
                    case CE -> output(new OutputLoss.CrossEntropy(), leaf, written);
                    case KL -> output(new OutputLoss.KullbackLeibler(), leaf, written);
                });
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

    /** The error at later hook points; the gradient goes to the leaf. */
    private double later(Tensor leaf, HookPoint written, Map<HookPoint, Double> spread) {
        List<Tensor> errors = new ArrayList<>();
        Map<HookPoint, Hook> hooks = new HashMap<>();
        for (HookPoint point : setting.later()) {
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
                double scale = 1 / (setting.later().size() * Objects.requireNonNull(spread.get(at)));
                errors.add(Tensors.keep(difference.square().sum().mul(new Scalar(scale))));
                return rows;
            });
        }
        run(leaf, written, hooks);
        Tensor sum =
                torch.stack(new TensorVector(errors.toArray(Tensor[]::new))).sum();
        sum.backward();
        errors.forEach(Tensor::releaseReference);
        return sum.item_double();
    }

    /** A loss of the output; the gradient goes to the leaf. */
    private double output(OutputLoss loss, Tensor leaf, HookPoint written) {
        Tensor residual = run(leaf, written, new HashMap<>()).residual();
        int[] judged = loss.judged(tokens);
        Tensor logits =
                setting.model().unembed(residual.flatten(0, 1).index_select(0, Tensors.tensor(judged, judged.length)));
        Tensor p = logits.detach().log_softmax(1);
        Tensor asItIs =
                cleanLogProbabilities.length == 0 ? p : Tensors.tensor(cleanLogProbabilities, judged.length, p.size(1));
        logits.backward(loss.slope(tokens, p, asItIs), new BoolOptional(), false, new TensorArrayRefOptional());
        return loss.value(tokens, p, asItIs);
    }

    /** @param hooks to which that which puts the leaf in place is added */
    private KeptRun run(Tensor leaf, HookPoint written, Map<HookPoint, Hook> hooks) {
        HookPoint start = setting.points().start();
        if (start.equals(written)) {
            return setting.model().keep(start, leaf, tokens, hooks);
        }
        hooks.put(written, (_, _) -> leaf);
        return setting.model().keep(start, tensor(stream), tokens, hooks);
    }
}
