package org.loupe.causal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.HookPoint.Site;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.Precision;
import org.loupe.lm.Tensors;
import org.loupe.lm.TokenBatch;
import org.loupe.lm.ToyModel;
import org.loupe.tensor.Matrix;
import org.loupe.train.DownstreamConfig;
import org.loupe.train.Judge;
import org.loupe.train.JudgedRows;

/** Judged losses against sums in double over whole runs, and their gradients against finite differences. */
class DownstreamTest {
    private static final HookPoint MID = HookPoint.residPost(0);
    private static final int LENGTH = 14;
    private static final int ROWS = 11; // tokens of documents in the one sequence
    private static final DownstreamConfig ALL = new DownstreamConfig(0, 1, 1, 1, true, false);

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

    private static TokenBatch sequence(long seed) {
        int[] ids = new SplittableRandom(seed).ints(LENGTH, 0, 300).toArray();
        int[] segments = {0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, -1, -1};
        return new TokenBatch(ids, 1, LENGTH, segments);
    }

    private static SplicePoints at(HookPoint... hooks) {
        return new SplicePoints(
                List.of(hooks),
                hooks.length - 1,
                IntStream.range(0, hooks.length).mapToObj(_ -> 0.0).toList());
    }

    private static Downstream one(SplicePoints points) {
        return new Downstream(model, points, List.of(sequence(3)), ROWS, 1, ALL);
    }

    private static Map<Judge.Kind, Judge.Term> terms(JudgedRows.Batch batch, Matrix reconstruction) {
        Judge judge = Objects.requireNonNull(batch.judge());
        Map<Judge.Kind, Judge.Term> terms = new HashMap<>();
        judge.of(reconstruction).forEach(term -> terms.put(term.kind(), term));
        return terms;
    }

    private static Judge.Term term(Map<Judge.Kind, Judge.Term> terms, Judge.Kind kind) {
        return Objects.requireNonNull(terms.get(kind));
    }

    private static Matrix moved(Matrix rows, long seed, double by) {
        SplittableRandom random = new SplittableRandom(seed);
        Matrix out = new Matrix(rows.rows(), rows.cols(), rows.data().clone());
        for (int i = 0; i < out.data().length; i++) {
            out.data()[i] += (float) random.nextDouble(-by, by);
        }
        return out;
    }

    /** What a whole run gives with rows in place of the documents' own: log p [tokens][vocabulary] and the last block's rows. */
    private static Matrix[] run(HookPoint written, Matrix rows) {
        TokenBatch tokens = sequence(3);
        Matrix[] seen = new Matrix[2];
        Map<HookPoint, Hook> hooks = new HashMap<>();
        hooks.put(written, (_, own) -> {
            Matrix all = Tensors.matrix(own);
            System.arraycopy(rows.data(), 0, all.data(), all.offset(1), rows.data().length);
            return Tensors.tensor(all.data(), 1, LENGTH, all.cols());
        });
        List<HookPoint> later = List.of(HookPoint.residPost(1), HookPoint.residPost(2));
        for (int i = 0; i < 2; i++) {
            int number = i;
            hooks.put(later.get(i), (_, own) -> {
                seen[number] = Tensors.matrix(own);
                return own;
            });
        }
        try (PointerScope _ = new PointerScope()) {
            Matrix logP = Tensors.matrix(model.logits(tokens, hooks).log_softmax(2));
            return new Matrix[] {logP, seen[0], seen[1]};
        }
    }

