package org.loupe.app;

import org.jspecify.annotations.Nullable;
import org.loupe.causal.EffectConfig;
import picocli.CommandLine.Option;

/** How latents' effects are measured. */
final class EffectOption {
    @Option(
            names = "--effect-tokens",
            paramLabel = "N",
            defaultValue = "32768",
            description =
                    "Tokens of the store's documents to measure effects on, 0 for none (default: ${DEFAULT-VALUE}).")
    private long tokens;

    @Option(
            names = "--ablations",
            paramLabel = "N",
            defaultValue = "4",
            description = "Firings of each latent to ablate exactly (default: ${DEFAULT-VALUE}).")
    private int ablations;

    @Option(
            names = "--gradient-steps",
            paramLabel = "N",
            defaultValue = "1",
            description =
                    "Points at which the gradient is taken; more than 1 integrates it (default: ${DEFAULT-VALUE}).")
    private int steps;

    /** Null where nothing is to be measured. */
    @Nullable
    EffectConfig config(long seed) {
        return tokens == 0 ? null : new EffectConfig(tokens, ablations, steps, seed);
    }
}
