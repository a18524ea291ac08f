package org.loupe.onednn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.TopKRows;
import org.loupe.sae.TopKSearch;
import org.loupe.tensor.BFloat16;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The bf16 product against sums in double of the rounded inputs, and the search that uses it against the f32 search. The product
 * itself is opened whatever the processor is: oneDNN emulates bf16 where it must.
 */
class OneDnnProductTest {
    private Random random = new Random();

    @BeforeEach
    void seed() {
        random = new Random(5);
    }

    @Test
    void multipliesRoundedInputsWithF32Sums() {
        int latents = 1024 + 37;
        int d = 45;
        Matrix w = gaussian(latents, d, 1);
        try (Workers workers = new Workers(2);
                LowPrecisionProduct product = new OneDnnProduct(OneDnn.instance(), latents, d, 2)) {
            product.weights(w, workers);
            Matrix x = gaussian(product.rows(), d, 3);
            MemorySegment input = product.input(0);
            for (int i = 0; i < x.rows() * d; i++) {
                input.setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.fromFloat(x.data()[i]));
            }
            for (int first = 0; first < latents; first += product.sliceLatents()) {
                int width = Math.min(product.sliceLatents(), latents - first);
                MemorySegment out = product.multiply(0, first / product.sliceLatents());
                for (int r = 0; r < x.rows(); r++) {
                    for (int j = 0; j < width; j++) {
                        double sum = 0;
                        double size = 0;
                        for (int c = 0; c < d; c++) {
                            double term = (double) rounded(x.at(r, c)) * rounded(w.at(first + j, c));
                            sum += term;
                            size += Math.abs(term);
                        }
                        float p = out.getAtIndex(ValueLayout.JAVA_FLOAT, (long) r * width + j);
                        assertEquals(sum, p, 2 * d * 0x1p-24 * size, "row " + r + ", latent " + (first + j));
                    }
                }
            }
        }
    }

    @Test
    void winnersAreThoseOfTheF32SearchToTheBit() {
        int latents = 2 * 1024 + 5;
        int d = 64;
        Matrix w = gaussian(latents, d, 1);
        // Near ties: bf16 cannot tell these latents apart, f32 can.
        for (int i = 0; i < 200; i++) {
            for (int c = 0; c < d; c++) {
                w.data()[(1000 + i) * d + c] = w.at(i, c) * (1 + (i % 3) * 1e-6f);
            }
        }
        float[] bias = new float[latents];
        for (int i = 0; i < latents; i++) {
            bias[i] = 0.1f * (float) random.nextGaussian();
        }
        Matrix x = gaussian(700, d, 2);
        for (int threads = 1; threads <= 3; threads++) {
            try (Workers workers = new Workers(threads);
                    LowPrecisionProduct product = new OneDnnProduct(OneDnn.instance(), latents, d, threads)) {
                TopKRows f32 = new TopKRows(16);
                TopKRows bf16 = new TopKRows(16);
                new TopKSearch(Kernels.BEST, workers).search(x, w, bias, f32);
                TopKSearch fast = new TopKSearch(Kernels.BEST, workers, product);
                for (int again = 0; again < 20; again++) {
                    fast.search(x, w, bias, bf16);
                    assertArrayEquals(f32.count(), bf16.count());
                    assertArrayEquals(f32.index(), bf16.index());
                    assertArrayEquals(f32.value(), bf16.value());
                }
            }
        }
    }

    @Test
    void aProductFurtherOffThanItsBoundIsRefused() {
        Matrix w = gaussian(300, 32, 1);
        Matrix x = gaussian(10, 32, 1);
        try (Workers workers = new Workers(1);
                LowPrecisionProduct honest = new OneDnnProduct(OneDnn.instance(), 300, 32, 1)) {
            TopKSearch search = new TopKSearch(Kernels.BEST, workers, new Lying(honest));
            IllegalStateException e = assertThrows(
                    IllegalStateException.class, () -> search.search(x, w, new float[300], new TopKRows(4)));
            assertTrue(String.valueOf(e.getMessage()).startsWith("top-k certificate: row "), e.getMessage());
        }
    }

    @Test
    void theProviderOffersAProductOrSaysWhyNot() {
        LowPrecisionProduct.Offer offer = LowPrecisionProduct.find(100, 8, 1);
        assertEquals(offer.product().isEmpty(), !offer.reason().isEmpty());
        offer.product().ifPresent(LowPrecisionProduct::close);
    }

    private Matrix gaussian(int rows, int cols, double size) {
        Matrix out = Matrix.zeros(rows, cols);
        for (int i = 0; i < rows * cols; i++) {
            out.data()[i] = (float) (size * random.nextGaussian());
        }
        return out;
    }

    private static float rounded(float x) {
        return BFloat16.toFloat(BFloat16.fromFloat(x));
    }

    /** Multiplies with weights that are 5 % too large. */
    private record Lying(LowPrecisionProduct honest) implements LowPrecisionProduct {
        @Override
        public int rows() {
            return honest.rows();
        }

        @Override
        public int sliceLatents() {
            return honest.sliceLatents();
        }

        @Override
        public float unitError() {
            return honest.unitError();
        }

        @Override
        public String describe() {
            return "wrong";
        }

        @Override
        public void weights(Matrix w, Workers workers) {
            float[] larger = Arrays.copyOf(w.data(), w.data().length);
            Kernels.BEST.scale(1.05f, larger, 0, larger.length);
            honest.weights(new Matrix(w.rows(), w.cols(), larger), workers);
        }

        @Override
        public MemorySegment input(int worker) {
            return honest.input(worker);
        }

        @Override
        public MemorySegment multiply(int worker, int slice) {
            return honest.multiply(worker, slice);
        }

        @Override
        public void close() {}
    }
}
