package org.loupe.causal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.loupe.harvest.DrawnLabels;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;

/**
 * A number that a model's output is judged by, of which effects are effects: a sum over some tokens of a batch, 0 where there are
 * none. Its slope by the logits is known, so that backward begins there.
 */
public sealed interface OutputLoss {
    /** The tokens whose distributions are judged, as indices of {@link TokenBatch#ids}, ascending. */
    int[] judged(TokenBatch batch);

    /**
     * The loss.
     *
     * @param logProbabilities {@code [judged tokens, vocabulary]} of the run that is judged
     * @param clean the same of the model as it is
     */
    double value(TokenBatch batch, Tensor logProbabilities, Tensor clean);

    /** Its derivative by the logits of the run that is judged, {@code [judged tokens, vocabulary]}. */
    Tensor slope(TokenBatch batch, Tensor logProbabilities, Tensor clean);

    /** −log p of every token that follows another of its document; the slope is p − 1_token. */
    record CrossEntropy() implements OutputLoss {
        @Override
        public int[] judged(TokenBatch batch) {
            return batch.predicting();
        }

        @Override
        public double value(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            return negative(logProbabilities, following(batch));
        }

        @Override
        public Tensor slope(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            return lessOne(logProbabilities.exp(), following(batch));
        }

        private static int[] following(TokenBatch batch) {
            return Arrays.stream(batch.predicting())
                    .map(i -> batch.ids()[i + 1])
                    .toArray();
        }
    }

    /**
     * −log p, at the same places, of labels drawn from the distribution of the model as it is.
     *
     * @param firstPlace of the batch in the text ({@link DrawnLabels})
     */
    record Drawn(DrawnLabels labels, long firstPlace) implements OutputLoss {
        @Override
        public int[] judged(TokenBatch batch) {
            return batch.predicting();
        }

        @Override
        public double value(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            return negative(logProbabilities, drawn(batch, clean.exp()));
        }

        @Override
        public Tensor slope(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            return lessOne(logProbabilities.exp(), drawn(batch, clean.exp()));
        }

        private int[] drawn(TokenBatch batch, Tensor p) {
            int[] at = batch.predicting();
            MemorySegment memory = Tensors.bytes(p);
            float[] row = new float[Math.toIntExact(p.size(1))];
            return IntStream.range(0, at.length)
                    .map(i -> {
                        MemorySegment.copy(
                                memory,
                                ValueLayout.JAVA_FLOAT,
                                (long) i * row.length * Float.BYTES,
                                row,
                                0,
                                row.length);
                        return labels.of(row, firstPlace + at[i]);
                    })
                    .toArray();
        }
    }

    /**
     * KL(model as it is ‖ run) at every such place; the slope is q − p. At the model as it is that is 0: take it along several steps.
     */
    record KullbackLeibler() implements OutputLoss {
        @Override
        public int[] judged(TokenBatch batch) {
            return batch.predicting();
        }

        @Override
        public double value(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            return clean.exp().mul_(clean.sub(logProbabilities)).sum().item_double();
        }

        @Override
        public Tensor slope(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            return logProbabilities.exp().sub_(clean.exp());
        }
    }

    /**
     * −(logit of one token − logit of another) at one place.
     *
     * @param row index of the batch's token after which the two are compared
     */
    record LogitDifference(int row, int token, int other) implements OutputLoss {
        /**
         * After the last token of a text.
         *
         * @param token the likeliest next one where none is given
         * @param other the likeliest one beside it where none is given
         */
        public static LogitDifference afterLast(
                LanguageModel model, TokenBatch text, OptionalInt token, OptionalInt other) {
            int last = text.size() - 1;
            float[] logits;
            try (PointerScope _ = new PointerScope()) {
                logits = Tensors.floats(
                        model.logits(text, Map.of()).flatten(0, 1).select(0, last));
            }
            int first = token.orElseGet(() -> likeliest(logits, other.orElse(-1)));
            return new LogitDifference(last, first, other.orElseGet(() -> likeliest(logits, first)));
        }

        private static int likeliest(float[] logits, int but) {
            return IntStream.range(0, logits.length)
                    .filter(i -> i != but)
                    .reduce((a, b) -> logits[b] > logits[a] ? b : a)
                    .orElseThrow();
        }

        @Override
        public int[] judged(TokenBatch batch) {
            return new int[] {row};
        }

        @Override
        public double value(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            Tensor at = logProbabilities.view(-1);
            return at.narrow(0, other, 1).sub(at.narrow(0, token, 1)).item_double();
        }

        @Override
        public Tensor slope(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            Tensor slope = torch.zeros_like(logProbabilities);
            slope.view(-1).narrow(0, other, 1).add_(new Scalar(1));
            slope.view(-1).narrow(0, token, 1).sub_(new Scalar(1));
            return slope;
        }
    }

    private static double negative(Tensor logProbabilities, int[] labels) {
        return -logProbabilities
                .gather(1, Tensors.tensor(labels, labels.length, 1))
                .sum()
                .item_double();
    }

    /** p − 1_label; p is overwritten. */
    private static Tensor lessOne(Tensor p, int[] labels) {
        Tensor at = Tensors.tensor(labels, labels.length, 1);
        return p.scatter_add_(1, at, torch.full(new long[] {labels.length, 1}, new Scalar(-1f)));
    }
}
