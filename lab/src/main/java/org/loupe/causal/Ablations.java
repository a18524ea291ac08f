package org.loupe.causal;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.loupe.lm.HookPoint;
import org.loupe.lm.KeptRun;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

/**
 * Ablates firings of one batch exactly, each alone. The tokens before a firing, and everything before the hook point, are not run
 * again; firings whose rests are about as long run together.
 */
final class Ablations {
    /** Tokens that run together: enough to fill the products, few enough for the logits, 4 bytes a vocabulary entry, to stay small. */
    private static final int TOKENS = 256;

    private static final int MOVED = 8;

    private final LanguageModel model;
    private final Sae sae;
    private final TokenBatch batch;
    private final HookPoint written;
    private final KeptRun kept;
    private final Tensor clean; // log p [tokens of the batch, vocabulary]
    private final int[] predictions;

    /** Its tensors belong to the caller's {@code PointerScope}. */
    Ablations(LanguageModel model, Sae sae, TokenBatch batch, Attribution attribution, Attribution.Result run) {
        this.model = model;
        this.sae = sae;
        this.batch = batch;
        this.written = attribution.written();
        Matrix stream = run.stream();
        this.kept = model.keep(
                attribution.start(),
                Tensors.tensor(stream.data(), batch.sequences(), batch.length(), stream.cols()),
                batch);
        this.clean = run.logProbabilities();
        this.predictions = predictions(batch);
    }

    /** For each token that another of its document follows, how many such tokens there are from it on; else 0. */
    private static int[] predictions(TokenBatch batch) {
        int[] left = new int[batch.size() + 1];
        int[] predicting = batch.predicting();
        for (int i = predicting.length - 1; i >= 0; i--) {
            left[predicting[i]] = left[predicting[i] + 1] + 1;
        }
        return left;
    }

    /**
     * Measures.
     *
     * @param which firings, by number
     * @param strongest each latent's largest activation: what is added to amplify it
     */
    List<Ablated> of(Firings firings, int[] which, float[] strongest) {
        Ablated[] out = new Ablated[which.length];
        List<Integer> order = IntStream.range(0, which.length)
                .boxed()
                .sorted(Comparator.comparingInt(i -> predictions[firings.row()[which[i]]]))
                .toList();
        List<Integer> group = new ArrayList<>();
        for (int i : order) {
            int longest = predictions[firings.row()[which[i]]];
            if ((group.size() + 1) * longest > TOKENS && !group.isEmpty()) {
                measure(firings, which, group, strongest, out);
                group.clear();
            }
            group.add(i);
        }
        if (!group.isEmpty()) {
            measure(firings, which, group, strongest, out);
        }
        return List.of(out);
    }

    private void measure(Firings firings, int[] which, List<Integer> group, float[] strongest, Ablated[] out) {
        int n = group.size();
        int[] firing = group.stream().mapToInt(i -> which[i]).toArray();
        float[] off = new float[n];
        float[] more = new float[n];
        List<KeptRun.End> ends = new ArrayList<>();
        List<KeptRun.End> own = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            int row = firings.row()[firing[i]];
            ends.add(new KeptRun.End(row / batch.length(), row % batch.length(), predictions[row]));
            own.add(new KeptRun.End(row / batch.length(), row % batch.length(), 1));
            off[i] = -firings.activation()[firing[i]];
            more[i] = strongest[firings.latent()[firing[i]]];
        }
        try (PointerScope _ = new PointerScope()) {
            Tensor ablated = logits(ends, firings, firing, off);
            int[] rows = rows(ends);
            NextTokens next = NextTokens.compare(
                    clean.index_select(0, Tensors.tensor(rows, rows.length)),
                    ablated,
                    IntStream.of(rows).map(row -> batch.ids()[row + 1]).toArray());
            int[] firsts = new int[n];
            for (int i = 1; i < n; i++) {
                firsts[i] = firsts[i - 1] + ends.get(i - 1).count();
            }
            int[] ownRows = rows(own);
            Tensor cleanOwn = clean.index_select(0, Tensors.tensor(ownRows, n));
            Tensor by = cleanOwn.exp()
                    .sub(ablated.index_select(0, Tensors.tensor(firsts, n)).softmax(1));
            List<List<Comparison.Moved>> raised = Comparison.furthest(by, MOVED, true);
            List<List<Comparison.Moved>> lowered = Comparison.furthest(by, MOVED, false);
            Tensor amplified = logits(own, firings, firing, more).log_softmax(1);
            float[] confidence = Tensors.floats(confidence(amplified).sub(confidence(cleanOwn)));
            float[] amplifiedKl =
                    Tensors.floats(cleanOwn.exp().mul(cleanOwn.sub(amplified)).sum(new long[] {1}));
            for (int i = 0; i < n; i++) {
                double increase = 0;
                double kl = 0;
                for (int j = firsts[i]; j < firsts[i] + ends.get(i).count(); j++) {
                    increase += next.ce()[j] - next.cleanCe()[j];
                    kl += next.kl()[j];
                }
                out[group.get(i)] = new Ablated(
                        firings.latent()[firing[i]],
                        firings.activation()[firing[i]],
                        firings.effect()[firing[i]],
                        ends.get(i).count(),
                        increase,
                        kl,
                        raised.get(i),
                        lowered.get(i),
                        confidence[i],
                        amplifiedKl[i]);
            }
        }
    }

    /** Logits {@code [tokens of all ends, vocabulary]} where the first row of end i moves by by[i] along its latent's direction. */
    private Tensor logits(List<KeptRun.End> ends, Firings firings, int[] firing, float[] by) {
        return Tensors.escaping(() -> {
            int d = sae.dOut();
            float[] moves = new float[ends.size() * d];
            for (int i = 0; i < by.length; i++) {
                int row = sae.decoder().offset(firings.latent()[firing[i]]);
                for (int c = 0; c < d; c++) {
                    moves[i * d + c] = by[i] * sae.decoder().data()[row + c];
                }
            }
            Tensor move = Tensors.tensor(moves, ends.size(), 1, d);
            Tensor residual = kept.again(ends, written, (_, rows) -> {
                Tensor first = rows.narrow(1, 0, 1).add(move);
                long rest = rows.size(1) - 1;
                return rest == 0 ? first : torch.cat(new TensorVector(first, rows.narrow(1, 1, rest)), 1);
            });
            long longest = residual.size(1);
            int[] real = new int[ends.stream().mapToInt(KeptRun.End::count).sum()];
            int n = 0;
            for (int e = 0; e < ends.size(); e++) {
                for (int u = 0; u < ends.get(e).count(); u++) {
                    real[n++] = Math.toIntExact(e * longest + u);
                }
            }
            return model.unembed(residual.flatten(0, 1).index_select(0, Tensors.tensor(real, n)));
        });
    }

    /** The batch's rows of the ends' tokens, end by end. */
    private int[] rows(List<KeptRun.End> ends) {
        return ends.stream()
                .flatMapToInt(end ->
                        IntStream.range(0, end.count()).map(u -> end.sequence() * batch.length() + end.first() + u))
                .toArray();
    }

    private static Tensor confidence(Tensor logProbabilities) {
        return torch.topk(logProbabilities, Ablated.CONFIDENT, 1, true, true)
                .get0()
                .mean(new long[] {1}, false, new ScalarTypeOptional())
                .neg();
    }
}
