package org.loupe.causal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/** The model as it is and the model with interventions, on the same tokens, place by place. */
public final class Comparison {
    private Comparison() {}

    /**
     * One token and what both models predict after it.
     *
     * @param id the token
     * @param activations of the interventions' latents on it in the model as it is, in their order
     * @param logProbability log p of the token that follows, nats, in the model as it is; NaN for the last token
     * @param changedLogProbability the same with the interventions
     * @param kl KL(as it is ‖ changed) of the next token's distribution, nats
     * @param raised the tokens whose probability as the next one the interventions raise most
     * @param lowered those whose probability they lower most
     */
    public record Place(
            int id,
            List<Float> activations,
            double logProbability,
            double changedLogProbability,
            double kl,
            List<Moved> raised,
            List<Moved> lowered) {
        /** How much the cross-entropy of the token that follows rises, nats. */
        public double increase() {
            return logProbability - changedLogProbability;
        }
    }

    /** A token and p changed − p as it is. */
    public record Moved(int id, double by) {}

    /**
     * Compares on one sequence.
     *
     * @param ids the tokens, what the model expects before a text included
     * @param moved how many raised and lowered tokens at each place
     */
    public static List<Place> of(Interventions interventions, int[] ids, int moved) {
        LanguageModel model = interventions.model();
        TokenBatch batch = TokenBatch.of(ids);
        int n = ids.length;
        List<Matrix> activations = interventions.all().stream()
                .map(one -> one.activations(model, batch))
                .toList();
        int[] targets = Arrays.copyOf(Arrays.copyOfRange(ids, 1, n), n); // the last one means nothing
        List<Place> places = new ArrayList<>();
        try (PointerScope _ = new PointerScope()) {
            Tensor clean =
                    NextTokens.logProbabilities(model.logits(batch, Map.of()).view(n, -1));
            Tensor changed = model.logits(batch, interventions.on(batch)).view(n, -1);
            NextTokens next = NextTokens.compare(clean, changed, targets);
            Tensor by = NextTokens.logProbabilities(changed).exp().sub(clean.exp());
            List<List<Moved>> raised = furthest(by, moved, true);
            List<List<Moved>> lowered = furthest(by, moved, false);
            for (int i = 0; i < n; i++) {
                int row = i;
                boolean last = i == n - 1;
                places.add(new Place(
                        ids[i],
                        activations.stream()
                                .flatMap(a -> IntStream.range(0, a.cols()).mapToObj(c -> a.at(row, c)))
                                .toList(),
                        last ? Double.NaN : -next.cleanCe()[i],
                        last ? Double.NaN : -next.ce()[i],
                        next.kl()[i],
                        raised.get(i),
                        lowered.get(i)));
            }
        }
        return places;
    }

    /** Row by row the tokens that have moved most in one direction. */
    static List<List<Moved>> furthest(Tensor by, int count, boolean up) {
        T_TensorTensor_T top = torch.topk(by, count, 1, up, true);
        float[] values = Tensors.floats(top.get0());
        int[] ids = Tensors.ints(top.get1());
        List<List<Moved>> rows = new ArrayList<>();
        for (int row = 0; row < values.length / Math.max(1, count); row++) {
            List<Moved> moved = new ArrayList<>();
            for (int j = row * count; j < (row + 1) * count; j++) {
                moved.add(new Moved(ids[j], values[j]));
            }
            rows.add(moved);
        }
        return rows;
    }
}
