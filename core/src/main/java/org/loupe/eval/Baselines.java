package org.loupe.eval;

import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.sae.Sae;
import org.loupe.tensor.Workers;

/**
 * What an SAE is judged against, fitted on the rows that it is evaluated on. Each spends the same number k of coefficients on
 * a row: PCA the same k directions for every row, the random dictionary k of as many latents as the SAE has.
 *
 * @param pca k principal components
 * @param random a random dictionary with the SAE's number of latents and k
 * @param scores figures of each baseline by name: {@link #PCA}, {@link #RANDOM}, {@link #MEAN}
 */
public record Baselines(PrincipalComponents pca, Sae random, Map<String, Scores> scores) {
    public static final String PCA = "pca";
    public static final String RANDOM = "random";
    public static final String MEAN = "mean";

    /** Coefficients that a baseline may spend on a row: the SAE's k, or its mean L0 where k is not fixed. */
    static int coefficients(Sae sae, double l0) {
        int most = sae.activation().most();
        return most > 0 ? Math.min(most, sae.latents()) : (int) Math.max(1, Math.round(l0));
    }

    /**
     * Puts the figures together.
     *
     * @param rows the SAE's own metrics, for μ and the variation of the rows
     * @param randomScores figures of the random dictionary on the same rows
     */
    static Baselines of(PrincipalComponents pca, Sae random, RowMetrics rows, Scores randomScores, int coefficients) {
        double perRow = rows.variation() / rows.rows();
        Map<String, Scores> scores = new LinkedHashMap<>();
        scores.put(PCA, linear(coefficients, pca.fvu(coefficients), perRow, pca.mean().length));
        scores.put(RANDOM, randomScores);
        scores.put(MEAN, linear(0, 1, perRow, pca.mean().length));
        return new Baselines(pca, random, scores);
    }

    private static Scores linear(int coefficients, double fvu, double perRow, int width) {
        return Scores.NONE
                .with(Metric.L0, coefficients)
                .with(Metric.FVU, fvu)
                .with(Metric.EXPLAINED_VARIANCE, 1 - fvu)
                .with(Metric.MSE, fvu * perRow)
                .with(Metric.MSE_PER_ELEMENT, fvu * perRow / width);
    }

    /** The baselines as reconstructions, by name, for splicing into a model. */
    public Map<String, Reconstruction> reconstructions(Workers workers) {
        float[] mean = new float[pca.mean().length];
        for (int c = 0; c < mean.length; c++) {
            mean[c] = (float) pca.mean()[c];
        }
        Map<String, Reconstruction> all = new LinkedHashMap<>();
        all.put(PCA, pca);
        all.put(RANDOM, Reconstruction.of(random, workers));
        all.put(MEAN, Reconstruction.constant(mean));
        return all;
    }
}
