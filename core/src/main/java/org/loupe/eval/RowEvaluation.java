package org.loupe.eval;

import java.util.List;

/**
 * An evaluation on rows: the report as it stands without a model, and the fitted baselines for those who go on to splice.
 *
 * @param report complete for use without a model
 * @param baselines fitted on the rows that were evaluated
 * @param features what became of each true feature, in order; empty where it is not known when they fire
 */
public record RowEvaluation(EvalReport report, Baselines baselines, List<TrueFeature> features) {}
