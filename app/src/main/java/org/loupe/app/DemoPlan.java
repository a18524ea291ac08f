package org.loupe.app;

import java.util.ArrayList;
import java.util.List;
import org.loupe.causal.EffectConfig;
import org.loupe.harvest.HarvestConfig;
import org.loupe.harvest.HarvestHooks;
import org.loupe.lm.HookPoint;
import org.loupe.train.ConfigReader;
import org.loupe.train.TrainConfig;

/**
 * What the demo does; how its figures were chosen stands in docs/decisions.
 *
 * @param tokens of WordNet to harvest
 * @param training keys of the training configuration
 * @param evalRows rows to evaluate on
 * @param evalTokens tokens of held-out text to splice on
 * @param effects how the latents' effects are measured
 */
record DemoPlan(long tokens, List<String> training, long evalRows, long evalTokens, EffectConfig effects) {
    static final DemoPlan FULL = new DemoPlan(
            800_000,
            List.of("latents=4096", "k=32", "batch=1024", "passes=3", "lr=1e-3", "precision=fast"),
            131_072,
            4_096,
            new EffectConfig(16_384, 2, 1, 0));

    static final DemoPlan SMALL = new DemoPlan(
            120_000,
            List.of("latents=2048", "k=32", "batch=1024", "passes=6", "lr=1e-3", "precision=fast"),
            32_768,
            1_024,
            new EffectConfig(4_096, 1, 1, 0));

    static final String MODEL = ModelOption.DEFAULT;
    static final String TEXT = "wordnet";

    HarvestConfig harvest() {
        return HarvestConfig.of(HarvestHooks.of(HookPoint.parse(HarvestCommand.DEFAULT_HOOK)), tokens);
    }

    /** @param threads to compute with; 0 for all processors */
    TrainConfig train(int threads) {
        List<String> settings = new ArrayList<>(training);
        settings.add("threads=" + threads);
        return ConfigReader.read(TrainConfig.DEFAULT, null, settings);
    }
}
