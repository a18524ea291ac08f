package org.loupe.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import org.loupe.io.Json;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelStore;
import org.loupe.lm.Precision;
import org.loupe.lm.TokenBatch;

/**
 * How fast the language model gives activations: SmolLM2, 16 rows of 128 tokens, stopping after block 11. The peer's script,
 * {@code scripts/peers/bench_harvest_hf.py}, times the same.
 *
 * <pre>HarvestBench [f32|bf16] [calls] [threads]</pre>
 */
public final class HarvestBench {
    private static final int SEQUENCES = 16;
    private static final int LENGTH = 128;
    private static final HookPoint POINT = HookPoint.residPost(11);

    private HarvestBench() {}

    /** Prints one JSON object. */
    public static void main(String[] args) {
        Precision precision = Precision.valueOf((args.length > 0 ? args[0] : "f32").toUpperCase(Locale.ROOT));
        int calls = args.length > 1 ? Integer.parseInt(args[1]) : 5;
        int threads = args.length > 2
                ? Integer.parseInt(args[2])
                : Runtime.getRuntime().availableProcessors();
        try (LanguageModel model =
                LanguageModel.load(ModelStore.ofUser().findOrGet("smollm2", (_, _, _) -> {}), precision, threads)) {
            SplittableRandom random = new SplittableRandom(0);
            int[] ids = random.ints(SEQUENCES * LENGTH, 0, model.info().vocabulary())
                    .toArray();
            TokenBatch batch = TokenBatch.causal(ids, SEQUENCES, LENGTH);
            Map<HookPoint, Hook> hooks = Map.of(POINT, (_, rows) -> rows);
            model.runTo(batch, hooks);
            model.runTo(batch, hooks);
            double[] seconds = new double[calls];
            for (int i = 0; i < calls; i++) {
                long start = System.nanoTime();
                model.runTo(batch, hooks);
                seconds[i] = (System.nanoTime() - start) / 1e9;
            }
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("bench", "harvest");
            result.put("engine", "loupe");
            result.put("precision", precision.toString().toLowerCase(Locale.ROOT));
            result.put("threads", threads);
            result.put(
                    "tokens_per_second",
                    Math.round(batch.size() * calls / Arrays.stream(seconds).sum()));
            result.put(
                    "tokens_per_second_best",
                    Math.round(batch.size() / Arrays.stream(seconds).min().orElseThrow()));
            System.out.println(Json.MAPPER.writeValueAsString(result));
        }
    }
}
