package org.loupe.sae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.io.BadInput;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.ScalarKernels;
import org.loupe.tensor.VectorKernels;
import org.loupe.tensor.Workers;

class EncoderDecoderTest {
    static float[] random(int size, Random random) {
        float[] out = new float[size];
        for (int i = 0; i < size; i++) {
            out[i] = (float) random.nextGaussian();
        }
        return out;
    }

    static Sae sae(int d, int m, int dOut, int k, boolean subtract, long seed) {
        Random random = new Random(seed);
        return new Sae(
                new Matrix(m, d, random(m * d, random)),
                random(m, random),
                new Matrix(m, dOut, random(m * dOut, random)),
                random(dOut, random),
                new Activation.TopK(k),
                subtract);
    }

    /** The same weights with another activation function. */
    static Sae with(Sae sae, Activation activation) {
        return new Sae(
                sae.encoder(),
                sae.encoderBias(),
                sae.decoder(),
                sae.decoderBias(),
                activation,
                sae.subtractDecoderBias());
    }

    /** The same SAE with unit encoder rows. */
    private static Sae unit(Sae sae) {
        for (int i = 0; i < sae.latents(); i++) {
            double square = 0;
            for (int c = 0; c < sae.dIn(); c++) {
                square += (double) sae.encoder().at(i, c) * sae.encoder().at(i, c);
            }
            for (int c = 0; c < sae.dIn(); c++) {
                sae.encoder().data()[i * sae.dIn() + c] /= (float) Math.sqrt(square);
            }
        }
        return sae;
    }

    /** x̂ of one row in doubles; also fills in which latents are on. */
    private static double[] forward(Sae sae, Matrix x, int row, double[] f) {
        double[] z = new double[sae.latents()];
        for (int i = 0; i < z.length; i++) {
            z[i] = sae.encoderBias()[i];
            for (int c = 0; c < sae.dIn(); c++) {
                double in = sae.subtractDecoderBias() ? x.at(row, c) - sae.decoderBias()[c] : x.at(row, c);
                z[i] += sae.encoder().at(i, c) * in;
            }
        }
        activate(sae, z, x, row, f);
        double[] out = new double[sae.dOut()];
        for (int c = 0; c < out.length; c++) {
            out[c] = sae.decoderBias()[c];
            for (int i = 0; i < z.length; i++) {
                out[c] += f[i] * sae.decoder().at(i, c);
            }
        }
        return out;
    }

    private static void activate(Sae sae, double[] z, Matrix x, int row, double[] f) {
        IntStream all = IntStream.range(0, z.length);
        switch (sae.activation()) {
            case Activation.TopK topK -> largest(z, topK.k(), i -> z[i]).forEach(i -> f[i] = Math.max(0, z[i]));
            case Activation.AbsTopK topK ->
                largest(z, topK.k(), i -> Math.abs(z[i])).forEach(i -> f[i] = z[i]);
            case Activation.Relu _ -> all.forEach(i -> f[i] = Math.max(0, z[i]));
            case Activation.JumpRelu jump ->
                all.filter(i -> z[i] > jump.threshold()[i]).forEach(i -> f[i] = Math.max(0, z[i]));
            case Activation.Gated gated ->
                all.filter(i -> z[i] > 0)
                        .forEach(i -> f[i] = Math.max(
                                0,
                                Math.exp(gated.logScale()[i]) * (z[i] - sae.encoderBias()[i])
                                        + gated.magnitudeBias()[i]));
            case Activation.SignedGated gated ->
                all.forEach(i -> {
                    double u = z[i] - sae.encoderBias()[i];
                    double second = -u + gated.negativeBias()[i];
                    double scale = Math.exp(gated.logScale()[i]);
                    if (z[i] > 0 && z[i] >= second) {
                        f[i] = Math.max(0, scale * u + gated.magnitudeBias()[i]);
                    } else if (second > 0) {
                        f[i] = -Math.max(0, -scale * u + gated.negativeMagnitudeBias()[i]);
                    }
                });
            case Activation.MatchingPursuit pursuit -> {
                double[] left = new double[sae.dIn()];
                for (int c = 0; c < left.length; c++) {
                    left[c] = x.at(row, c) - (sae.subtractDecoderBias() ? sae.decoderBias()[c] : 0);
                }
                for (int step = 0; step < pursuit.steps(); step++) {
                    double[] inner = new double[z.length];
                    for (int i = 0; i < z.length; i++) {
                        for (int c = 0; c < left.length; c++) {
                            inner[i] += sae.encoder().at(i, c) * left[c];
                        }
                    }
                    int best = largest(inner, 1, i -> inner[i]).findFirst().orElseThrow();
                    double taken = Math.max(0, inner[best]);
                    f[best] += taken;
                    for (int c = 0; c < left.length; c++) {
                        left[c] -= taken * sae.encoder().at(best, c);
                    }
                }
            }
            case Activation.ResidualCodes _, Activation.Omp _, Activation.Lasso _ ->
                throw new AssertionError("CodingTest compares these");
        }
    }

