package org.loupe.causal;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.eval.Reconstruction;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/**
 * Replaces the rows at a hook point by what stands in for them, runs the rest of the model, and measures how its next-token
 * predictions change. Attention sinks keep their true rows, see {@link Positions}. At a hook point of the residual stream the
 * model up to there runs once for all replacements.
 */
public final class SpliceEval {
    private final LanguageModel model;
    private final HookPoint hook;
    private final double normLimit;

    /**
     * Splices at a hook point.
     *
     * @param normLimit rows with a larger norm keep their true values; 0 for no limit
     */
    public SpliceEval(LanguageModel model, HookPoint hook, double normLimit) {
        this.model = model;
        this.hook = hook;
        this.normLimit = normLimit;
    }

    /**
     * Measures replacements side by side, on the same rows and tokens.
     *
     * @param batches tokens; memory grows with the largest: f32 logits of all its tokens stand in memory two or three times
     * @param replacements what to put in, by name
     * @throws BadInput when no token of the batches is predicted from its own document
     */
    public SpliceResult run(List<TokenBatch> batches, Map<String, Reconstruction> replacements, Progress progress) {
        Map<String, SpliceSums> sums = new LinkedHashMap<>();
        replacements.keySet().forEach(name -> sums.put(name, new SpliceSums()));
        SpliceSums clean = new SpliceSums();
        long replaced = 0;
        long total = batches.stream().mapToLong(TokenBatch::size).sum();
        long done = 0;
        for (TokenBatch batch : batches) {
            Matrix x = model.activations(batch, hook);
            int[] rows = Positions.replaced(batch, x, normLimit);
            int[] at = Positions.predicting(batch);
            if (at.length > 0) {
                compare(batch, x, rows, at, replacements, clean, sums);
                replaced += rows.length;
            }
            done += batch.size();
            progress.at("splice", done, total);
        }
        if (clean.tokens() == 0) {
            throw new BadInput("the text has no two tokens in a row of one document: nothing to predict");
        }
        Map<String, SpliceResult.Effect> effects = new LinkedHashMap<>();
        sums.forEach((name, sum) -> effects.put(name, sum.effect()));
        return new SpliceResult(clean.ceClean(), effects, clean.tokens(), clean.sequences(), replaced);
    }

    private void compare(
            TokenBatch batch,
            Matrix x,
            int[] rows,
            int[] at,
            Map<String, Reconstruction> replacements,
            SpliceSums cleanSums,
            Map<String, SpliceSums> sums) {
        int[] targets = Arrays.stream(at).map(i -> batch.ids()[i + 1]).toArray();
        int[] sequence = Arrays.stream(at).map(i -> i / batch.length()).toArray();
        Matrix kept = gather(x, rows);
        try (PointerScope _ = new PointerScope()) {
            Tensor clean = Tensors.escaping(() -> logits(batch, x, at, null).log_softmax(1));
            cleanSums.add(NextTokens.compare(clean, clean, targets), sequence);
            replacements.forEach((name, replacement) -> {
                Matrix out = Matrix.zeros(kept.rows(), kept.cols());
                replacement.apply(kept, out);
                try (PointerScope _ = new PointerScope()) {
                    Tensor other = logits(batch, x, at, scatter(x, rows, out));
                    SpliceSums sum = sums.get(name);
                    if (sum != null) {
                        sum.add(NextTokens.compare(clean, other, targets), sequence);
                    }
                }
            });
        }
    }

    /** Logits [at.length, vocabulary] of a run with other rows at the hook point, or of the model as it is. */
    private Tensor logits(TokenBatch batch, Matrix x, int[] at, @Nullable Matrix spliced) {
        return Tensors.escaping(() -> {
            Matrix rows = spliced == null ? x : spliced;
            Tensor given = Tensors.tensor(rows.data(), batch.sequences(), batch.length(), rows.cols());
            Tensor all;
            if (hook.site().isResidual()) {
                all = model.logitsFrom(hook, given, batch, Map.of());
            } else {
                all = model.logits(batch, spliced == null ? Map.of() : Map.of(hook, (_, _) -> given));
            }
            Tensor index = Tensors.tensor(at, at.length);
            return all.reshape(batch.size(), all.size(2)).index_select(0, index);
        });
    }

    private static Matrix gather(Matrix x, int[] rows) {
        Matrix out = Matrix.zeros(rows.length, x.cols());
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(x.data(), x.offset(rows[i]), out.data(), out.offset(i), x.cols());
        }
        return out;
    }

    /** x with some rows replaced; x itself is not modified. */
    private static Matrix scatter(Matrix x, int[] rows, Matrix replacement) {
        Matrix out = new Matrix(x.rows(), x.cols(), x.data().clone());
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(replacement.data(), replacement.offset(i), out.data(), out.offset(rows[i]), x.cols());
        }
        return out;
    }
}
