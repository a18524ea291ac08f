package org.loupe.sae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;
import tools.jackson.databind.JsonNode;

class SaeFolderTest {
    private static final SaeInfo INFO = new SaeInfo(
            Provenance.here("toy", "00ff", "made up", "blocks.1.hook_resid_post", 7),
            "blocks.1.hook_resid_post",
            "blocks.1.hook_resid_post",
            Map.of("latents", 9, "optimizer", Map.of("clip", 1.0)),
            Map.of("fvu", 0.25));

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"5, 9, 2, true", "37, 101, 5, false", "1, 1, 1, true"})
    void whatIsSavedIsLoadedToTheBit(int d, int m, int k, boolean subtract) {
        Sae sae = EncoderDecoderTest.sae(d, m, d, k, subtract, 3);
        sae.encoder().data()[0] = -0.0f;
        sae.decoder().data()[0] = Float.MIN_VALUE;
        SaeFolder.save(folder.resolve("new/sae"), sae, INFO);
        SaeFolder.Loaded loaded = SaeFolder.load(folder.resolve("new/sae"));
        assertBits(sae.encoder().data(), loaded.sae().encoder().data());
        assertBits(sae.encoderBias(), loaded.sae().encoderBias());
        assertBits(sae.decoder().data(), loaded.sae().decoder().data());
        assertBits(sae.decoderBias(), loaded.sae().decoderBias());
        assertEquals(sae.activation(), loaded.sae().activation());
        assertEquals(subtract, loaded.sae().subtractDecoderBias());
        assertEquals(INFO, loaded.info());
    }

    @Test
    void everyActivationIsLoadedAsItWasSaved() {
        Sae topK = EncoderDecoderTest.sae(5, 9, 5, 2, true, 3);
        Sae relu = EncoderDecoderTest.with(topK, new Activation.Relu());
        SaeFolder.save(folder.resolve("relu"), relu, INFO);
        assertEquals(
                relu.activation(), SaeFolder.load(folder.resolve("relu")).sae().activation());
        float[] threshold = {0, 1, 2, 0.5f, Float.MIN_VALUE, -1, 6, 7, 8};
        Sae jump = EncoderDecoderTest.with(topK, new Activation.JumpRelu(threshold));
        SaeFolder.save(folder.resolve("jump"), jump, INFO);
        Activation loaded = SaeFolder.load(folder.resolve("jump")).sae().activation();
        assertBits(
                threshold, assertInstanceOf(Activation.JumpRelu.class, loaded).threshold());
    }

    @Test
    void gatesSignsPursuitsAndTranscodersAreLoadedAsTheyWereSaved() {
        Sae topK = EncoderDecoderTest.sae(5, 9, 5, 2, true, 3);
        float[] scale = {0, 1, -2, 0.5f, Float.MIN_VALUE, -1, 6, 7, 8};
        float[] bias = {9, 1, 2, 0.5f, 0, -1, 6, 7, -8};
        Activation.Gated gated = assertInstanceOf(
                Activation.Gated.class,
                again(EncoderDecoderTest.with(topK, new Activation.Gated(scale, bias)), INFO)
                        .activation());
        assertBits(scale, gated.logScale());
        assertBits(bias, gated.magnitudeBias());
        float[] negative = {1, -1, 3, 0.25f, 0, 1, 2, 3, 4};
        float[] other = {4, 3, 2, 1, 0, -1, -2, -3, -4};
        Activation.SignedGated twoGates = assertInstanceOf(
                Activation.SignedGated.class,
                again(EncoderDecoderTest.with(topK, new Activation.SignedGated(negative, scale, bias, other)), INFO)
                        .activation());
        assertBits(negative, twoGates.negativeBias());
        assertBits(scale, twoGates.logScale());
        assertBits(bias, twoGates.magnitudeBias());
        assertBits(other, twoGates.negativeMagnitudeBias());
        Activation signed = new Activation.AbsTopK(3);
        assertEquals(signed, again(EncoderDecoderTest.with(topK, signed), INFO).activation());
        Sae tied = new Sae(
                topK.decoder(),
                new float[9],
                topK.decoder(),
                topK.decoderBias(),
                new Activation.MatchingPursuit(3, 0.25f),
                true);
        Sae pursuit = again(tied, INFO);
        assertEquals(tied.activation(), pursuit.activation());
        assertBits(topK.decoder().data(), pursuit.encoder().data());

        Sae across = EncoderDecoderTest.sae(5, 9, 7, 2, false, 3);
        SaeInfo pair = new SaeInfo(INFO.provenance(), INFO.hookIn(), "blocks.1.hook_mlp_out", Map.of(), Map.of());
        for (Matrix skip :
                new @Nullable Matrix[] {null, new Matrix(7, 5, EncoderDecoderTest.random(35, new Random(4)))}) {
            for (Activation activation : List.of(topK.activation(), new Activation.Relu(), gated)) {
                Sae transcoder = new Sae(
                        across.encoder(),
                        across.encoderBias(),
                        across.decoder(),
                        across.decoderBias(),
                        activation,
                        false,
                        skip);
                Sae loaded = again(transcoder, pair);
                assertBits(across.encoder().data(), loaded.encoder().data());
                assertBits(across.decoder().data(), loaded.decoder().data());
                assertBits(across.decoderBias(), loaded.decoderBias());
                assertEquals(activation.getClass(), loaded.activation().getClass());
                assertEquals(skip == null, loaded.skip() == null);
                if (skip != null) {
                    assertBits(
                            skip.data(), Objects.requireNonNull(loaded.skip()).data());
                }
            }
        }
    }

    private Sae again(Sae sae, SaeInfo info) {
        SaeFolder.save(folder.resolve("again"), sae, info);
        SaeFolder.Loaded loaded = SaeFolder.load(folder.resolve("again"));
        assertEquals(info, loaded.info());
        return loaded.sae();
    }

    static Stream<Arguments> tied() {
        return Stream.of(
                Arguments.of("vq", new Activation.ResidualCodes(1)),
                Arguments.of("residual_vq", new Activation.ResidualCodes(3)),
                Arguments.of("omp", new Activation.Omp(2, false)),
                Arguments.of("omp", new Activation.Omp(2, true)),
                Arguments.of("lasso", new Activation.Lasso(0.1f, false, 7)),
                Arguments.of("lasso", new Activation.Lasso(1e-7f, true, 100)),
                Arguments.of("matching_pursuit", new Activation.MatchingPursuit(4, 0)));
    }

    @ParameterizedTest
    @MethodSource("tied")
    void aTiedDictionaryIsSavedOnce(String architecture, Activation activation) {
        Sae loose = EncoderDecoderTest.sae(5, 9, 5, 2, true, 3);
        Sae sae = new Sae(loose.decoder(), new float[9], loose.decoder(), loose.decoderBias(), activation, true);
        SaeFolder.save(folder, sae, INFO);
        assertEquals(
                architecture,
                Json.tree(folder.resolve(SaeFolder.CONFIG)).path("architecture").asString());
        try (Safetensors weights = Safetensors.open(folder.resolve(SaeFolder.WEIGHTS))) {
            assertEquals(Set.of("W_dec", "b_dec"), weights.entries().keySet());
        }
        Sae loaded = SaeFolder.load(folder).sae();
        assertEquals(activation, loaded.activation());
        assertBits(sae.decoder().data(), loaded.encoder().data());
        assertBits(sae.decoder().data(), loaded.decoder().data());
        assertBits(sae.decoderBias(), loaded.decoderBias());
        assertBits(new float[9], loaded.encoderBias());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "residual_vq | \"stages\" : 3 | \"stages\" : 4 | 'stages' is 4, expected a divisor of d_sae = 9",
                "residual_vq | \"stages\" : 3 | \"steps\" : 3 | 'stages' is missing",
                "omp | \"k\" : 2 | \"k\" : 10 | 'k' is 10, expected at most d_sae = 9",
                "lasso | \"penalty\" : 0.5 | \"penalty\" : 0 | 'penalty' is 0, expected a number above 0",
                "lasso | \"rounds\" : 7 | \"rounds\" : 0 | 'rounds' is 0"
            })
    void aDamagedTiedFolderIsRefusedByName(String architecture, String from, String to, String words)
            throws IOException {
        Sae loose = EncoderDecoderTest.sae(5, 9, 5, 2, true, 3);
        Activation activation = switch (architecture) {
            case "omp" -> new Activation.Omp(2, false);
            case "lasso" -> new Activation.Lasso(0.5f, false, 7);
            default -> new Activation.ResidualCodes(3);
        };
        SaeFolder.save(
                folder,
                new Sae(loose.decoder(), new float[9], loose.decoder(), loose.decoderBias(), activation, true),
                INFO);
        replace(from, to).to(folder);
        String message = String.valueOf(
                assertThrows(BadInput.class, () -> SaeFolder.load(folder)).getMessage());
        assertTrue(message.contains(SaeFolder.CONFIG) && message.contains(words), message);
    }

    /** SAELens' metadata need not name where a transcoder writes; widths may be equal. */
    @Test
    void theNameOfTheArchitectureMakesATranscoder() throws IOException {
        SaeFolder.save(folder, EncoderDecoderTest.sae(5, 9, 5, 2, false, 3), INFO);
        assertFalse(SaeFolder.load(folder).transcoder());
        replace("\"topk\"", "\"topk_transcoder\"").to(folder);
        assertTrue(SaeFolder.load(folder).transcoder());
    }

    private static void assertBits(float[] expected, float[] actual) {
        assertEquals(expected.length, actual.length);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(Float.floatToRawIntBits(expected[i]), Float.floatToRawIntBits(actual[i]), "element " + i);
        }
    }

    private static Path resource(String name) throws URISyntaxException {
        return Path.of(Objects.requireNonNull(SaeFolderTest.class.getResource("/saelens/" + name))
                .toURI());
    }

    private static float[] floats(JsonNode list) {
        float[] out = new float[list.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) list.get(i).asDouble();
        }
        return out;
    }

    /** Files and numbers made by scripts/reference/saelens_roundtrip.py. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "topk",
                "topk_rescaled",
                "standard",
                "jumprelu",
                "gated",
                "abstopk",
                "matching_pursuit",
                "skip_transcoder"
            })
    void whatSaeLensSavedGivesWhatSaeLensComputes(String name) throws URISyntaxException {
        SaeFolder.Loaded loaded = SaeFolder.load(resource(name));
        Sae sae = loaded.sae();
        assertEquals("made up", loaded.info().provenance().model());
        assertEquals("blocks.1.hook_resid_post", loaded.info().hookIn());
        assertEquals(
                sae.skip() == null ? "blocks.1.hook_resid_post" : "blocks.1.hook_mlp_out",
                loaded.info().hookOut());
        JsonNode expected = Json.tree(resource("expected.json")).path(name);
        int rows = floats(expected.path("x")).length / sae.dIn();
        try (Workers workers = new Workers(1)) {
            Latents f = new Encoder(sae, workers).encode(new Matrix(rows, sae.dIn(), floats(expected.path("x"))));
            float[] dense = new float[rows * sae.latents()];
            for (int r = 0; r < rows; r++) {
                for (int e = f.starts()[r]; e < f.starts()[r + 1]; e++) {
                    dense[r * sae.latents() + f.index()[e]] = f.value()[e];
                }
            }
            assertArrayEquals(floats(expected.path("features")), dense, 2e-5f);
            Matrix out = Matrix.zeros(rows, sae.dOut());
            Decoder.decode(sae, f, out, workers);
            Decoder.addSkip(sae, new Matrix(rows, sae.dIn(), floats(expected.path("x"))), out, workers);
            assertArrayEquals(floats(expected.path("reconstruction")), out.data(), 2e-5f);
        }
    }

    /** A way to spoil a good folder. */
    interface Damage {
        void to(Path folder) throws IOException;
    }

    private static Damage replace(String from, String to) {
        return folder -> {
            Path file = folder.resolve(SaeFolder.CONFIG);
            String text = Files.readString(file);
            assertTrue(text.contains(from), text);
            Files.writeString(file, text.replace(from, to));
        };
    }

    private static Damage without(String name) {
        return folder -> Files.delete(folder.resolve(name));
    }

    private static Damage weights(int d, int m, float value, String... names) {
        return folder -> {
            SafetensorsWriter out = new SafetensorsWriter();
            for (String name : names) {
                long[] shape = switch (name) {
                    case "W_enc" -> new long[] {d, m};
                    case "W_dec" -> new long[] {m, d};
                    case "b_enc" -> new long[] {m};
                    default -> new long[] {d};
                };
                float[] values = new float[m * d];
                values[m] = name.equals("W_dec") ? value : 0;
                out.f32(name, values, shape);
            }
            out.write(folder.resolve(SaeFolder.WEIGHTS));
        };
    }

    static Stream<Arguments> faults() {
        String[] all = {"W_enc", "b_enc", "W_dec", "b_dec"};
        return Stream.of(
                fault("no configuration", without(SaeFolder.CONFIG), "no cfg.json"),
                fault("no weights", without(SaeFolder.WEIGHTS), "sae_weights.safetensors", "no such file"),
                fault("no record of ours", without(SaeFolder.INFO), "has no loupe.json", "not finished"),
                fault(
                        "another architecture",
                        replace("topk", "temporal"),
                        "cfg.json",
                        "architecture",
                        "'temporal'",
                        "'topk'"),
                fault("no thresholds", replace("topk", "jumprelu"), "sae_weights.safetensors", "threshold"),
                fault("no architecture", replace("\"architecture\"", "\"arch\""), "cfg.json", "architecture"),
                fault("no width", replace("\"d_in\"", "\"width\""), "cfg.json", "'d_in' is missing"),
                fault("width zero", replace("\"d_in\" : 5", "\"d_in\" : 0"), "cfg.json", "'d_in' is 0"),
                fault("fractional k", replace("\"k\" : 2", "\"k\" : 2.5"), "cfg.json", "'k' is 2.5"),
                fault("k above the latents", replace("\"k\" : 2", "\"k\" : 10"), "cfg.json", "'k' is 10", "9"),
                fault("another size", replace("\"d_sae\" : 9", "\"d_sae\" : 8"), "'W_enc'", "[5, 9]", "[5, 8]"),
                fault(
                        "scaled rows",
                        replace("\"normalize_activations\" : \"none\"", "\"normalize_activations\" : \"layer_norm\""),
                        "layer_norm"),
                fault("not JSON", replace("{", "["), "cfg.json", "line 2"),
                fault("other shapes", weights(6, 9, 0, all), "sae_weights.safetensors", "'W_enc'", "[6, 9]", "[5, 9]"),
                fault("no decoder", weights(5, 9, 0, "W_enc", "b_enc", "b_dec"), "W_dec"),
                fault("NaN", weights(5, 9, Float.NaN, all), "'W_dec' has NaN at element 9"),
                fault("infinity", weights(5, 9, Float.NEGATIVE_INFINITY, all), "'W_dec' has -Infinity at element 9"),
                fault("cut off", folder -> cut(folder.resolve(SaeFolder.WEIGHTS)), "sae_weights.safetensors", "byte"),
                fault("a record cut off", folder -> cut(folder.resolve(SaeFolder.INFO)), "loupe.json", "line"));
    }

    private static void cut(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, java.util.Arrays.copyOf(bytes, bytes.length - 9));
    }

    private static Arguments fault(String name, Damage damage, String... words) {
        return Arguments.of(name, damage, List.of(words));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("faults")
    void aDamagedFolderIsRefusedByName(String name, Damage damage, List<String> words) throws IOException {
        SaeFolder.save(folder, EncoderDecoderTest.sae(5, 9, 5, 2, true, 3), INFO);
        damage.to(folder);
        BadInput refusal = assertThrows(BadInput.class, () -> SaeFolder.load(folder));
        String message = String.valueOf(refusal.getMessage());
        for (String word : words) {
            assertTrue(message.contains(word), message);
        }
        assertTrue(message.contains(folder.toString()), message);
    }

    @Test
    void anEmptyFolderIsNoSae() {
        assertThrows(BadInput.class, () -> SaeFolder.load(folder));
        assertThrows(BadInput.class, () -> SaeFolder.load(folder.resolve("nowhere")));
    }
}
