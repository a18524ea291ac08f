package org.loupe.bench;

import java.util.Arrays;
import java.util.Optional;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.LowPrecisionProduct.Numbers;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** What this machine can do at most, all threads at once: what a training step's figures are to be read beside. */
public final class MachineBench {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int ROUNDS = 7;

    /** Independent sums: two units with a latency of four cycles need eight. */
    private static final int CHAINS = 12;

    private static final int FUSED = 2_000_000;
    private static final int WIDTH = 768;
    private static final int PRODUCTS = 40;

    /** 256 MB: far more than any cache. */
    private static final int FLOATS = 1 << 26;

    private static final int CHUNK = 1 << 20;

    private MachineBench() {}

    /**
     * Best rates of several rounds.
     *
     * @param f32_gflops fused multiply-adds in registers, two operations each
     * @param bf16_gflops the low-precision product on rows and latents in cache; 0 where there is none
     * @param int8_gops the same
     * @param read_gb_s reading memory, GB = 10⁹ bytes
     * @param update_gb_s reading and writing the same memory, both counted
     */
    public record Result(
            int threads,
            double f32_gflops,
            double bf16_gflops,
            double int8_gops,
            double read_gb_s,
            double update_gb_s,
            String kernels) {}

    /** Measures for a few seconds. */
    public static Result run(int threads) {
        float[] memory = new float[FLOATS];
        Arrays.fill(memory, 1);
        try (Workers workers = new Workers(threads)) {
            return new Result(
                    threads,
                    rate(2.0 * CHAINS * SPECIES.length() * FUSED * threads, () -> fuse(workers)),
                    product(Numbers.BF16, workers),
                    product(Numbers.INT8, workers),
                    rate(4.0 * FLOATS, () -> read(memory, workers)),
                    rate(8.0 * FLOATS, () -> update(memory, workers)),
                    Kernels.BEST.describe());
        }
    }

    /** 10⁹ units of work a second, the best of several rounds after one to warm up. */
    private static double rate(double work, Runnable round) {
        double best = Double.POSITIVE_INFINITY;
        for (int i = 0; i <= ROUNDS; i++) {
            long start = System.nanoTime();
            round.run();
            double took = System.nanoTime() - start;
            best = i == 0 ? best : Math.min(best, took);
        }
        return work / best;
    }

    private static void fuse(Workers workers) {
        float[] sums = new float[workers.threads()];
        workers.forEach(workers.threads(), 1, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                sums[i] = chains();
            }
        });
        if (Float.isNaN(sums[0])) {
            throw new IllegalStateException("sums that converge to 1 gave " + sums[0]);
        }
    }

    private static float chains() {
        FloatVector x = FloatVector.broadcast(SPECIES, 0.5f);
        FloatVector a = FloatVector.broadcast(SPECIES, 0.25f);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        FloatVector e = a;
        FloatVector f = a;
        FloatVector g = a;
        FloatVector h = a;
        FloatVector i = a;
        FloatVector j = a;
        FloatVector k = a;
        FloatVector l = a;
        for (int n = 0; n < FUSED; n++) {
            a = a.fma(x, x);
            b = b.fma(x, x);
            c = c.fma(x, x);
            d = d.fma(x, x);
            e = e.fma(x, x);
            f = f.fma(x, x);
            g = g.fma(x, x);
            h = h.fma(x, x);
            i = i.fma(x, x);
            j = j.fma(x, x);
            k = k.fma(x, x);
            l = l.fma(x, x);
        }
        return a.add(b)
                .add(c)
                .add(d)
                .add(e)
                .add(f)
                .add(g)
                .add(h)
                .add(i)
                .add(j)
                .add(k)
                .add(l)
                .lane(0);
    }

    private static double product(Numbers numbers, Workers workers) {
        Optional<LowPrecisionProduct> found = LowPrecisionProduct.find(
                        Optional.of(numbers), 1024, WIDTH, workers.threads())
                .product();
        if (found.isEmpty()) {
            return 0;
        }
        try (LowPrecisionProduct product = found.orElseThrow()) {
            int rows = product.rows();
            Matrix w = new Matrix(product.sliceLatents(), WIDTH, ones(product.sliceLatents() * WIDTH));
            Matrix x = new Matrix(rows, WIDTH, ones(rows * WIDTH));
            product.weights(w, (float) Math.sqrt(WIDTH), x, workers);
            double work = 2.0 * rows * w.rows() * WIDTH * PRODUCTS * workers.threads();
            return rate(
                    work,
                    () -> workers.forEach(workers.threads(), 1, (from, to, worker) -> {
                        for (int i = from; i < to; i++) {
                            product.rows(worker, x, 0, rows, new float[rows], new float[rows]);
                            for (int p = 0; p < PRODUCTS; p++) {
                                product.multiply(worker, 0);
                            }
                        }
                    }));
        }
    }

    private static float[] ones(int size) {
        float[] out = new float[size];
        Arrays.fill(out, 1);
        return out;
    }

    private static void read(float[] memory, Workers workers) {
        workers.forEach(FLOATS, CHUNK, (from, to, worker) -> {
            if (Kernels.BEST.maxAbs(memory, from, to - from) != 1) {
                throw new IllegalStateException("memory full of ones has another maximum");
            }
        });
    }

    private static void update(float[] memory, Workers workers) {
        workers.forEach(FLOATS, CHUNK, (from, to, worker) -> Kernels.BEST.scale(1, memory, from, to - from));
    }
}
