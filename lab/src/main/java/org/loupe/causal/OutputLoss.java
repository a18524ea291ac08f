package org.loupe.causal;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;

/** A number that a model's output is judged by, of which effects are effects. */
public sealed interface OutputLoss {
    /**
     * The loss, summed over the batch; 0 where it has nothing to judge.
     *
     * @param logProbabilities {@code [tokens of the batch, vocabulary]} of the run that is judged
     * @param clean the same of the model as it is
     */
    Tensor of(TokenBatch batch, Tensor logProbabilities, Tensor clean);

    /** −log p of every token that follows another of its document. */
    record CrossEntropy() implements OutputLoss {
        @Override
        public Tensor of(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            int[] at = batch.predicting();
            int[] targets = Arrays.stream(at).map(i -> batch.ids()[i + 1]).toArray();
            return logProbabilities
                    .index_select(0, Tensors.tensor(at, at.length))
                    .gather(1, Tensors.tensor(targets, targets.length, 1))
                    .sum()
                    .neg();
        }
    }

    /** KL(model as it is ‖ run) at every such place. Its slope at the model as it is is 0: take it along several steps. */
    record KullbackLeibler() implements OutputLoss {
        @Override
        public Tensor of(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            int[] at = batch.predicting();
            Tensor which = Tensors.tensor(at, at.length);
            Tensor p = clean.index_select(0, which);
            return p.exp().mul(p.sub(logProbabilities.index_select(0, which))).sum();
        }
    }

    /**
     * −(logit of one token − logit of another) at one place.
     *
     * @param row index of the batch's token after which the two are compared
     */
    record LogitDifference(int row, int token, int other) implements OutputLoss {
        @Override
        public Tensor of(TokenBatch batch, Tensor logProbabilities, Tensor clean) {
            Tensor at = logProbabilities.narrow(0, row, 1).view(-1);
            return at.narrow(0, other, 1).sub(at.narrow(0, token, 1)).sum();
        }
    }
}
