package org.loupe.bench;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.loupe.sae.Activation;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Exact top-k encoding of 1,024 rows of width 768 with k = 32. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--add-modules=jdk.incubator.vector")
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class EncodeBenchmark {
    private static final int ROWS = 1024;
    private static final int WIDTH = 768;
    private static final int K = 32;

    @Param({"4096", "24576"})
    private int latents;

    private final Matrix rows = Matrix.zeros(ROWS, WIDTH);
    private final Workers workers = new Workers(Runtime.getRuntime().availableProcessors());
    private Encoder encoder = encoder(K);

    /** Draws rows and weights. */
    @Setup
    public void draw() {
        fill(rows.data(), new SplittableRandom(1));
        encoder = encoder(latents);
    }

    private Encoder encoder(int m) {
        Matrix weights = Matrix.zeros(m, WIDTH);
        fill(weights.data(), new SplittableRandom(2));
        return new Encoder(
                new Sae(weights, new float[m], weights, new float[WIDTH], new Activation.TopK(K), true), workers);
    }

    private static void fill(float[] values, SplittableRandom random) {
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
    }

    @Benchmark
    public Latents encode() {
        return encoder.encode(rows);
    }

    @TearDown
    public void stop() {
        workers.close();
    }
}
