package org.loupe.causal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.loupe.eval.Evaluation.Progress;
import org.loupe.eval.Reconstruction;
import org.loupe.io.BadInput;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/**
 * Replaces the rows at one or several hook points by what stands in for them, runs the rest of the model, and measures how its
 * next-token predictions change. Attention sinks keep their true rows, see {@link Positions}. Up to the last residual stream before
 * the first hook point that is replaced, the model runs once for all replacements.
 */
public final class SpliceEval {
    private final LanguageModel model;
    private final SplicePoints points;

    public SpliceEval(LanguageModel model, SplicePoints points) {
        this.model = model;
        this.points = points;
    }

    /** Told what a replacement does to each token of a batch. */
    @FunctionalInterface
    public interface TokenSink {
        /**
         * @param replacement its name
         * @param rows places that were replaced, indices of {@link TokenBatch#ids}, in the order of the rows that the replacement was given
         * @param at places whose next token is predicted, in the order of the tokens
         */
        void take(String replacement, TokenBatch batch, int[] rows, int[] at, NextTokens tokens);
    }

    /** {@link #run(List, Map, Progress, TokenSink)} for the means alone. */
    public SpliceResult run(List<TokenBatch> batches, Map<String, Reconstruction> replacements, Progress progress) {
        return run(batches, replacements, progress, (_, _, _, _, _) -> {});
    }

    /**
     * Measures replacements side by side, on the same rows and tokens.
     *
     * @param batches tokens; memory grows with the largest: f32 logits of all its tokens stand in memory two or three times
     * @param replacements what to put in, by name
     * @throws BadInput when no token of the batches is predicted from its own document
     */
    public SpliceResult run(
            List<TokenBatch> batches, Map<String, Reconstruction> replacements, Progress progress, TokenSink sink) {
        Map<String, SpliceSums> sums = new LinkedHashMap<>();
        replacements.keySet().forEach(name -> sums.put(name, new SpliceSums()));
        SpliceSums clean = new SpliceSums();
        long replaced = 0;
        long total = batches.stream().mapToLong(TokenBatch::size).sum();
        long done = 0;
        for (TokenBatch batch : batches) {
            List<HookPoint> hooks = new ArrayList<>(points.hooks());
            hooks.add(points.start());
            List<Matrix> seen = model.activations(batch, hooks);
            List<Matrix> x = seen.subList(0, seen.size() - 1);
            int[] rows = Positions.replaced(batch, x, points.normLimits());
            int[] at = batch.predicting();
            if (at.length > 0) {
                compare(batch, x, seen.getLast(), rows, at, replacements, clean, sums, sink);
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
            List<Matrix> x,
            Matrix stream,
            int[] rows,
            int[] at,
            Map<String, Reconstruction> replacements,
            SpliceSums cleanSums,
            Map<String, SpliceSums> sums,
            TokenSink sink) {
        int[] targets = Arrays.stream(at).map(i -> batch.ids()[i + 1]).toArray();
        int[] sequence = Arrays.stream(at).map(i -> i / batch.length()).toArray();
        Matrix kept = Positions.gather(Matrix.beside(x), rows);
        List<Matrix> replaced = x.subList(points.firstReplaced(), x.size());
        int width = replaced.stream().mapToInt(Matrix::cols).sum();
        try (PointerScope _ = new PointerScope()) {
            Tensor clean = Tensors.escaping(() -> NextTokens.logProbabilities(logits(batch, stream, List.of(), at)));
            cleanSums.add(NextTokens.compare(clean, clean, targets), sequence);
            replacements.forEach((name, replacement) -> {
                Matrix out = Matrix.zeros(kept.rows(), width);
                replacement.apply(kept, out);
                try (PointerScope _ = new PointerScope()) {
                    Tensor other = logits(batch, stream, scatter(replaced, rows, out), at);
                    SpliceSums sum = sums.get(name);
                    if (sum != null) {
                        NextTokens tokens = NextTokens.compare(clean, other, targets);
                        sum.add(tokens, sequence);
                        sink.take(name, batch, rows, at, tokens);
                    }
                }
            });
        }
    }

    /**
     * Logits [at.length, vocabulary] of a run with other rows, or of the model as it is.
     *
     * @param stream the residual stream of the clean model where the run starts
     * @param spliced rows for each hook point that is replaced; none for the model as it is
     */
    private Tensor logits(TokenBatch batch, Matrix stream, List<Matrix> spliced, int[] at) {
        return Tensors.escaping(() -> {
            Map<HookPoint, Tensor> given = new HashMap<>();
            given.put(points.start(), tensor(stream, batch));
            Map<HookPoint, Hook> hooks = new HashMap<>();
            for (int p = 0; p < spliced.size(); p++) {
                HookPoint point = points.replaced().get(p);
                Tensor rows = tensor(spliced.get(p), batch);
                given.put(point, rows);
                hooks.put(point, (_, _) -> rows);
            }
            // A hook at the start itself is not called: the run starts with what it would give.
            Tensor start = Objects.requireNonNull(given.get(points.start()));
            Tensor all = model.logitsFrom(points.start(), start, batch, hooks);
            Tensor index = Tensors.tensor(at, at.length);
            return all.reshape(batch.size(), all.size(2)).index_select(0, index);
        });
    }

    private static Tensor tensor(Matrix rows, TokenBatch batch) {
        return Tensors.tensor(rows.data(), batch.sequences(), batch.length(), rows.cols());
    }

    /** The parts with some rows replaced by columns of the replacement, part by part; the parts themselves are not modified. */
    private static List<Matrix> scatter(List<Matrix> parts, int[] rows, Matrix replacement) {
        List<Matrix> all = new ArrayList<>();
        int column = 0;
        for (Matrix part : parts) {
            Matrix out = new Matrix(part.rows(), part.cols(), part.data().clone());
            for (int i = 0; i < rows.length; i++) {
                System.arraycopy(
                        replacement.data(),
                        replacement.offset(i) + column,
                        out.data(),
                        out.offset(rows[i]),
                        part.cols());
            }
            all.add(out);
            column += part.cols();
        }
        return all;
    }
}
