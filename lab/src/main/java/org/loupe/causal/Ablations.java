package org.loupe.causal;

import java.util.ArrayList;
import java.util.Arrays;
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
    private final Firings firings;
    private final KeptRun kept;
    private final Tensor clean; // log p [predicting tokens, vocabulary]
    private final int[] place; // of each token among the predicting ones
    private final int[] predictions;

    /**
     * Its tensors belong to the caller's {@code PointerScope}.
     *
     * @param written where the latents are written
     * @param run judged by the cross-entropy
     */
    Ablations(LanguageModel model, Sae sae, TokenBatch batch, HookPoint written, Attribution.Result run) {
        this.model = model;
        this.sae = sae;
        this.batch = batch;
        this.written = written;
        this.firings = run.firings();
        this.kept = run.kept();
        this.clean = run.logProbabilities();
        this.predictions = predictions(batch);
        this.place = new int[batch.size()];
        int[] predicting = batch.predicting();
        for (int i = 0; i < predicting.length; i++) {
            place[predicting[i]] = i;
        }
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
     * @param strongest each latent's largest |f|: what is added, with the firing's sign, to amplify it
     */
    List<Ablated> of(int[] which, float[] strongest) {
        Ablated[] out = new Ablated[which.length];
        Amplified amplified = amplify(which, strongest);
        List<Integer> order = IntStream.range(0, which.length)
                .boxed()
                .sorted(Comparator.comparingInt(i -> predictions[firings.row()[which[i]]]))
                .toList();
        List<Integer> group = new ArrayList<>();
        for (int i : order) {
            int longest = predictions[firings.row()[which[i]]];
            if ((group.size() + 1) * longest > TOKENS && !group.isEmpty()) {
                ablate(which, group, amplified, out);
                group.clear();
            }
            group.add(i);
        }
        if (!group.isEmpty()) {
            ablate(which, group, amplified, out);
        }
        return List.of(out);
    }

    /** What amplifying does to the next token, firing by firing, as in {@link Ablated}. */
    private record Amplified(float[] confidence, float[] kl) {}

    private Amplified amplify(int[] which, float[] strongest) {
        Amplified out = new Amplified(new float[which.length], new float[which.length]);
        for (int from = 0; from < which.length; from += TOKENS) {
            int[] firing = Arrays.copyOfRange(which, from, Math.min(which.length, from + TOKENS));
            List<KeptRun.End> own = new ArrayList<>();
            float[] more = new float[firing.length];
            for (int i = 0; i < firing.length; i++) {
                own.add(end(firing[i], 1));
                more[i] = Math.copySign(strongest[firings.latent()[firing[i]]], firings.activation()[firing[i]]);
            }
            try (PointerScope _ = new PointerScope()) {
                Tensor before = cleanAt(rows(own));
                Tensor after = NextTokens.logProbabilities(logits(own, firing, more));
                float[] confidence = Tensors.floats(confidence(after).sub(confidence(before)));
                float[] kl = Tensors.floats(before.exp().mul(before.sub(after)).sum(new long[] {1}));
                System.arraycopy(confidence, 0, out.confidence, from, firing.length);
                System.arraycopy(kl, 0, out.kl, from, firing.length);
            }
        }
        return out;
    }

    private void ablate(int[] which, List<Integer> group, Amplified amplified, Ablated[] out) {
        int n = group.size();
        int[] firing = group.stream().mapToInt(i -> which[i]).toArray();
        float[] off = new float[n];
        List<KeptRun.End> ends = new ArrayList<>();
        int[] firsts = new int[n];
        for (int i = 0; i < n; i++) {
            ends.add(end(firing[i], predictions[firings.row()[firing[i]]]));
            off[i] = -firings.activation()[firing[i]];
            firsts[i] = i == 0 ? 0 : firsts[i - 1] + ends.get(i - 1).count();
        }
        try (PointerScope _ = new PointerScope()) {
            Tensor ablated = logits(ends, firing, off);
            int[] rows = rows(ends);
            Tensor asItIs = cleanAt(rows);
            NextTokens next = NextTokens.compare(
                    asItIs,
                    ablated,
                    IntStream.of(rows).map(row -> batch.ids()[row + 1]).toArray());
            Tensor own = Tensors.tensor(firsts, n);
            Tensor by = asItIs.index_select(0, own)
                    .exp()
                    .sub(NextTokens.logProbabilities(ablated.index_select(0, own))
                            .exp());
            List<List<Comparison.Moved>> raised = Comparison.furthest(by, MOVED, true);
            List<List<Comparison.Moved>> lowered = Comparison.furthest(by, MOVED, false);
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
                        amplified.confidence[group.get(i)],
                        amplified.kl[group.get(i)]);
            }
        }
    }

    private KeptRun.End end(int firing, int count) {
        int row = firings.row()[firing];
        return new KeptRun.End(row / batch.length(), row % batch.length(), count);
    }

    /** log p of the model as it is at some of the batch's rows, {@code [rows, vocabulary]}. */
    private Tensor cleanAt(int[] rows) {
        int[] at = IntStream.of(rows).map(row -> place[row]).toArray();
        return clean.index_select(0, Tensors.tensor(at, at.length));
    }

    /** Logits {@code [tokens of all ends, vocabulary]} where the first row of end i moves by by[i] along its latent's direction. */
    private Tensor logits(List<KeptRun.End> ends, int[] firing, float[] by) {
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
