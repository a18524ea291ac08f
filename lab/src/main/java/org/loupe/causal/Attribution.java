package org.loupe.causal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
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
 * ({@link Firings}). A firing counts where the row may be changed ({@link Positions#replaced}) and a token of its document follows.
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
     * One batch, run and attributed.
     *
     * @param firings with their effects
     * @param stream rows where a run that changes latents may start, {@code [tokens × width]}
     * @param gradient ∂L/∂h where the latents are written {@code [tokens × width]}, the mean over the steps
     * @param logProbabilities of the model as it is {@code [tokens, vocabulary]}, in the caller's {@code PointerScope}
     * @param loss of the model as it is
     */
    record Result(Firings firings, Matrix stream, Matrix gradient, Tensor logProbabilities, double loss) {}

    /**
     * Attributes. It runs on the calling thread; batches may run side by side ({@link LanguageModel#sideBySide}).
     *
     * @param steps points on the way from no latents to all of them; 1 takes the gradient at the model as it is
     */
    public Firings firings(TokenBatch batch, OutputLoss loss, int steps) {
        try (PointerScope _ = new PointerScope();
                Workers alone = new Workers(1)) {
            return run(batch, loss, steps, new Encoder(sae, alone)).firings;
        }
    }

    Result run(TokenBatch batch, OutputLoss loss, int steps, Encoder encoder) {
        Map<HookPoint, Matrix> seen = new HashMap<>();
        Map<HookPoint, Hook> hooks = new HashMap<>();
        for (HookPoint point : List.of(points.start(), points.hooks().getFirst())) {
            hooks.put(point, (at, rows) -> {
                seen.put(at, Tensors.matrix(rows));
                return rows;
            });
        }
        Gradient clean = gradient(batch, loss, null, null, hooks);
        Matrix h = clean.rows;
        Matrix x = points.firstReplaced() == 0
                ? h
                : seen.getOrDefault(points.hooks().getFirst(), h);
        Matrix stream = points.start().equals(written()) ? h : seen.getOrDefault(points.start(), h);
        List<Matrix> parts = points.firstReplaced() == 0 ? List.of(h) : List.of(x, h);
        Latents latents = encoder.encode(x);
        int[] rows = counted(batch, parts);
        Matrix gradient = clean.gradient;
        if (steps > 1) {
            gradient = Matrix.zeros(h.rows(), h.cols());
            for (int s = 1; s <= steps; s++) {
                Matrix on = less(h, latents, rows, 1 - (s - 0.5) / steps);
                Matrix step = gradient(batch, loss, on, clean.logProbabilities, Map.of()).gradient;
                Kernels.BEST.addScaled(1f / steps, step.data(), 0, gradient.data(), 0, gradient.data().length);
            }
        }
        return new Result(firings(latents, rows, gradient), stream, gradient, clean.logProbabilities, clean.loss);
    }

    /** Rows that may be changed and after which a token of the same document follows. */
    private int[] counted(TokenBatch batch, List<Matrix> parts) {
        int[] predicting = batch.predicting();
        return Arrays.stream(Positions.replaced(batch, parts, points.normLimits()))
                .filter(row -> Arrays.binarySearch(predicting, row) >= 0)
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

    private record Gradient(Matrix rows, Matrix gradient, Tensor logProbabilities, double loss) {}

    /** @param on rows that take the place of the model's where the latents are written; null for its own */
    private Gradient gradient(
            TokenBatch batch,
            OutputLoss loss,
            @Nullable Matrix on,
            @Nullable Tensor clean,
            Map<HookPoint, Hook> reading) {
        Tensor[] leaf = new Tensor[1];
        Map<HookPoint, Hook> hooks = new HashMap<>(reading);
        hooks.put(written(), (_, rows) -> {
            Tensor own = on == null
                    ? rows.detach().clone()
                    : Tensors.tensor(on.data(), batch.sequences(), batch.length(), on.cols());
            leaf[0] = Tensors.keep(own.set_requires_grad(true));
            return leaf[0];
        });
        double[] value = new double[1];
        Tensor logProbabilities = model.withGradients(() -> Tensors.escaping(() -> {
            Tensor p = model.logits(batch, hooks).flatten(0, 1).log_softmax(1);
            Tensor of = loss.of(batch, p, clean == null ? p.detach() : clean);
            value[0] = of.item_double();
            of.backward();
            return p.detach();
        }));
        try (Tensor rows = leaf[0]) {
            Matrix gradient = Tensors.matrix(rows.grad());
            return new Gradient(Tensors.matrix(rows), gradient, logProbabilities, value[0]);
        }
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
