package org.loupe.causal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.lm.HookPoint;
import org.loupe.lm.KeptRun;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Effects of every firing of an SAE's latents by backward passes through the model, one for all latents and tokens of a batch
 * ({@link Firings}). A firing counts where the row may be changed ({@link Positions#replaced}) and the loss judges its token or a later
 * one of its document.
 */
public final class Attribution {
    private final LanguageModel model;
    private final Sae sae;
    private final SplicePoints points;

    /**
     * @param normLimits largest norms by hook point; those it does not name have none
     * @throws BadInput for an SAE that does not fit the model, and a crosscoder
     */
    public Attribution(LanguageModel model, SaeFolder.Loaded loaded, Map<String, Double> normLimits) {
        this.model = model;
        this.sae = loaded.sae();
        this.points = SplicePoints.of(loaded, model, normLimits);
        if (points.replaced().size() > 1) {
            throw new BadInput(
                    "the SAE is a crosscoder of " + HookPoint.join(points.replaced())
                            + ": effects of its latents are not measured, as each would have to change rows at several depths at once");
        }
    }

    /** The hook point whose rows the latents are written to. */
    HookPoint written() {
        return points.replaced().getFirst();
    }

    /** Where a run that changes them may start. */
    HookPoint start() {
        return points.start();
    }

    /**
     * One batch, run and attributed; its tensors are in the caller's {@code PointerScope}.
     *
     * @param firings with their effects
     * @param kept the model as it is, from where a run that changes latents may start
     * @param logProbabilities of the model as it is at the tokens that the loss judges, {@code [judged tokens, vocabulary]}
     * @param also gradients of the other losses at the rows whose firings count
     */
    record Result(Firings firings, KeptRun kept, Tensor logProbabilities, List<Matrix> also) {}

    /**
     * Attributes. It runs on the calling thread; batches may run side by side ({@link LanguageModel#sideBySide}).
     *
     * @param steps points on the way from no latents to all of them; 1 takes the gradient at the model as it is
     */
    public Firings firings(TokenBatch batch, OutputLoss loss, int steps) {
        try (PointerScope _ = new PointerScope();
                Workers alone = new Workers(1)) {
            return run(batch, loss, steps, new Encoder(sae, alone), List.of()).firings;
        }
    }

    /** @param also losses that judge the same tokens, whose gradients at the model as it is are wanted beside */
    Result run(TokenBatch batch, OutputLoss loss, int steps, Encoder encoder, List<OutputLoss> also) {
        List<HookPoint> read = new ArrayList<>(points.hooks());
        read.add(start());
        List<Matrix> seen = model.activations(batch, read);
        List<Matrix> parts = seen.subList(0, points.hooks().size());
        Matrix h = parts.getLast();
        Matrix stream = seen.getLast();
        Latents latents = encoder.encode(parts.getFirst());
        int[] rows = counted(batch, parts, loss.judged(batch));
        List<OutputLoss> losses = new ArrayList<>(also);
        losses.addFirst(loss);
        Run clean = run(batch, losses, stream, h, null);
        Matrix gradient = clean.gradients.getFirst();
        if (steps > 1) {
            gradient = Matrix.zeros(h.rows(), h.cols());
            for (int s = 1; s <= steps; s++) {
                Matrix on = less(h, latents, rows, 1 - (s - 0.5) / steps);
                try (PointerScope _ = new PointerScope()) {
                    Matrix step = run(batch, List.of(loss), stream, on, clean.logProbabilities)
                            .gradients
                            .getFirst();
                    Kernels.BEST.addScaled(1f / steps, step.data(), 0, gradient.data(), 0, gradient.data().length);
                }
            }
        }
        List<Matrix> others = clean.gradients.stream()
                .skip(1)
                .map(g -> Positions.gather(g, rows))
                .toList();
        return new Result(firings(latents, rows, gradient), clean.kept, clean.logProbabilities, others);
    }

    /** Rows that may be changed and can reach a token that is judged, each within its document. */
    private int[] counted(TokenBatch batch, List<Matrix> parts, int[] judged) {
        boolean[] reaches = new boolean[batch.size()];
        for (int end : judged) {
            int first = end - end % batch.length();
            for (int i = end; i >= first && !reaches[i] && batch.document(i) == batch.document(end); i--) {
                reaches[i] = true;
            }
        }
        return Arrays.stream(Positions.replaced(batch, parts, points.normLimits()))
                .filter(row -> reaches[row])
                .toArray();
    }

    /** h − share · Σ f d at some rows. */
    private Matrix less(Matrix h, Latents latents, int[] rows, double share) {
        Matrix out = new Matrix(h.rows(), h.cols(), h.data().clone());
        for (int row : rows) {
            for (int e = latents.starts()[row]; e < latents.starts()[row + 1]; e++) {
                Kernels.BEST.addScaled(
                        (float) (-share * latents.value()[e]),
                        sae.decoder().data(),
                        sae.decoder().offset(latents.index()[e]),
                        out.data(),
                        out.offset(row),
                        out.cols());
            }
        }
        return out;
    }

    /** @param gradients of each loss by the rows where the latents are written */
    private record Run(KeptRun kept, Tensor logProbabilities, List<Matrix> gradients) {}

    /**
     * Runs on from where latents are written, and back once for each loss.
     *
     * @param losses which judge the same tokens
     * @param stream the residual stream where the run starts
     * @param on rows where the latents are written
     * @param clean log p of the model as it is; null where this is that run
     */
    private Run run(TokenBatch batch, List<OutputLoss> losses, Matrix stream, Matrix on, @Nullable Tensor clean) {
        int[] judged = losses.getFirst().judged(batch);
        boolean starts = start().equals(written());
        return model.withGradients(() -> {
            Tensor leaf = tensor(batch, on).set_requires_grad(true);
            KeptRun kept = model.keep(
                    start(),
                    starts ? leaf : tensor(batch, stream),
                    batch,
                    starts ? Map.of() : Map.of(written(), (_, _) -> leaf));
            List<Matrix> gradients = new ArrayList<>();
            Tensor logProbabilities = Tensors.escaping(() -> {
                Tensor logits = model.unembed(
                        kept.residual().flatten(0, 1).index_select(0, Tensors.tensor(judged, judged.length)));
                Tensor p = NextTokens.logProbabilities(logits.detach());
                for (OutputLoss loss : losses) {
                    try (PointerScope _ = new PointerScope()) {
                        Tensor slope = loss.slope(batch, p, clean == null ? p : clean);
                        boolean last = gradients.size() == losses.size() - 1;
                        logits.backward(slope, new BoolOptional(!last), false, new TensorArrayRefOptional());
                        gradients.add(Tensors.matrix(leaf.grad()));
                        leaf.grad().zero_();
                    }
                }
                return p;
            });
            return new Run(kept, logProbabilities, gradients);
        });
    }

    /** The rows of a batch as {@code [sequences, length, width]}. */
    static Tensor tensor(TokenBatch batch, Matrix rows) {
        return Tensors.tensor(rows.data(), batch.sequences(), batch.length(), rows.cols());
    }

    private Firings firings(Latents latents, int[] rows, Matrix gradient) {
        int count = IntStream.of(rows)
                .map(row -> latents.starts()[row + 1] - latents.starts()[row])
                .sum();
        Firings out = new Firings(new int[count], new int[count], new float[count], new double[count]);
        int n = 0;
        for (int row : rows) {
            for (int e = latents.starts()[row]; e < latents.starts()[row + 1]; e++, n++) {
                int latent = latents.index()[e];
                out.latent()[n] = latent;
                out.row()[n] = row;
                out.activation()[n] = latents.value()[e];
                out.effect()[n] = -(double) latents.value()[e]
                        * Kernels.BEST.dot(
                                sae.decoder().data(),
                                sae.decoder().offset(latent),
                                gradient.data(),
                                gradient.offset(row),
                                gradient.cols());
            }
        }
        return out;
    }
}
