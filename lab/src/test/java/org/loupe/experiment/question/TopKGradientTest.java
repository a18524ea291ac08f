package org.loupe.experiment.question;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.loupe.experiment.Answer;
import org.loupe.experiment.Scale;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

class TopKGradientTest {
    private static final int D = 5;
    private static final int M = 12;
    private static final int K = 3;
    private static final int N = 40;

    /** The mean error of the definition, dense and in double, and each row's winners. */
    private record Dense(double[] errors, int[][] winners) {
        static Dense of(Sae sae, Matrix rows, Matrix direction, double size) {
            double[] errors = new double[N];
            int[][] winners = new int[N][];
            for (int r = 0; r < N; r++) {
                double[] z = new double[M];
                for (int i = 0; i < M; i++) {
                    z[i] = sae.encoderBias()[i];
                    for (int c = 0; c < D; c++) {
                        z[i] += (sae.encoder().at(i, c) + size * direction.at(i, c))
                                * (rows.at(r, c) - sae.decoderBias()[c]);
                    }
                }
                winners[r] = IntStream.range(0, M)
                        .filter(i -> z[i] > 0)
                        .boxed()
                        .sorted(Comparator.comparingDouble(i -> -z[i]))
                        .limit(K)
                        .mapToInt(Integer::intValue)
                        .sorted()
                        .toArray();
                for (int c = 0; c < D; c++) {
                    double error = sae.decoderBias()[c] - rows.at(r, c);
                    for (int i : winners[r]) {
                        error += z[i] * sae.decoder().at(i, c);
                    }
                    errors[r] += error * error;
                }
            }
            return new Dense(errors, winners);
        }
    }

    private static Matrix random(int rows, Random random) {
        Matrix matrix = Matrix.zeros(rows, D);
        for (int i = 0; i < matrix.data().length; i++) {
            matrix.data()[i] = (float) random.nextGaussian();
        }
        return matrix;
    }

    @Test
    void aStepIsWhatTheDefinitionGives() {
        Random random = new Random(5);
        float[] bias = random(3, random).data();
        Sae sae = new Sae(
                random(M, random),
                Arrays.copyOf(bias, M),
                random(M, random),
                Arrays.copyOf(bias, D),
                new Activation.TopK(K),
                true);
        Matrix rows = random(N, random);
        try (Workers workers = new Workers(2)) {
            WinnerChanges changes = new WinnerChanges(sae, rows, workers);
            Matrix direction = changes.direction();
            double tiny = 1e-6; // no winner changes
            double promised = quotient(sae, rows, direction, tiny);
            for (int i = 0; i < M; i++) {
                for (int c = 0; c < D; c++) {
                    Matrix one = Matrix.zeros(M, D);
                    one.data()[i * D + c] = 1;
                    assertEquals(
                            Math.signum(quotient(sae, rows, one, tiny)), direction.at(i, c), "weight " + i + ", " + c);
                }
            }
            double size = 0.05;
            WinnerChanges.Step step = changes.step(direction, size);
            assertEquals(quotient(sae, rows, direction, size) / promised, step.ratio(), 1e-4);
            Dense here = Dense.of(sae, rows, direction, 0);
            Dense down = Dense.of(sae, rows, direction, -size);
            long other = IntStream.range(0, N)
                    .filter(r -> !Arrays.equals(here.winners[r], down.winners[r]))
                    .count();
            assertTrue(other > 0 && other < N, "the case has rows of both kinds");
            assertEquals((double) other / N, step.changed(), 1e-12);
            assertEquals(1, step.kept(), 1e-5, "a kept row’s error is a parabola in the step; moved weights are f32");
        }
    }

    private static double quotient(Sae sae, Matrix rows, Matrix direction, double size) {
        double up = Arrays.stream(Dense.of(sae, rows, direction, size).errors).sum();
        double down =
                Arrays.stream(Dense.of(sae, rows, direction, -size).errors).sum();
        return (up - down) / (2 * size);
    }

    private static Answer answer(MadeUp made, int seeds) {
        TopKGradientQuestion question = new TopKGradientQuestion();
        return question.answer(made.trials(), new Scale(false, seeds));
    }

    private static MadeUp slopes(double... ratio) {
        double[] kept = new double[ratio.length];
        Arrays.fill(kept, 1);
        return new MadeUp()
                .with(TopKGradientQuestion.TIES, TopKGradientQuestion.TRAINED_REAL, TopKGradientQuestion.RATIO, ratio)
                .with(TopKGradientQuestion.TIES, TopKGradientQuestion.TRAINED_REAL, TopKGradientQuestion.KEPT, kept);
    }

    private static MadeUp fvu(MadeUp made, String variant, double... values) {
        return made.with(TopKGradientQuestion.REAL, variant, TopKGradientQuestion.FVU, values);
    }

    @Test
    void oneSeedCannotTell() {
        String verdict = answer(
                        fvu(fvu(slopes(1.7), TopKGradientQuestion.TOPK, 0.2), TopKGradientQuestion.SOFT, 0.1), 1)
                .verdict();
        assertTrue(verdict.contains("one seed cannot tell whether that is other than 1"), verdict);
        assertTrue(verdict.contains("helps one seed cannot tell"), verdict);
    }

    @Test
    void theVerdictSaysWhichWayWhatIsLeftOutPoints() {
        assertTrue(answer(slopes(1.7, 1.71, 1.69), 3).verdict().contains("points the same way"));
        assertTrue(answer(slopes(0.7, 0.71, 0.69), 3).verdict().contains("works against it"));
        assertTrue(answer(slopes(-0.7, -0.71, -0.69), 3).verdict().contains("raises the error"));
        assertTrue(answer(slopes(0.7, 1.7, 1.1), 3).verdict().contains("nothing that these seeds can tell"));
    }

    @Test
    void theVerdictSaysWhetherSofteningHelps() {
        MadeUp better = fvu(slopes(1.7, 1.71, 1.69), TopKGradientQuestion.TOPK, 0.2, 0.21, 0.19);
        fvu(better, TopKGradientQuestion.SOFT, 0.1, 0.11, 0.09);
        String helps = answer(better, 3).verdict();
        assertTrue(helps.contains("Softening the choice helps: softmax-relaxed has FVU 0.100 against 0.200"), helps);

        MadeUp worse = fvu(slopes(1.7, 1.71, 1.69), TopKGradientQuestion.TOPK, 0.2, 0.21, 0.19);
        fvu(worse, TopKGradientQuestion.SOFT, 0.3, 0.31, 0.29);
        String not = answer(worse, 3).verdict();
        assertTrue(not.contains("every variant reconstructs worse"), not);

        MadeUp unclear = fvu(slopes(1.7, 1.71, 1.69), TopKGradientQuestion.TOPK, 0.2, 0.21, 0.19);
        fvu(unclear, TopKGradientQuestion.SOFT, 0.1, 0.31, 0.2);
        String open = answer(unclear, 3).verdict();
        assertTrue(open.contains("cannot be told at this size"), open);
    }
}
