package org.loupe.eval;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.RowSource;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.Truth;
import org.loupe.tensor.Covariance;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Evaluates an SAE on rows: metrics, dictionary geometry, baselines. */
public final class Evaluation {
    private static final long RANDOM_SEED = 1;

    private Evaluation() {}

    /**
     * What to evaluate on.
     *
     * @param rows rows at most, in blocks spread evenly over the source
     * @param batch rows of a block
     * @param truth what made the rows, where that is known; with codes, of all rows of the source
     */
    public record Options(long rows, int batch, @Nullable Truth truth) {
        public static final Options DEFAULT = new Options(1 << 18, 4096, null);

        public Options {
            if (rows < 1 || batch < 1) {
                throw new IllegalArgumentException("evaluation of " + rows + " rows in batches of " + batch);
            }
        }

        public Options withRows(long most) {
            return new Options(most, batch, truth);
        }

        public Options withTruth(Truth known) {
            return new Options(rows, batch, known);
        }
    }

    /** Told now and then how far a stage is. */
    @FunctionalInterface
    public interface Progress {
        Progress NONE = (stage, done, total) -> {};

        /**
         * @param done rows or, while splicing, tokens
         * @param total of so many
         */
        void at(String stage, long done, long total);
    }

    /**
     * Evaluates. The same rows serve every figure: the SAE's and its baselines'. The result does not depend on the number of
     * threads. An autoencoder reads the inputs alone where the rows are pairs; a transcoder needs pairs, and ŷ is measured
     * against their targets.
     *
     * @param rows activations in the units that the SAE was made for
     * @throws BadInput when the rows are of another width, hook point or model than the SAE's, when one is not finite, when all
     *     are equal, or when the SAE is a transcoder and the rows are no pairs
     */
    public static RowEvaluation rows(
            SaeFolder.Loaded loaded, RowSource rows, Options options, Workers workers, Progress progress) {
        Sae sae = loaded.sae();
        boolean transcoder = loaded.transcoder();
        requireFit(loaded, rows, options);
        RowSource source = transcoder ? rows : rows.inputs();
        Pass pass = new Pass(source, options, progress);
        RowMetrics reconstruction = new RowMetrics(sae.dOut());
        LatentMetrics usage = new LatentMetrics(sae.latents());
        Covariance covariance = new Covariance(source.width());
        PartMetrics parts = transcoder ? PartMetrics.NONE : PartMetrics.of(source);
        Truth truth = options.truth();
        TruthMetrics known = truth == null ? null : new TruthMetrics(truth, sae);
        pass.run("rows", sae, workers, (first, row, y, out, latents) -> {
            reconstruction.add(y, out, workers);
            parts.add(y, out, workers);
            usage.add(latents);
            if (known != null) {
                known.add(first, latents);
            }
            covariance.add(row, workers);
        });
        DeadReasons reasons = new DeadReasons(sae, usage.fired(), covariance, workers);
        pass.inputs("dead latents", sae.dIn(), reasons);
        Scores used = usage.scores();
        int k = Baselines.coefficients(sae, used.value(Metric.L0));
        Baselines baselines = transcoder
                ? ofTranscoder(covariance, reconstruction, sae.dIn(), k)
                : ofAutoencoder(pass, sae, covariance, reconstruction, k, workers);
        TruthMetrics.Result found = known == null ? TruthMetrics.Result.NONE : known.result(workers);
        Scores scores = reconstruction
                .scores()
                .with(used)
                .with(reasons.scores())
                .with(Metric.MEAN_TO_SPREAD, DeadReasons.meanToSpread(covariance, sae.dIn()))
                .with(coherence(sae.decoder(), workers))
                .with(found.scores())
                .with(Metric.PCA_COMPONENTS, baselines.pca().componentsFor(reconstruction.fvu()));
        EvalReport report = new EvalReport(
                loaded.info().provenance(),
                new EvalReport.Subject(
                        describe(sae),
                        loaded.info().hookIn(),
                        sae.dIn(),
                        sae.latents(),
                        k,
                        loaded.info().hookOut(),
                        sae.dOut(),
                        transcoder),
                new EvalReport.Window(rows.name(), reconstruction.rows(), rows.rows(), 0, 0, 0),
                scores,
                Scores.NONE,
                baselines.scores(),
                parts.scores(),
                new EvalReport.Histograms(usage.density(), usage.activations()));
        return new RowEvaluation(report, baselines, found.features());
    }

    private static Baselines ofAutoencoder(
            Pass pass, Sae sae, Covariance covariance, RowMetrics reconstruction, int k, Workers workers) {
        PrincipalComponents pca = PrincipalComponents.fit(covariance, k);
        Sae random = RandomDictionary.draw(sae.latents(), k, reconstruction.mean(), RANDOM_SEED, pass.first(), workers);
        RowMetrics randomRows = new RowMetrics(sae.dIn());
        LatentMetrics randomUsage = new LatentMetrics(sae.latents());
        pass.run("random dictionary", random, workers, (first, row, y, out, latents) -> {
            randomRows.add(y, out, workers);
            randomUsage.add(latents);
        });
        return Baselines.of(pca, random, reconstruction, randomRows.scores().with(randomUsage.scores()), k);
    }

    /** @param covariance of rows [x | y] */
    private static Baselines ofTranscoder(Covariance covariance, RowMetrics reconstruction, int dIn, int k) {
        double[] mean = covariance.mean();
        double[][] matrix = covariance.matrix();
        double[][] ofTargets = Arrays.stream(matrix, dIn, mean.length)
                .map(row -> Arrays.copyOfRange(row, dIn, mean.length))
                .toArray(double[][]::new);
        PrincipalComponents pca = PrincipalComponents.fit(Arrays.copyOfRange(mean, dIn, mean.length), ofTargets, k);
        return Baselines.of(pca, LinearMap.fit(mean, matrix, dIn), reconstruction, k);
    }

