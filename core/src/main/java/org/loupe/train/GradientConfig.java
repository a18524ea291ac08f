package org.loupe.train;

/**
 * What the gradients of a store do to training. ĝ is a row's gradient in the unit in which E‖ĝ‖² = d, over the store.
 */
public record GradientConfig(
        @About(
                "How objective=gradient_weighted weighs e = x − x̂: metric is eᵀ(I + βF)e, F the mean of ĝ ĝᵀ over the store, by a linear map"
                        + " before training that is folded away on saving; token is (|e|² + β ⟨ĝ, e⟩²) / (1 + β) with each row's own ĝ, for"
                        + " comparisons: it makes SAEs worse. ĝ is the gradient in the unit in which the mean of |ĝ|² is d.")
        Form form,

        @About("β of objective=gradient_weighted; 0: plain training.")
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
    void check(Objective objective, Architecture architecture, Loss loss, Whitening whiten, boolean cosine) {
        boolean metric = weighs(objective, Form.METRIC);
        boolean token = weighs(objective, Form.TOKEN);
        if (metric || token) {
            TrainConfig.require(
                    !architecture.classic(),
                    "objective",
                    "gradient_weighted",
                    "local for " + architecture.key() + ", which does not descend along gradients");
        }
        if (metric) {
            TrainConfig.require(
                    !architecture.tied(),
                    "gradient.form",
                    "metric",
                    "token for " + architecture.key() + ", whose encoder is its dictionary");
            TrainConfig.require(
                    !cosine, "gradient.form", "metric", "token with cosine, for the norm is that of the row as it is");
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

    boolean weighs(Objective objective, Form by) {
        return objective == Objective.GRADIENT_WEIGHTED && form == by && beta > 0;
    }
}
