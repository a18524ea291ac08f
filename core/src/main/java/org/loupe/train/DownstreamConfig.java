package org.loupe.train;

/** What the terms of an objective that runs the model weigh. */
public record DownstreamConfig(
        @About("Weight of the local error in objective=hybrid.")
        double local,

        @About("Weight of KL(as it is ‖ reconstructed) of the next token in objective=hybrid.")
        double kl,

        @About("Weight of the next token's cross-entropy in objective=hybrid.")
        double ce,

        @About("Weight of the error at the residual streams of all later blocks in objective=hybrid.")
        double mse,

        @About(
                "Whether a term's gradient in x̂ is scaled to its weight times the length of the local error's, batch by batch; false: the"
                        + " terms are nats a token, and variance unexplained, as they are.")
        boolean balance,

        @About(
                "Whether rows are mapped by the metric of gradient.beta, which then weighs the local error; needs a store with gradients. Set by --init for an"
                        + " SAE that was trained so.")
        boolean metric) {
    public DownstreamConfig {
        weight("local", local);
        weight("kl", kl);
        weight("ce", ce);
        weight("mse", mse);
        TrainConfig.require(kl + ce + mse > 0, "downstream.kl", kl, "> 0 where downstream.ce and downstream.mse are 0");
    }

    private static void weight(String key, double value) {
        TrainConfig.require(value >= 0 && value < 1e6, "downstream." + key, value, "≥ 0 and < 1e6");
    }

    /** The weights that an objective gives them. */
    public DownstreamConfig of(Objective objective) {
        return switch (objective) {
            case HYBRID, LOCAL, GRADIENT_WEIGHTED -> this;
            case KL -> new DownstreamConfig(0, 1, 0, 0, balance, metric);
            case CE -> new DownstreamConfig(0, 0, 1, 0, balance, metric);
            case DOWNSTREAM_MSE -> new DownstreamConfig(0, 0, 0, 1, balance, metric);
        };
    }

    /** The weight of a term. */
    public double weight(Judge.Kind kind) {
        return switch (kind) {
            case KL -> kl;
            case CE -> ce;
            case MSE -> mse;
        };
    }
}
