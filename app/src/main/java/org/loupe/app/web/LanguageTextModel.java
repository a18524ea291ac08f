package org.loupe.app.web;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.causal.Attribution;
import org.loupe.causal.Firings;
import org.loupe.causal.OutputLoss;
import org.loupe.index.IndexInfo;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelStore;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.trace.Prompt;

/** The text box's model: the one whose activations the index was made from, run up to the SAE's hook points, and to its end for effects. */
final class LanguageTextModel implements TextModel {
    private static final int LONGEST = 256;

    private final LanguageModel model;
    private final List<HookPoint> hooks;
    private final int[] prefix;
    private final @Nullable Attribution attribution;

    private LanguageTextModel(
            LanguageModel model, List<HookPoint> hooks, int[] prefix, @Nullable Attribution attribution) {
        this.model = model;
        this.hooks = hooks;
        this.prefix = prefix;
        this.attribution = attribution;
    }

    /**
     * Finds and loads the model.
     *
     * @throws BadInput when it is not on this machine, or is another one than the index was made from
     */
    static LanguageTextModel load(IndexInfo info, SaeFolder.@Nullable Loaded sae) {
        Provenance made = info.store();
        if (info.hookIn().isEmpty() || made.modelSha256().isEmpty()) {
            throw new BadInput("this SAE reads rows of no known language model");
        }
        LanguageModel model = LanguageModel.load(
                ModelStore.ofUser().find(made.model()),
                Precision.F32,
                Runtime.getRuntime().availableProcessors());
        if (!model.info().sha256().equals(made.modelSha256())) {
            model.close();
            throw new BadInput("the index was made with model '" + made.model() + "' of sha256 " + made.modelSha256()
                    + ", the one on this machine has " + model.info().sha256());
        }
        List<Integer> prefix = info.prefix();
        return new LanguageTextModel(
                model,
                HookPoint.parseAll(info.hookIn()),
                prefix.stream().mapToInt(id -> id).toArray(),
                sae == null ? null : attribution(model, sae));
    }

    /** Null where the SAE cannot be spliced in: a crosscoder, or one that does not say what it is of. */
    private static @Nullable Attribution attribution(LanguageModel model, SaeFolder.Loaded sae) {
        try {
            return new Attribution(model, sae, Map.of());
        } catch (BadInput e) {
            return null;
        }
    }

    @Override
    public int[] encode(String text) {
        return model.tokenizer().encode(text);
    }

    @Override
    public String piece(int id) {
        return model.tokenizer().token(id);
    }

    @Override
    public Matrix rows(int[] ids) {
        Matrix all = Matrix.beside(model.activations(batch(ids), hooks));
        int from = all.offset(prefix.length);
        return new Matrix(ids.length, all.cols(), Arrays.copyOfRange(all.data(), from, from + ids.length * all.cols()));
    }

    @Override
    public Firings effects(int[] ids) {
        if (attribution == null || ids.length < 2) {
            return new Firings(new int[0], new int[0], new float[0], new double[0]);
        }
        Firings all = attribution.firings(batch(ids), new OutputLoss.CrossEntropy(), 1);
        return new Firings(
                all.latent(),
                Arrays.stream(all.row()).map(row -> row - prefix.length).toArray(),
                all.activation(),
                all.effect());
    }

    private TokenBatch batch(int[] ids) {
        int[] row = IntStream.concat(Arrays.stream(prefix), Arrays.stream(ids)).toArray();
        return new Prompt("", row, prefix.length).batch();
    }

    @Override
    public int limit() {
        return Math.min(LONGEST, model.info().context() - prefix.length);
    }

    @Override
    public void close() {
        model.close();
    }
}