    @Test
    void lossesAreThoseOfAWholeRun() {
        JudgedRows.Batch batch = one(at(MID)).at(0);
        assertArrayEquals(
                Arrays.copyOfRange(model.activations(sequence(3), MID).data(), 32, 32 * (ROWS + 1)),
                batch.rows().data(),
                1e-5f);
        Matrix other = moved(batch.rows(), 5, 0.4);
        Map<Judge.Kind, Judge.Term> terms = terms(batch, other);
        Matrix[] clean = run(MID, batch.rows());
        Matrix[] spliced = run(MID, other);
        int[] predicting = sequence(3).predicting();
        double kl = 0;
        double ce = 0;
        for (int row : predicting) {
            for (int t = 0; t < 300; t++) {
                kl += Math.exp(clean[0].at(row, t)) * (clean[0].at(row, t) - spliced[0].at(row, t));
            }
            ce -= spliced[0].at(row, sequence(3).ids()[row + 1]);
        }
        double mse = 0;
        for (int layer = 1; layer <= 2; layer++) {
            double error = 0;
            double spread = 0;
            for (int c = 0; c < 32; c++) {
                double mean = 0;
                for (int row = 1; row <= ROWS; row++) {
                    mean += clean[layer].at(row, c) / ROWS;
                }
                for (int row = 1; row <= ROWS; row++) {
                    error += Math.pow(spliced[layer].at(row, c) - clean[layer].at(row, c), 2);
                    spread += Math.pow(clean[layer].at(row, c) - mean, 2);
                }
            }
            mse += error / spread / 2;
        }
        assertEquals(kl / predicting.length, term(terms, Judge.Kind.KL).loss(), 1e-4 * kl);
        assertEquals(ce / predicting.length, term(terms, Judge.Kind.CE).loss(), 1e-5 * ce);
        assertEquals(mse, term(terms, Judge.Kind.MSE).loss(), 1e-4 * mse);
        assertTrue(kl > 0.01 && mse > 1e-3);
        assertEquals(0, term(terms(batch, batch.rows()), Judge.Kind.KL).loss(), 1e-6);
    }

    @Test
    void gradientsEqualFiniteDifferences() {
        SplicePoints transcoder = at(new HookPoint(1, Site.LN2_NORMALIZED), new HookPoint(1, Site.MLP_OUT));
        for (SplicePoints points : List.of(at(MID), transcoder)) {
            JudgedRows.Batch batch = one(points).at(0);
            int width = batch.rows().cols();
            Matrix start = moved(batch.rows().columns(width - 32, 32), 6, 0.3);
            Map<Judge.Kind, Judge.Term> terms = terms(batch, start);
            for (Judge.Kind kind : Judge.Kind.values()) {
                Matrix gradient = term(terms, kind).gradient();
                SplittableRandom random = new SplittableRandom(9);
                for (int n = 0; n < 8; n++) {
                    double[] direction =
                            random.doubles(start.data().length, -1, 1).toArray();
                    double slope = 0;
                    Matrix up = new Matrix(start.rows(), 32, start.data().clone());
                    Matrix down = new Matrix(start.rows(), 32, start.data().clone());
                    double step = 5e-3;
                    for (int i = 0; i < direction.length; i++) {
                        slope += direction[i] * gradient.data()[i];
                        up.data()[i] += (float) (step * direction[i]);
                        down.data()[i] -= (float) (step * direction[i]);
                    }
                    double difference = (term(terms(batch, up), kind).loss()
                                    - term(terms(batch, down), kind).loss())
                            / (2 * step);
                    double size = Math.sqrt(IntStream.range(0, direction.length)
                            .mapToDouble(i -> gradient.data()[i] * gradient.data()[i])
                            .sum());
                    assertEquals(slope, difference, 0.02 * size, kind + " at " + points.hooks());
                    assertTrue(size > 1e-4);
                }
            }
        }
    }

    @Test
    void aStepIsAFunctionOfItsNumberAndEveryPassTakesEverySequenceOnce() {
        List<TokenBatch> text = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            text.add(sequence(100 + i));
        }
        Downstream some = new Downstream(model, at(MID), text, 2 * ROWS - 4, 1, ALL); // two sequences a step
        Downstream same = new Downstream(model, at(MID), text, 2 * ROWS - 4, 1, ALL);
        Set<Float> firsts = new HashSet<>();
        for (int step = 0; step < 5; step++) {
            Matrix rows = some.at(step).rows();
            firsts.add(rows.at(0, 0));
            firsts.add(rows.at(ROWS, 0));
        }
        assertEquals(10, firsts.size());
        assertArrayEquals(some.at(7).rows().data(), same.at(7).rows().data());
        assertTrue(!Arrays.equals(some.at(0).rows().data(), some.at(5).rows().data()), "another order");
    }

    @Test
    void whatCannotBeDoneIsRefused() {
        assertThrows(BadInput.class, () -> new Downstream(model, at(MID), List.of(sequence(1)), ROWS + 1, 1, ALL));
        assertThrows(
                BadInput.class,
                () -> new Downstream(model, at(HookPoint.residPost(2)), List.of(sequence(1)), ROWS, 1, ALL));
    }
}
