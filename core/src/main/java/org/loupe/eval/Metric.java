package org.loupe.eval;

import java.util.Locale;

/**
 * Every figure of an evaluation: its key in JSON, how people read it, and one line of definition. docs/metrics.md holds the
 * formulas and how other projects' metrics of the same name differ.
 */
public enum Metric {
    L0("l0", "L0", "latents/row", 2, "mean number of active latents of a row"),
    FVU("fvu", "FVU", "", 4, "Σ‖x−x̂‖² / Σ‖x−μ‖² over all rows, μ their mean; 0 is perfect, 1 is the mean"),
    EXPLAINED_VARIANCE("explained_variance", "explained variance", "", 4, "1 − FVU"),
    MSE("mse", "MSE", "squared activation units per row", 4, "mean over rows of Σ (x−x̂)²"),
    MSE_PER_ELEMENT("mse_per_element", "MSE per element", "squared activation units", 5, "MSE divided by the width"),
    COSINE("cosine", "cosine", "", 4, "mean over rows of the cosine of x and x̂"),
    RELATIVE_BIAS("relative_bias", "relative bias γ", "", 4, "Σ‖x̂‖² / Σ x̂·x; below 1 is shrinkage"),
    L1("l1", "L1", "activation units per row", 3, "mean over rows of Σ|f|"),
    PCA_COMPONENTS(
            "pca_components_for_same_fvu",
            "PCA rank, same FVU",
            "components",
            0,
            "fewest principal components whose FVU is as low"),
    DEAD_FRACTION("dead_fraction", "dead latents", "%", 2, "share of latents that fired on none of the rows"),
    DEAD_TURNED_AWAY(
            "dead_turned_away",
            "dead: turned away",
            "latents",
            0,
            "dead, and the pre-activation’s mean is more than 4 of its standard deviations below the threshold"),
    DEAD_THRESHOLD_TOO_HIGH(
            "dead_threshold_too_high",
            "dead: threshold",
            "latents",
            0,
            "dead, and the pre-activation comes near its threshold but on no row above it"),
    DEAD_NEVER_WON(
            "dead_never_won",
            "dead: never won",
            "latents",
            0,
            "dead, and above 0 on some row, never among the k largest"),
    MEAN_TO_SPREAD(
            "mean_to_spread", "mean / spread of x", "", 3, "‖μ‖ / √E‖x−μ‖² of the inputs; large ones kill latents"),
    COHERENCE_MEAN("coherence_mean", "coherence, mean", "", 4, "mean over latents of the largest |cosine| to another"),
    COHERENCE_MAX("coherence_max", "coherence, largest", "", 4, "largest |cosine| of two decoder rows"),
    CE_CLEAN("ce_clean", "CE clean", "nats/token", 4, "next-token cross-entropy of the model as it is"),
    CE_SPLICED("ce_spliced", "CE spliced", "nats/token", 4, "the same with x̂ in place of x at the hook point"),
    CE_MEAN("ce_mean", "CE mean-ablated", "nats/token", 4, "the same with the mean row in place of x"),
    CE_ZERO("ce_zero", "CE zero-ablated", "nats/token", 4, "the same with zeros in place of x"),
    CE_INCREASE("ce_increase", "CE increase", "nats/token", 4, "CE spliced − CE clean"),
    CE_INCREASE_ERROR(
            "ce_increase_error",
            "CE increase, ±",
            "nats/token",
            4,
            "standard error of the CE increase, over sequences"),
    CE_RECOVERED_MEAN("ce_recovered_mean", "CE recovered, mean", "%", 2, "(CE mean − spliced) / (CE mean − clean)"),
    CE_RECOVERED_ZERO("ce_recovered_zero", "CE recovered, zero", "%", 2, "(CE zero − spliced) / (CE zero − clean)"),
    KL("kl", "KL", "nats/token", 4, "KL(clean ‖ spliced) of the next-token distributions, mean over tokens"),
    KL_ERROR("kl_error", "KL, ±", "nats/token", 4, "standard error of the KL, over sequences"),
    TOP1_AGREEMENT("top1_agreement", "top-1 agreement", "%", 2, "share of tokens whose most likely successor stays"),
    MMCS("mmcs", "MMCS", "", 4, "mean over true directions of the largest cosine to a decoder row"),
    MMCS_LATENTS(
            "mmcs_latents", "MMCS of latents", "", 4, "mean over decoder rows of the largest cosine to a true one"),
    MATCH_COSINE(
            "match_cosine", "matched cosine", "", 4, "mean cosine of true features and latents, matched one to one"),
    RECOVERED_FRACTION(
            "recovered_fraction",
            "recovered features",
            "%",
            2,
            "share of true features with a matched cosine above 0.9"),
    UNIQUENESS("uniqueness", "uniqueness", "", 4, "true features that are nearest to some latent, per latent"),
    TRUTH_PRECISION(
            "truth_precision", "precision", "", 4, "rows on which feature and latent fire / on which the latent fires"),
    TRUTH_RECALL("truth_recall", "recall", "", 4, "rows on which feature and latent fire / on which the feature fires"),
    TRUTH_F1("truth_f1", "F1", "", 4, "harmonic mean of both; all three are means over the features that fire"),
    TRUTH_SHRINKAGE(
            "truth_shrinkage",
            "shrinkage",
            "",
            4,
            "slope of activations against the true ones, of recovered features; 1 is none"),
    SPLITTING("splitting", "latents per feature", "", 3, "mean number of near latents that cover a feature together"),
    ABSORPTION("absorption", "absorption", "%", 2, "share of rows with a child on which the parent’s latent is silent"),
    ABSORPTION_ALONE(
            "absorption_alone", "silent without child", "%", 2, "the same on rows where the parent fires alone");

    private final String key;
    private final String label;
    private final String unit;
    private final int decimals;
    private final String definition;

    Metric(String key, String label, String unit, int decimals, String definition) {
        this.key = key;
        this.label = label;
        this.unit = unit;
        this.decimals = decimals;
        this.definition = definition;
    }

    /** The key in {@code eval.json}. */
    public String key() {
        return key;
    }

    /** The name that people read. */
    public String label() {
        return label;
    }

    /** Unit; empty where the figure is a pure number. Fractions are shown as % and stored as fractions. */
    public String unit() {
        return unit;
    }

    /** One line of definition. */
    public String definition() {
        return definition;
    }

    /** A value as people read it, without the unit unless that is %. */
    public String format(double value) {
        boolean percent = unit.equals("%");
        return String.format(Locale.ROOT, "%,." + decimals + "f", percent ? 100 * value : value)
                + (percent ? " %" : "");
    }
}
