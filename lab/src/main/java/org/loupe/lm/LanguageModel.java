package org.loupe.lm;

import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.loupe.tensor.Matrix;

/**
 * A language model with hook points.
 *
 * <p>Tensors that a method returns belong to the caller's {@code PointerScope} where there is one, otherwise to the caller, who
 * closes them. Calls from several threads take turns.
 */
@SuppressWarnings("DoNotCallSuggester") // bodies follow
public final class LanguageModel implements AutoCloseable {
    private LanguageModel() {}

    /** Reads a model. {@code threads} is what libtorch may use in this process. */
    public static LanguageModel load(ModelFiles files, Precision precision, int threads) {
        throw new UnsupportedOperationException(files.name() + precision + threads);
    }

    public ModelInfo info() {
        throw new UnsupportedOperationException("info");
    }

    /** The precision that the model was loaded in. */
    public Precision precision() {
        return precision;
    }

    public Tokenizer tokenizer() {
        throw new UnsupportedOperationException("tokenizer");
    }

    /** Every hook point, in the order of a forward pass. */
    public List<HookPoint> hookPoints() {
        throw new UnsupportedOperationException("hookPoints");
    }

    /** Width of the rows at a hook point; refuses one that this model does not have. */
    public int width(HookPoint point) {
        throw new UnsupportedOperationException(point.toString());
    }

    /** Logits {@code [sequences, length, vocabulary]}, f32. */
    public Tensor logits(TokenBatch batch, Map<HookPoint, Hook> hooks) {
        throw new UnsupportedOperationException(batch.toString() + hooks);
    }

    /** Runs the hooks and stops after the last one. */
    public void runTo(TokenBatch batch, Map<HookPoint, Hook> hooks) {
        throw new UnsupportedOperationException(batch.toString() + hooks);
    }

    /** Logits of a run that starts with given rows at a residual-stream hook point; only hooks after it are called. */
    public Tensor logitsFrom(HookPoint from, Tensor rows, TokenBatch batch, Map<HookPoint, Hook> hooks) {
        throw new UnsupportedOperationException(from.toString() + rows + batch + hooks);
    }

    /** The rows at one hook point, {@code [sequences · length × width]}. */
    public Matrix activations(TokenBatch batch, HookPoint point) {
        throw new UnsupportedOperationException(batch.toString() + point);
    }

    /** Final norm and unembedding of residual-stream rows {@code [..., width]}: logits {@code [..., vocabulary]}, f32. */
    public Tensor unembed(Tensor residual) {
        throw new UnsupportedOperationException(residual.toString());
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
        throw new UnsupportedOperationException(directions.toString() + top);
    }

    /**
     * Tokens and scores at either end, row by row.
     *
     * @param top tokens a row at either end
     * @param promoted {@code [count × top]} token ids, largest score first
     * @param promotedScores their scores
     * @param suppressed {@code [count × top]} token ids, smallest score first
     * @param suppressedScores their scores
     */
    public record LogitLens(
            int top, int[] promoted, float[] promotedScores, int[] suppressed, float[] suppressedScores) {}

    /**
     * The most likely continuation, token by token, with a key-value cache. Hooks see the prompt's rows once and then one row
     * for each token generated.
     *
     * @return {@code count} token ids
     */
    public int[] generate(int[] prompt, int count, Map<HookPoint, Hook> hooks) {
        throw new UnsupportedOperationException(prompt.length + "" + count + hooks);
    }

    /** Runs a body in which the model's calls record what backward needs; outside of it they do not. */
    public <T> T withGradients(Supplier<T> body) {
        throw new UnsupportedOperationException(body.toString());
    }

    @Override
    public void close() {}
}