    private static IntStream largest(double[] z, int k, IntToDoubleFunction key) {
        return IntStream.range(0, z.length)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -key.applyAsDouble(i)))
                .limit(k)
                .mapToInt(i -> i);
    }

    @ParameterizedTest(name = "{0} rows, d={1} m={2} dOut={3} k={4}, b_dec subtracted: {5}")
    @CsvSource({
        "9001, 5, 13, 5, 3, true", // three blocks of rows
        "67, 37, 101, 37, 5, true",
        "33, 37, 101, 19, 5, false",
        "10, 4, 6, 4, 6, true",
        "3, 1, 1, 1, 1, false",
        "0, 3, 4, 3, 2, true"
    })
    void encodingAndDecodingEqualTheDefinition(int rows, int d, int m, int dOut, int k, boolean subtract) {
        Sae topK = sae(d, m, dOut, k, subtract, rows);
        encodingAndDecodingEqualTheDefinition(topK, rows);
        encodingAndDecodingEqualTheDefinition(with(topK, new Activation.Relu()), rows);
        encodingAndDecodingEqualTheDefinition(with(topK, new Activation.JumpRelu(random(m, new Random(9)))), rows);
        encodingAndDecodingEqualTheDefinition(with(topK, new Activation.AbsTopK(k)), rows);
        encodingAndDecodingEqualTheDefinition(
                with(topK, new Activation.Gated(random(m, new Random(9)), random(m, new Random(8)))), rows);
        encodingAndDecodingEqualTheDefinition(
                with(
                        topK,
                        new Activation.SignedGated(
                                random(m, new Random(6)),
                                random(m, new Random(9)),
                                random(m, new Random(8)),
                                random(m, new Random(7)))),
                rows);
        encodingAndDecodingEqualTheDefinition(with(unit(topK), new Activation.MatchingPursuit(k, 0)), rows);
    }

    private static void encodingAndDecodingEqualTheDefinition(Sae sae, int rows) {
        int d = sae.dIn();
        int m = sae.latents();
        int dOut = sae.dOut();
        Matrix x = new Matrix(rows, d, random(rows * d, new Random(1)));
        float[] before = x.data().clone();
        try (Workers workers = new Workers(2)) {
            Latents f = new Encoder(sae, workers).encode(x);
            Matrix out = new Matrix(rows + 1, dOut, random((rows + 1) * dOut, new Random(2)));
            float[] beyond = Arrays.copyOfRange(out.data(), rows * dOut, (rows + 1) * dOut);
            Decoder.decode(sae, f, out, workers);

            assertEquals(rows, f.rows());
            assertEquals(m, f.latents());
            for (int r = 0; r < rows; r++) {
                double[] dense = new double[m];
                double[] expected = forward(sae, x, r, dense);
                double[] actual = new double[m];
                for (int e = f.starts()[r]; e < f.starts()[r + 1]; e++) {
                    assertTrue(f.value()[e] > 0 || sae.activation().signed());
                    assertTrue(e == f.starts()[r] || f.index()[e] > f.index()[e - 1], "ordered by latent");
                    actual[f.index()[e]] = f.value()[e];
                }
                assertArrayEquals(dense, actual, 1e-4, "latents of row " + r);
                for (int c = 0; c < dOut; c++) {
                    assertEquals(expected[c], out.at(r, c), 5e-4, "row " + r + " column " + c);
                }
            }
            assertArrayEquals(beyond, Arrays.copyOfRange(out.data(), rows * dOut, (rows + 1) * dOut));
            assertArrayEquals(before, x.data(), "the rows are not modified");
        }
    }

    @Test
    void theLatentsDoNotDependOnTheThreads() {
        Sae sae = sae(37, 301, 37, 7, true, 5);
        Matrix x = new Matrix(5000, 37, random(5000 * 37, new Random(1)));
        Latents[] found = new Latents[3];
        for (int threads = 1; threads <= 3; threads++) {
            try (Workers workers = new Workers(threads)) {
                found[threads - 1] = new Encoder(sae, workers).encode(x);
            }
        }
        for (int i = 1; i < 3; i++) {
            assertArrayEquals(found[0].starts(), found[i].starts());
            assertArrayEquals(found[0].index(), found[i].index());
            assertArrayEquals(found[0].value(), found[i].value());
        }
    }

    /** The kernels may differ in the rounding of a value, never by more. */
    @Test
    void scalarAndVectorKernelsFindTheSameLatents() {
        Sae sae = sae(37, 301, 37, 7, true, 6);
        Matrix x = new Matrix(200, 37, random(200 * 37, new Random(1)));
        try (Workers workers = new Workers(1)) {
            Latents[] found = new Latents[2];
            Kernels[] kernels = {new ScalarKernels(), new VectorKernels()};
            for (int i = 0; i < 2; i++) {
                found[i] = new Encoder(sae, workers, kernels[i]).encode(x);
            }
            assertArrayEquals(found[0].index(), found[1].index());
            assertArrayEquals(found[0].value(), found[1].value(), 1e-4f);
        }
    }

    @Test
    void anotherWidthIsRefusedWithBothNamed() {
        Sae sae = sae(5, 9, 5, 2, true, 1);
        try (Workers workers = new Workers(1)) {
            Encoder encoder = new Encoder(sae, workers);
            Exception refusal = assertThrows(IllegalArgumentException.class, () -> encoder.encode(Matrix.zeros(3, 6)));
            assertEquals("encode: rows have 6 columns, expected 5", refusal.getMessage());
            Latents f = encoder.encode(Matrix.zeros(3, 5));
            assertThrows(IllegalArgumentException.class, () -> Decoder.decode(sae, f, Matrix.zeros(3, 6), workers));
            assertThrows(IllegalArgumentException.class, () -> Decoder.decode(sae, f, Matrix.zeros(2, 5), workers));
        }
    }

    @Test
    void aRowBeyondF32IsRefusedByItsNumber() {
        Sae sae = sae(5, 9, 5, 2, true, 1);
        Matrix rows = new Matrix(3, 5, random(15, new Random(1)));
        Arrays.fill(rows.data(), 5, 10, 3e38f);
        try (Workers workers = new Workers(1)) {
            BadInput refusal = assertThrows(BadInput.class, () -> new Encoder(sae, workers).encode(rows));
            assertTrue(
                    String.valueOf(refusal.getMessage()).startsWith("row 1 of the batch, latent "),
                    refusal.getMessage());
        }
    }
}
