package org.loupe.lm;

/**
 * Tokens that directions in the residual stream promote and suppress most, and their scores ({@link LanguageModel#logitLens}), row
 * by row.
 *
 * @param top tokens a row at either end
 * @param promoted {@code [count × top]} token ids, largest score first
 * @param promotedScores their scores
 * @param suppressed {@code [count × top]} token ids, smallest score first
 * @param suppressedScores their scores
 */
public record LogitLens(int top, int[] promoted, float[] promotedScores, int[] suppressed, float[] suppressedScores) {}
