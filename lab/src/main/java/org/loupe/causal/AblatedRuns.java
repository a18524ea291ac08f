package org.loupe.causal;

import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;

/** One batch run again, whole from the hook point on, with some firings set to 0: what that does to any loss. */
final class AblatedRuns implements AutoCloseable {
    private final LanguageModel model;
    private final Sae sae;
    private final TokenBatch batch;
    private final OutputLoss loss;
    private final int[] judged;
    private final HookPoint start;
    private final HookPoint written;
    private final Matrix stream;
    private final Matrix h;
    private final Tensor clean; // log p [judged tokens, vocabulary]
    private final double asItIs;

    /**
     * Runs the model as it is.
     *
     * @param written where the latents are written
     * @param start the last hook point of the residual stream from which that can be reached
     */
    AblatedRuns(LanguageModel model, Sae sae, HookPoint start, HookPoint written, TokenBatch batch, OutputLoss loss) {
        this.model = model;
        this.sae = sae;
        this.batch = batch;
        this.loss = loss;
        this.judged = loss.judged(batch);
        this.start = start;
        this.written = written;
        List<Matrix> rows = model.activations(batch, List.of(start, written));
        this.stream = rows.getFirst();
        this.h = rows.getLast();
        try (PointerScope _ = new PointerScope()) {
            this.clean = Tensors.keep(run(h));
            this.asItIs = loss.value(batch, clean, clean);
        }
    }

    /** The loss of the model as it is. */
    double loss() {
        return asItIs;
    }

    /** How much the loss rises where these firings, by number, are all set to 0. */
    double increase(Firings firings, int... which) {
        Matrix without = new Matrix(h.rows(), h.cols(), h.data().clone());
        for (int i : which) {
            Kernels.BEST.addScaled(
                    -firings.activation()[i],
                    sae.decoder().data(),
                    sae.decoder().offset(firings.latent()[i]),
                    without.data(),
                    without.offset(firings.row()[i]),
                    without.cols());
        }
        try (PointerScope _ = new PointerScope()) {
            return loss.value(batch, run(without), clean) - asItIs;
        }
    }

    /** log p of the judged tokens, {@code [judged tokens, vocabulary]}, with rows in place of the model's. */
    private Tensor run(Matrix rows) {
        return Tensors.escaping(() -> {
            Tensor on = Attribution.tensor(batch, rows);
            Tensor logits = start.equals(written)
                    ? model.logitsFrom(start, on, batch, Map.of())
                    : model.logitsFrom(start, Attribution.tensor(batch, stream), batch, Map.of(written, (_, _) -> on));
            return logits.flatten(0, 1)
                    .index_select(0, Tensors.tensor(judged, judged.length))
                    .log_softmax(1);
        });
    }

    @Override
    public void close() {
        clean.close();
    }
}
