package org.loupe.train;

import java.util.Locale;

/**
 * What the gradients of a store do to training. ĝ is a row's gradient in the unit in which E‖ĝ‖² = d, over the store.
 */
public record GradientConfig(
        @About(
                "How objective=gradient_weighted weighs e = x − x̂: metric is eᵀ(I + βF)e, F the mean of ĝ ĝᵀ over the store, by a linear map"
                        + " before training that is folded away on saving; token is (|e|² + β ⟨ĝ, e⟩²) / (1 + β) with each row's own ĝ, for"
                        + " comparisons: it makes SAEs worse. ĝ is the gradient in the unit in which the mean of |ĝ|² is d.")
        Form form,

        @About("β of objective=gradient_weighted and of downstream.metric; 0: plain training.")
        double beta,

        @About(
                "β of topk's selection by z (1 + β |⟨w_dec,i , ĝ⟩|) while training, of which z is kept; the saved SAE selects by z (g-SAE,"
                        + " after a summary of arXiv 2411.10397). Takes two dense f32 products a step. 0: by z.")
        double select) {
    /** How the error is weighed. */
    public enum Form {
        /** One matrix for all rows. */
        METRIC,
        /** A matrix of rank 1 for each row. */
        TOKEN
    }

    public GradientConfig {
        TrainConfig.require(beta >= 0 && beta < 1e6, "gradient.beta", beta, "≥ 0 and < 1e6");
        TrainConfig.require(select >= 0 && select < 1e6, "gradient.select", select, "≥ 0 and < 1e6");
    }

    /** Refuses what cannot go together. */
    void check(
            Objective objective,
            DownstreamConfig downstream,
            Architecture architecture,
            Loss loss,
            Whitening whiten,
            boolean cosine) {
        boolean metric = mapsRows(objective, downstream);
        boolean token = addsTerm(objective);
        if (metric || token) {
            TrainConfig.require(
                    !architecture.classic(),
                    "objective",
                    objective.name().toLowerCase(Locale.ROOT),
                    "local for " + architecture.key() + ", which does not descend along gradients");
        }
        if (metric) {
            boolean runs = objective.runsModel();
            String key = runs ? "downstream.metric" : "gradient.form";
            Object value = runs ? true : "metric";
            String instead = runs ? "false" : "token";
            TrainConfig.require(
                    !architecture.tied(),
                    key,
                    value,
                    instead + " for " + architecture.key() + ", whose encoder is its dictionary");
            TrainConfig.require(
                    !cosine, key, value, instead + " with cosine, for the norm is that of the row as it is");
        }
        TrainConfig.require(!token || loss == Loss.SQUARED, "loss", "norm", "squared with gradient.form = token");
        TrainConfig.require(
                select == 0 || architecture == Architecture.TOPK,
                "gradient.select",
                select,
                "0 for " + architecture.key() + ": only topk selects by gradients");
        TrainConfig.require(
                select == 0 || !metric,
                "gradient.select",
                select,
                "0 with gradient.form = metric, which maps the rows");
        TrainConfig.require(
                whiten != Whitening.FULL || !(metric || token || select > 0),
                "input.whiten",
                "full",
                "none or parts where gradients are used: errors have one unit there");
    }

    /** Whether the metric maps the rows. */
    boolean mapsRows(Objective objective, DownstreamConfig downstream) {
        return beta > 0
                && (objective.runsModel()
                        ? downstream.metric()
                        : objective == Objective.GRADIENT_WEIGHTED && form == Form.METRIC);
    }

    /** Whether each row's own gradient adds a term to the loss. */
    boolean addsTerm(Objective objective) {
        return objective == Objective.GRADIENT_WEIGHTED && form == Form.TOKEN && beta > 0;
    }
}
