package org.loupe.eval;

/**
 * An evaluation on rows: the report as it stands without a model, and the fitted baselines for those who go on to splice.
 *
 * @param report complete for use without a model
 * @param baselines fitted on the rows that were evaluated
 */
public record RowEvaluation(EvalReport report, Baselines baselines) {}
