package org.loupe.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import org.loupe.lm.Hook;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;

/**
 * How fast the language model gives activations: 16 rows of 128 tokens, stopping after block 11. The peer's script,
 * {@code scripts/peers/bench_harvest_hf.py}, times the same.
 */
public final class HarvestBench {
    private static final int SEQUENCES = 16;
    private static final int LENGTH = 128;
    private static final HookPoint POINT = HookPoint.residPost(11);

    private HarvestBench() {}

    /**
     * One timing.
     *
     * @param tokens_per_second over all calls
     * @param tokens_per_second_best of the fastest call
     * @param tokens_per_cpu_second over all calls, by the processor time of the whole process
     */
    public record Result(
            String bench,
            String engine,
            String precision,
            int threads,
            long tokens_per_second,
            long tokens_per_second_best,
            long tokens_per_cpu_second) {}

    /** Times calls after two to warm up. */
    public static Result run(LanguageModel model, int calls, int threads) {
        SplittableRandom random = new SplittableRandom(0);
        int[] ids =
                random.ints(SEQUENCES * LENGTH, 0, model.info().vocabulary()).toArray();
        TokenBatch batch = TokenBatch.causal(ids, SEQUENCES, LENGTH);
        Map<HookPoint, Hook> hooks = Map.of(POINT, (_, rows) -> rows);
        model.runTo(batch, hooks);
        model.runTo(batch, hooks);
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = system.getProcessCpuTime();
        double[] seconds = new double[calls];
        for (int i = 0; i < calls; i++) {
            long start = System.nanoTime();
            model.runTo(batch, hooks);
            seconds[i] = (System.nanoTime() - start) / 1e9;
        }
        double cpuSeconds = (system.getProcessCpuTime() - cpu) / 1e9;
        return new Result(
                "harvest",
                "loupe",
                model.precision().toString().toLowerCase(Locale.ROOT),
                threads,
                Math.round(batch.size() * calls / Arrays.stream(seconds).sum()),
                Math.round(batch.size() / Arrays.stream(seconds).min().orElseThrow()),
                Math.round(batch.size() * calls / cpuSeconds));
    }
}
