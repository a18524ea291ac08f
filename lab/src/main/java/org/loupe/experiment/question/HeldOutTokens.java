package org.loupe.experiment.question;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.SplicePoints;
import org.loupe.eval.Reconstruction;
import org.loupe.experiment.RealModel;
import org.loupe.lm.HookPoint;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The tokens of unseen text one by one: how hard each is, whatever SAE there is, and what an SAE makes of it. They are those whose row is
 * replaced and whose next token is of the same document.
 */
final class HeldOutTokens {
    private static final String ONE = "one";

    private final RealModel real;
    private final ActivationStore store;
    private final Workers workers;
    private final Difficulty difficulty;

    /**
     * How hard each token is; all [n].
     *
     * @param loss −log p of the next token, of the model as it is, nats
     * @param norm ‖x‖
     * @param frequency share of the store's tokens that are this one
     * @param variation ‖x − μ‖², μ the mean of these rows
     * @param meanIncrease of the loss where the store's mean row stands in for all rows, nats
     */
    record Difficulty(double[] loss, double[] norm, double[] frequency, double[] variation, double[] meanIncrease) {}

    /**
     * What an SAE makes of each token; all [n].
     *
     * @param active latents
     * @param error ‖x − x̂‖²
     * @param increase of the loss, nats
     * @param kl of the next token's distribution, nats
     */
    record Coded(double[] active, double[] error, double[] increase, double[] kl) {}

    /** What a replacement gives for the rows of a batch, beside x̂. */
    private record Batch(Matrix x, Matrix out, double[] active) {}

    /** Token by token, in order. */
    private record Token(int id, float[] x, double active, double error, double loss, double increase, double kl) {}

    HeldOutTokens(RealModel real, HookPoint hook, ActivationStore store, Workers workers) {
        this.real = real;
        this.store = store;
        this.workers = workers;
        float[] mean = RealModel.mean(store);
        SplicePoints points = new SplicePoints(
                List.of(hook), 0, List.of(store.info().normLimits().getOrDefault(hook.toString(), 0.0)));
        List<Token> tokens = tokens(points, (x, out) -> {
            Reconstruction.constant(mean).apply(x, out);
            return new double[x.rows()];
        });
        this.difficulty = difficulty(tokens);
    }

    Difficulty difficulty() {
        return difficulty;
    }

    Coded coded(SaeFolder.Loaded loaded) {
        Sae sae = loaded.sae();
        Encoder encoder = new Encoder(sae, workers);
        SplicePoints points = SplicePoints.of(loaded, real.model(), store.info().normLimits());
        List<Token> tokens = tokens(points, (x, out) -> {
            Latents latents = encoder.encode(x);
            Decoder.decode(sae, latents, out, workers);
            return IntStream.range(0, x.rows())
                    .mapToDouble(r -> latents.starts()[r + 1] - latents.starts()[r])
                    .toArray();
        });
        return new Coded(
                tokens.stream().mapToDouble(Token::active).toArray(),
                tokens.stream().mapToDouble(Token::error).toArray(),
                tokens.stream().mapToDouble(Token::increase).toArray(),
                tokens.stream().mapToDouble(Token::kl).toArray());
    }

    /** Fills x̂ and gives the number of active latents of each row. */
    @FunctionalInterface
    private interface Counted {
        double[] apply(Matrix x, Matrix out);
    }

    private List<Token> tokens(SplicePoints points, Counted replacement) {
        List<Token> all = new ArrayList<>();
        @Nullable Batch[] last = {null};
        Reconstruction kept = (x, out) -> last[0] = new Batch(x, out, replacement.apply(x, out));
        real.splice(points, store, Map.of(ONE, kept), (_, batch, rows, at, next) -> {
            Batch given = last[0];
            if (given == null) {
                throw new IllegalStateException("told of tokens before they were replaced");
            }
            for (int i = 0; i < at.length; i++) {
                int row = Arrays.binarySearch(rows, at[i]);
                if (row >= 0) {
                    float[] x = Arrays.copyOfRange(
                            given.x.data(), given.x.offset(row), given.x.offset(row) + given.x.cols());
                    all.add(new Token(
                            batch.ids()[at[i]],
                            x,
                            given.active[row],
                            distance(x, given.out, row),
                            next.cleanCe()[i],
                            next.ce()[i] - next.cleanCe()[i],
                            next.kl()[i]));
                }
            }
        });
        return all;
    }

    private Difficulty difficulty(List<Token> tokens) {
        Matrix mean = Matrix.zeros(1, store.width());
        for (Token token : tokens) {
            for (int c = 0; c < mean.cols(); c++) {
                mean.data()[c] += token.x[c] / tokens.size();
            }
        }
        Matrix origin = Matrix.zeros(1, store.width());
        Map<Integer, Integer> counts = new HashMap<>();
        for (int token : store.tokens(0, Math.toIntExact(store.rows()))) {
            counts.merge(token, 1, Integer::sum);
        }
        return new Difficulty(
                tokens.stream().mapToDouble(Token::loss).toArray(),
                tokens.stream()
                        .mapToDouble(t -> Math.sqrt(distance(t.x, origin, 0)))
                        .toArray(),
                tokens.stream()
                        .mapToDouble(t -> (double) counts.getOrDefault(t.id, 0) / store.rows())
                        .toArray(),
                tokens.stream().mapToDouble(t -> distance(t.x, mean, 0)).toArray(),
                tokens.stream().mapToDouble(Token::increase).toArray());
    }

    private static double distance(float[] x, Matrix other, int row) {
        double sum = 0;
        for (int c = 0; c < x.length; c++) {
            double difference = (double) x[c] - other.at(row, c);
            sum += difference * difference;
        }
        return sum;
    }
}
