package org.loupe.causal;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.loupe.harvest.RowNorms;
import org.loupe.io.BadInput;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * An SAE spliced into a running model, with changes of its latents: the rows h at its hook point become
 *
 * <pre>
 * h' = h + Σ δ_i d_i            with the error term h − x̂ kept
 * h' = x̂ + Σ δ_i d_i            without
 * </pre>
 *
 * with δ_i of {@link Edit}. A transcoder reads one hook point and changes the rows at another, which the same run reaches later.
 * Rows that are attention sinks (the model's first position, and those with a norm above the limit) stay as they are, as does
 * every row if there is nothing to change.
 */
public final class Intervention {
    private final Sae sae;
    private final Encoder encoder;
    private final Workers workers;
    private final SplicePoints points;
    private final List<Edit> edits;
    private final boolean errorKept;
    private final float[] squares; // ‖d‖² of each edit's decoder row

    /**
     * @param edits what is done to which latent, one for each
     * @param errorKept whether what the SAE does not explain stays in the stream
     * @param normLimits largest norms by hook point, as a store gives them; those it does not name have none
     * @throws BadInput for an SAE that does not fit the model, a crosscoder, and a latent that is not there or is named twice
     */
    public Intervention(
            SaeFolder.Loaded loaded,
            LanguageModel model,
            List<Edit> edits,
            boolean errorKept,
            Map<String, Double> normLimits,
            Workers workers) {
        this.sae = loaded.sae();
        this.points = SplicePoints.of(loaded, model, normLimits);
        if (points.replaced().size() > 1) {
            throw new BadInput("the SAE is a crosscoder of " + HookPoint.join(points.replaced())
                    + ": it reads rows that a run reaches after it would have to change others, so its latents cannot be"
                    + " changed in a running model");
        }
        Set<Integer> named = new HashSet<>();
        for (Edit edit : edits) {
            if (edit.latent() < 0 || edit.latent() >= sae.latents()) {
                throw new BadInput("there is no latent " + edit.latent() + "; the SAE at "
                        + points.replaced().getFirst() + " has latents 0 to " + (sae.latents() - 1));
            }
            if (!named.add(edit.latent())) {
                throw new BadInput("latent " + edit.latent() + " is named twice");
            }
        }
        this.edits = List.copyOf(edits);
        this.errorKept = errorKept;
        this.workers = workers;
        this.encoder = new Encoder(sae, workers);
        this.squares = new float[edits.size()];
        for (int e = 0; e < squares.length; e++) {
            int row = sae.decoder().offset(edits.get(e).latent());
            squares[e] =
                    Kernels.BEST.dot(sae.decoder().data(), row, sae.decoder().data(), row, sae.dOut());
        }
    }

    /** The hook point whose rows it changes. */
    public HookPoint changes() {
        return points.replaced().getFirst();
    }

    /** The latents that it changes. */
    public int[] latents() {
        return edits.stream().mapToInt(Edit::latent).toArray();
    }

    /** The activations of its latents in the model as it is, {@code [tokens of the batch × latents]} in the order of the edits. */
    public Matrix activations(LanguageModel model, TokenBatch batch) {
        Latents latents = encoder.encode(model.activations(batch, points.hooks().getFirst()));
        Matrix out = Matrix.zeros(batch.size(), edits.size());
        for (int row = 0; row < out.rows(); row++) {
            for (int e = 0; e < out.cols(); e++) {
                out.data()[out.offset(row) + e] =
                        latents.activation(row, edits.get(e).latent());
            }
        }
        return out;
    }

    /** Hooks for a run of one sequence whose first row stands at a position, for {@link LanguageModel#generate}. */
    public Map<HookPoint, Hook> from(int position) {
        return hooks(row -> position + row > 0, row -> position + row);
    }

    /** Hooks for a run of a batch; prefix and padding stay as they are. */
    public Map<HookPoint, Hook> on(TokenBatch batch) {
        int[] positions = batch.positions();
        return hooks(row -> Positions.isDocument(batch, row) && positions[row] > 0, row -> positions[row]);
    }

    private Map<HookPoint, Hook> hooks(IntPredicate changed, IntUnaryOperator position) {
        Map<HookPoint, Hook> hooks = new HashMap<>();
        HookPoint in = points.hooks().getFirst();
        if (in.equals(changes())) {
            hooks.put(in, (_, rows) -> {
                Matrix h = Tensors.matrix(rows);
                return changed(h, h, rows, changed, position);
            });
            return hooks;
        }
        Matrix[] read = new Matrix[1];
        hooks.put(in, (_, rows) -> {
            read[0] = Tensors.matrix(rows);
            return rows;
        });
        hooks.put(changes(), (_, rows) -> changed(read[0], Tensors.matrix(rows), rows, changed, position));
        return hooks;
    }

    /** The rows to go on with; the same tensor where nothing changes. */
    private Tensor changed(Matrix x, Matrix h, Tensor rows, IntPredicate changed, IntUnaryOperator position) {
        List<Matrix> parts = points.firstReplaced() == 0 ? List.of(h) : List.of(x, h);
        int[] which = IntStream.range(0, h.rows())
                .filter(row -> changed.test(row) && RowNorms.isWithin(parts, row, points.normLimits()))
                .toArray();
        if (which.length == 0 || (edits.isEmpty() && errorKept)) {
            return rows;
        }
        Matrix read = Positions.gather(x, which);
        Latents latents = encoder.encode(read);
        Matrix out = errorKept ? Positions.gather(h, which) : Matrix.zeros(which.length, sae.dOut());
        if (!errorKept) {
            Decoder.decode(sae, latents, out, workers);
            Decoder.addSkip(sae, read, out, workers);
        }
        for (int i = 0; i < which.length; i++) {
            change(latents, i, out, position.applyAsInt(which[i]));
        }
        for (int i = 0; i < which.length; i++) {
            System.arraycopy(out.data(), out.offset(i), h.data(), h.offset(which[i]), h.cols());
        }
        return Tensors.tensor(h.data(), Tensors.shape(rows));
    }

    private void change(Latents latents, int row, Matrix out, int position) {
        float[] shifts = new float[edits.size()];
        for (int e = 0; e < shifts.length; e++) {
            Edit edit = edits.get(e);
            int d = sae.decoder().offset(edit.latent());
            float dot =
                    Kernels.BEST.dot(out.data(), out.offset(row), sae.decoder().data(), d, sae.dOut());
            float along = squares[e] > 0 ? dot / squares[e] : 0;
            shifts[e] = edit.shift(latents.activation(row, edit.latent()), along, position);
        }
        for (int e = 0; e < shifts.length; e++) {
            int d = sae.decoder().offset(edits.get(e).latent());
            Kernels.BEST.addScaled(shifts[e], sae.decoder().data(), d, out.data(), out.offset(row), sae.dOut());
        }
    }
}
