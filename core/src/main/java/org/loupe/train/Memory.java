package org.loupe.train;

import java.util.List;
import java.util.Locale;
import org.loupe.io.BadInput;

/** Refuses training that cannot fit into memory, before anything is written. */
final class Memory {
    /** Elements of the largest array of a JVM. */
    private static final int MOST_WEIGHTS = Integer.MAX_VALUE - 8;

    /** Dense arrays [m × d] of a trainer: two of weights, two moments of each, and the gradients. */
    private static final int ARRAYS = 8;

    private Memory() {}

    /** SAEs of one reading are in memory together; those that are complete take no part. */
    static void require(List<TrainJob> jobs, int width) {
        for (TrainJob job : jobs) {
            int latents = job.config().latents();
            if (statistics(job.config()) / Float.BYTES > MOST_WEIGHTS) {
                throw new BadInput(String.format(
                        Locale.ROOT,
                        "latents: %d need %,d bytes for the [latents × latents] sums of dictionary_learning, and one array"
                                + " holds %,d; at most %d latents",
                        latents,
                        statistics(job.config()),
                        (long) MOST_WEIGHTS * Float.BYTES,
                        (int) Math.sqrt(MOST_WEIGHTS)));
            }
            if ((long) latents * width > MOST_WEIGHTS) {
                throw new BadInput("latents: " + latents + " of width " + width
                        + " are more than one array holds; at this width at most " + MOST_WEIGHTS / width);
            }
        }
        List<TrainJob> left =
                jobs.stream().filter(job -> !TrainRun.isComplete(job.out())).toList();
        TrainRun.readings(left).values().forEach(together -> requireHeap(together, width));
    }

    /** Bytes of the sums of products of codes, Σ f fᵀ. */
    private static long statistics(TrainConfig config) {
        return config.architecture() == Architecture.DICTIONARY_LEARNING
                ? (long) Float.BYTES * config.latents() * config.latents()
                : 0;
    }

    private static void requireHeap(List<TrainJob> together, int width) {
        long bytes = 0;
        for (TrainJob job : together) {
            bytes += (long) ARRAYS * Float.BYTES * job.config().latents() * width + statistics(job.config());
        }
        long heap = Runtime.getRuntime().maxMemory();
        if (bytes > heap) {
            throw new BadInput(String.format(
                    Locale.ROOT,
                    "%d SAE%s at once need %,d MB for weights, moments, gradients and sums, and the Java heap has at most %,d MB;"
                            + " train fewer at once, or with fewer latents, or give it more: LOUPE_JAVA_OPTS=-Xmx…",
                    together.size(),
                    together.size() == 1 ? "" : "s",
                    bytes >> 20,
                    heap >> 20));
        }
    }
}