    private static void requireFit(SaeFolder.Loaded loaded, RowSource rows, Options options) {
        Sae sae = loaded.sae();
        Provenance provenance = loaded.info().provenance();
        if (loaded.transcoder()) {
            rows.requirePairs(sae.dIn(), sae.dOut(), provenance, loaded.info().hookOut(), "the SAE");
        } else {
            rows.inputs().requireMatches(sae.dIn(), provenance, "the SAE");
        }
        if (rows.rows() == 0) {
            throw new BadInput(rows.name() + ": no rows to evaluate");
        }
        Truth truth = options.truth();
        if (truth != null) {
            requireFit(truth, sae, rows);
        }
    }

    private static void requireFit(Truth truth, Sae sae, RowSource rows) {
        Matrix directions = truth.directions();
        if (directions.rows() == 0 || directions.cols() != sae.dOut()) {
            throw new BadInput("the true directions are [" + directions.rows() + " × " + directions.cols()
                    + "], expected at least one, as wide as the decoder's rows: " + sae.dOut());
        }
        Truth.Activity activity = truth.activity();
        if (activity != null && activity.codes().rows() != rows.rows()) {
            throw new BadInput(rows.name() + ": has " + rows.rows() + " rows, but the truth has the codes of "
                    + activity.codes().rows() + "; evaluate on the rows that were made with it");
        }
    }

    private static Scores coherence(Matrix decoder, Workers workers) {
        float[] coherence = MaxCosine.within(decoder, workers);
        return Scores.NONE.with(Metric.COHERENCE_MEAN, mean(coherence)).with(Metric.COHERENCE_MAX, max(coherence));
    }

    static double mean(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        return sum / values.length;
    }

    private static double max(float[] values) {
        double max = Double.NEGATIVE_INFINITY;
        for (float value : values) {
            max = Math.max(max, value);
        }
        return max;
    }

    private static String describe(Sae sae) {
        return switch (sae.activation()) {
            case Activation.TopK topK -> "TopK, k = " + topK.k();
            case Activation.AbsTopK topK -> "AbsTopK, k = " + topK.k();
            case Activation.Relu _ -> "ReLU";
            case Activation.JumpRelu _ -> "JumpReLU";
            case Activation.Gated _ -> "Gated";
            case Activation.SignedGated _ -> "sign-aware Gated";
            case Activation.MatchingPursuit pursuit -> "matching pursuit, " + pursuit.steps() + " steps";
            case Activation.ResidualCodes codes ->
                codes.stages() == 1 ? "vector quantisation" : "residual codes, " + codes.stages() + " stages";
            case Activation.Omp omp -> "orthogonal matching pursuit, " + omp.atoms() + " atoms";
            case Activation.Lasso lasso -> "LASSO, λ = " + lasso.penalty();
        };
    }

    /** The chosen blocks of a source, read in order. */
    private static final class Pass {
        private final RowSource source;
        private final Progress progress;
        private final int batch;
        private final long total;
        private final long blocks;
        private final long chosen;

        Pass(RowSource source, Options options, Progress progress) {
            this.source = source;
            this.progress = progress;
            this.total = Math.min(options.rows(), source.rows());
            this.batch = (int) Math.min(options.batch(), total);
            this.blocks = (source.rows() + batch - 1) / batch;
            this.chosen = (total + batch - 1) / batch;
        }

        @FunctionalInterface
        interface Sink {
            /**
             * @param first row of the source that the block begins with
             * @param row as the source gives it: x, of a transcoder [x | y]
             * @param y what is to be written; of an autoencoder x
             */
            void take(long first, Matrix row, Matrix y, Matrix reconstruction, Latents latents);
        }

        void run(String stage, Sae sae, Workers workers, Sink sink) {
            Encoder encoder = new Encoder(sae, workers);
            Matrix buffer = Matrix.zeros(batch, source.width());
            Matrix out = Matrix.zeros(batch, sae.dOut());
            long done = 0;
            for (long i = 0; i < chosen; i++) {
                Matrix row = read(i, buffer);
                boolean pairs = source.targetWidth() > 0;
                Matrix x = pairs ? row.columns(0, sae.dIn()) : row;
                Matrix y = pairs ? row.columns(sae.dIn(), sae.dOut()) : row;
                Latents latents = encoder.encode(x);
                Decoder.decode(sae, latents, out, workers);
                Decoder.addSkip(sae, x, out, workers);
                sink.take(first(i), row, y, out.head(row.rows()), latents);
                done += row.rows();
                progress.at(stage, done, total);
            }
        }

        /** Gives the inputs of the blocks as long as they are wanted. */
        void inputs(String stage, int dIn, DeadReasons sink) {
            Matrix buffer = Matrix.zeros(batch, source.width());
            long done = 0;
            for (long i = 0; i < chosen && sink.wantsRows(); i++) {
                Matrix row = read(i, buffer);
                sink.add(source.targetWidth() > 0 ? row.columns(0, dIn) : row);
                done += row.rows();
                progress.at(stage, done, total);
            }
        }

        private long first(long i) {
            return i * blocks / chosen * batch;
        }

        Matrix first() {
            return read(0, Matrix.zeros(batch, source.width()));
        }

        /** The i-th of the chosen blocks; the last one is cut where the rows wanted are not a whole number of blocks. */
        private Matrix read(long i, Matrix buffer) {
            long from = first(i);
            int count = (int) Math.min(batch, total - i * batch);
            source.read(from, count, buffer, 0);
            return buffer.head(count);
        }
    }
}
