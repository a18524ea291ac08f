package org.loupe.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import org.loupe.train.TrainConfig;
import org.loupe.train.Trainer;

/** Times whole training steps, optimiser included, on structured random rows in memory. */
public final class TrainBench {
    private static final int ACTIVE = 16;
    private static final double NOISE = 0.01;
    private static final int BATCHES = 4;
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private TrainBench() {}

    /**
     * One timing.
     *
     * @param ms_per_step mean wall time
     * @param ms_per_step_min least wall time
     * @param cpu_ms_per_step mean CPU time of the whole process
     * @param peak_rss_mb peak resident memory of the process so far
     * @param data_mb size of the rows held in memory
     * @param l0 mean number of active latents a row in the timed steps
     * @param density their share of all latents
     */
    public record Result(
            double ms_per_step,
            double ms_per_step_min,
            double cpu_ms_per_step,
            double tokens_per_second,
            long peak_rss_mb,
            long data_mb,
            double l0,
            double density,
            String arithmetic) {}

    /** Times steps that follow as many others as are asked for: the compiler has to come, and an SAE may have to become sparse. */
    public static Result run(TrainConfig config, int d, int warmUp, int steps) {
        Matrix[] batches = new Matrix[BATCHES];
        SplittableRandom random = new SplittableRandom(config.seed());
        Matrix dictionary = dictionary(4 * d, d, random);
        for (int i = 0; i < BATCHES; i++) {
            batches[i] = rows(config.batch(), dictionary, random);
        }
        try (Workers workers = new Workers(config.threadCount());
                Trainer trainer = new Trainer(config, batches[0], 0, 100_000, workers)) {
            for (int i = 0; i < warmUp; i++) {
                trainer.step(batches[i % BATCHES]);
            }
            double[] wall = new double[steps];
            double l0 = 0;
            long cpu = SYSTEM.getProcessCpuTime();
            for (int i = 0; i < steps; i++) {
                long start = System.nanoTime();
                l0 += trainer.step(batches[i % BATCHES]).l0() / steps;
                wall[i] = (System.nanoTime() - start) / 1e6;
            }
            double cpuMs = (SYSTEM.getProcessCpuTime() - cpu) / 1e6 / steps;
            double mean = Arrays.stream(wall).average().orElse(0);
            return new Result(
                    mean,
                    Arrays.stream(wall).min().orElse(0),
                    cpuMs,
                    config.batch() / mean * 1e3,
                    peakRssMb(),
                    ((long) BATCHES * config.batch() * d * 4) >> 20,
                    l0,
                    l0 / config.latents(),
                    trainer.describe());
        }
    }

    private static Matrix dictionary(int features, int d, SplittableRandom random) {
        Matrix rows = Matrix.zeros(features, d);
        for (int i = 0; i < features * d; i++) {
            rows.data()[i] = (float) random.nextGaussian();
        }
        for (int f = 0; f < features; f++) {
            float square = Kernels.BEST.dot(rows.data(), f * d, rows.data(), f * d, d);
            Kernels.BEST.scale((float) (1 / Math.sqrt(square)), rows.data(), f * d, d);
        }
        return rows;
    }

    /** Sums of {@value #ACTIVE} features with magnitudes uniform in [0, 1], plus noise: what the peers are timed on. */
    private static Matrix rows(int count, Matrix dictionary, SplittableRandom random) {
        int d = dictionary.cols();
        Matrix rows = Matrix.zeros(count, d);
        for (int r = 0; r < count; r++) {
            for (int c = 0; c < d; c++) {
                rows.data()[r * d + c] = (float) (NOISE * random.nextGaussian());
            }
            for (int a = 0; a < ACTIVE; a++) {
                int feature = random.nextInt(dictionary.rows());
                Kernels.BEST.addScaled(
                        (float) random.nextDouble(), dictionary.data(), feature * d, rows.data(), r * d, d);
            }
        }
        return rows;
    }

    private static long peakRssMb() {
        Path status = Path.of("/proc/self/status");
        try {
            return Files.exists(status)
                    ? Files.readAllLines(status).stream()
                            .filter(line -> line.startsWith("VmHWM:"))
                            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                            .findFirst()
                            .orElse(0)
                    : 0;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + status, e);
        }
    }
}
