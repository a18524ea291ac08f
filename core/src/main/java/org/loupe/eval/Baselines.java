package org.loupe.eval;

import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.sae.Sae;
import org.loupe.tensor.Workers;

/**
 * What an SAE is judged against, fitted on the rows that it is evaluated on. Each spends the same number k of coefficients on
 * a row: PCA the same k directions for every row, the random dictionary k of as many latents as the SAE has.
 *
 * <p>A transcoder's PCA is of the targets, which it sees and the transcoder does not: a bound. What it has to beat is the
 * linear map from inputs to targets, which stands in the place of the random dictionary.
 *
 * @param pca k principal components of what is to be written
 * @param rival the baseline of this kind of SAE beside PCA and mean
 * @param scores figures of each baseline by name: {@link #PCA}, {@link #RANDOM} or {@link #LINEAR}, {@link #MEAN}
 */
public record Baselines(PrincipalComponents pca, Rival rival, Map<String, Scores> scores) {
    /** What may choose for every row as an SAE may, or see no more than a transcoder sees. */
    public sealed interface Rival {
        /** A random dictionary, of an autoencoder. */
        record Dictionary(Sae random) implements Rival {}

        /** The linear map from inputs to targets, of a transcoder. */
        record Linear(LinearMap map) implements Rival {}
    }

    public static final String PCA = "pca";
    public static final String RANDOM = "random";
    public static final String LINEAR = "linear";
    public static final String MEAN = "mean";

    /** Coefficients that a baseline may spend on a row: the SAE's k, or its mean L0 where k is not fixed. */
    static int coefficients(Sae sae, double l0) {
        int most = sae.activation().most();
        return most > 0 ? Math.min(most, sae.latents()) : (int) Math.max(1, Math.round(l0));
    }

    /**
     * Puts an autoencoder's baselines together.
     *
     * @param rows the SAE's own metrics, for μ and the variation of the rows
     * @param randomScores figures of the random dictionary on the same rows
     */
    static Baselines of(PrincipalComponents pca, Sae random, RowMetrics rows, Scores randomScores, int coefficients) {
        return of(pca, new Rival.Dictionary(random), RANDOM, randomScores, rows, coefficients);
    }

    /** Puts a transcoder's baselines together. */
    static Baselines of(PrincipalComponents pca, LinearMap map, RowMetrics rows, int coefficients) {
        Scores linear = ofFvu(map.fvu(), rows, pca.mean().length);
        return of(pca, new Rival.Linear(map), LINEAR, linear, rows, coefficients);
    }

    private static Baselines of(
            PrincipalComponents pca,
            Rival rival,
            String rivalName,
            Scores rivalScores,
            RowMetrics rows,
            int coefficients) {
        int width = pca.mean().length;
        Map<String, Scores> scores = new LinkedHashMap<>();
        scores.put(PCA, ofFvu(pca.fvu(coefficients), rows, width).with(Metric.L0, coefficients));
        scores.put(rivalName, rivalScores);
        scores.put(MEAN, ofFvu(1, rows, width).with(Metric.L0, 0));
        return new Baselines(pca, rival, scores);
    }

    private static Scores ofFvu(double fvu, RowMetrics rows, int width) {
        double perRow = rows.variation() / rows.rows();
        return Scores.NONE
                .with(Metric.FVU, fvu)
                .with(Metric.EXPLAINED_VARIANCE, 1 - fvu)
                .with(Metric.MSE, fvu * perRow)
                .with(Metric.MSE_PER_ELEMENT, fvu * perRow / width);
    }

    /** The baselines as reconstructions, by name, for splicing into a model: a transcoder's are of rows [x | y]. */
    public Map<String, Reconstruction> reconstructions(Workers workers) {
        float[] mean = new float[pca.mean().length];
        for (int c = 0; c < mean.length; c++) {
            mean[c] = (float) pca.mean()[c];
        }
        Map<String, Reconstruction> all = new LinkedHashMap<>();
        switch (rival) {
            case Rival.Dictionary dictionary -> {
                all.put(PCA, pca);
                all.put(RANDOM, Reconstruction.of(dictionary.random(), workers));
            }
            case Rival.Linear linear -> {
                int dIn = linear.map().meanIn().length;
                all.put(PCA, pca.ofColumns(dIn, mean.length));
                all.put(LINEAR, linear.map().ofColumns(0, dIn));
            }
        }
        all.put(MEAN, Reconstruction.constant(mean));
        return all;
    }
}
