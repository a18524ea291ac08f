package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.lm.HookPoint.Site;
import org.loupe.tensor.Matrix;

/** Ends of sequences run again must give what whole runs with the same change give. */
class KeptRunTest {
    private static final int LENGTH = 12;
    private static final HookPoint MID = HookPoint.residPost(0);

    @TempDir
    private static Path folder;

    private static LanguageModel model;

    @BeforeAll
    static void load() {
        model = LanguageModel.load(ToyModel.write(folder), Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    /** Two rows: two documents after a prefix and padding; one document that fills the row. */
    private static TokenBatch packed() {
        SplittableRandom random = new SplittableRandom(1);
        int[] ids = random.ints(2L * LENGTH, 0, 300).toArray();
        int[] segments = {0, 1, 1, 1, 1, 2, 2, 2, 2, 2, -1, -1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        return new TokenBatch(ids, 2, LENGTH, segments);
    }

    private static final List<KeptRun.End> ENDS = List.of(
            new KeptRun.End(0, 2, 3), new KeptRun.End(0, 5, 5), new KeptRun.End(1, 9, 3), new KeptRun.End(1, 1, 11));

    @Test
    void endsWithAChangedRowEqualWholeRuns() {
        TokenBatch batch = packed();
        for (HookPoint at : List.of(MID, new HookPoint(1, Site.RESID_MID), new HookPoint(1, Site.MLP_OUT))) {
            HookPoint from = at.stream();
            try (PointerScope _ = new PointerScope()) {
                List<Matrix> rows = model.activations(batch, List.of(from, at));
                Tensor start = Tensors.tensor(rows.getFirst().data(), 2, LENGTH, 32);
                KeptRun kept = model.keep(from, start, batch, Map.of());
                Tensor changed = kept.again(ENDS, at, (_, own) -> firstRowMoved(own));
                for (int e = 0; e < ENDS.size(); e++) {
                    KeptRun.End end = ENDS.get(e);
                    float[] whole = whole(batch, at, rows.get(1), end);
                    float[] part =
                            Tensors.floats(model.unembed(changed.narrow(0, e, 1).narrow(1, 0, end.count())));
                    assertArrayEquals(whole, part, 1e-4f, at + " " + end);
                    float[] unmoved = Tensors.floats(model.unembed(
                            kept.residual().narrow(0, end.sequence(), 1).narrow(1, end.first(), end.count())));
                    assertTrue(largestDifference(whole, unmoved) > 0.05, at + " " + end + ": the change has an effect");
                }
            }
        }
    }

    private static Tensor firstRowMoved(Tensor rows) {
        Tensor first = rows.narrow(1, 0, 1).add(new org.bytedeco.pytorch.Scalar(0.5));
        return torch.cat(new TensorVector(first, rows.narrow(1, 1, rows.size(1) - 1)), 1);
    }

    /** Logits at an end's tokens of a whole run in which the end's first row has moved. */
    private static float[] whole(TokenBatch batch, HookPoint at, Matrix rows, KeptRun.End end) {
        float[] moved = rows.data().clone();
        for (int c = 0; c < rows.cols(); c++) {
            moved[rows.offset(end.sequence() * LENGTH + end.first()) + c] += 0.5f;
        }
        Tensor given = Tensors.tensor(moved, 2, LENGTH, rows.cols());
        Tensor logits = model.logits(batch, Map.of(at, (_, _) -> given));
        return Tensors.floats(logits.narrow(0, end.sequence(), 1).narrow(1, end.first(), end.count()));
    }

    private static double largestDifference(float[] a, float[] b) {
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }

    @Test
    void runsSideBySideGiveTheSameBitsAsOneAfterAnother() {
        TokenBatch batch = packed();
        float[][] gradients = new float[6][];
        model.sideBySide(gradients.length, i -> gradients[i] = gradient(batch));
        for (float[] gradient : gradients) {
            assertArrayEquals(gradients[0], gradient);
        }
        float[] alone = gradient(batch);
        assertEquals(0, largestDifference(alone, gradients[0]), 1e-6);
        assertTrue(largestDifference(alone, new float[alone.length]) > 1e-3);
    }

    private static float[] gradient(TokenBatch batch) {
        try (PointerScope _ = new PointerScope()) {
            Tensor rows = Tensors.tensor(model.activations(batch, MID).data(), 2, LENGTH, 32)
                    .set_requires_grad(true);
            model.withGradients(() -> {
                model.logits(batch, Map.of(MID, (_, _) -> rows))
                        .log_softmax(2)
                        .square()
                        .sum()
                        .backward();
                return null;
            });
            return Tensors.floats(rows.grad());
        }
    }
}
