package org.loupe.sae;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import tools.jackson.databind.JsonNode;

/**
 * An SAE on disk, in SAELens' own format (version 6: {@code cfg.json} and {@code sae_weights.safetensors} with W_enc [d × m],
 * W_dec [m × d], b_enc, b_dec, and threshold where there is one), so that SAELens and SAEBench open it as it is, plus {@code loupe.json}. The encoder is
 * transposed at this border and nowhere else.
 */
public final class SaeFolder {
    public static final String CONFIG = "cfg.json";
    public static final String WEIGHTS = "sae_weights.safetensors";
    public static final String INFO = "loupe.json";

    private SaeFolder() {}

    /** An SAE and what is known about it. */
    public record Loaded(Sae sae, SaeInfo info) {}

    /**
     * Writes the three files, {@code loupe.json} last: a folder that has it is complete.
     *
     * @param folder made where it is missing
     */
    public static void save(Path folder, Sae sae, SaeInfo info) {
        SafetensorsWriter weights = new SafetensorsWriter()
                .f32("W_enc", transpose(sae.encoder()))
                .f32("b_enc", sae.encoderBias(), sae.latents())
                .f32("W_dec", sae.decoder())
                .f32("b_dec", sae.decoderBias(), sae.dOut());
        if (sae.activation() instanceof Activation.JumpRelu jump) {
            weights.f32("threshold", jump.threshold(), sae.latents());
        }
        weights.write(folder.resolve(WEIGHTS));
        Json.write(folder.resolve(CONFIG), config(sae, info));
        Json.write(folder.resolve(INFO), info);
    }

    private static Map<String, Object> config(Sae sae, SaeInfo info) {
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("sae_lens_version", "6.54.12");
        metadata.put("model_name", info.provenance().model());
        metadata.put("hook_name", info.hookIn());
        if (!info.hookOut().equals(info.hookIn())) {
            metadata.put("hook_name_out", info.hookOut());
        }
        metadata.put("dataset_path", info.provenance().text());
        metadata.put("loupe_version", info.provenance().loupe());
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("d_in", sae.dIn());
        config.put("d_sae", sae.latents());
        config.put("dtype", "float32");
        config.put("device", "cpu");
        config.put("apply_b_dec_to_input", sae.subtractDecoderBias());
        config.put("normalize_activations", "none");
        config.put("reshape_activations", "none");
        config.put("metadata", metadata);
        switch (sae.activation()) {
            case Activation.TopK topK -> {
                config.put("architecture", "topk");
                config.put("k", topK.k());
                config.put("rescale_acts_by_decoder_norm", false);
            }
            case Activation.Relu relu -> config.put("architecture", "standard");
            case Activation.JumpRelu jump -> config.put("architecture", "jumprelu");
        }
        return config;
    }

    /**
     * Reads a folder that {@link #save} or SAELens wrote; checks every shape and refuses weights that are not finite. Where
     * SAELens weighs the pre-activations by the norms of the dictionary rows, encoder and decoder are rewritten so that the
     * rows have unit norm and nothing is left to weigh: the same latents, the same reconstruction.
     */
    public static Loaded load(Path folder) {
        Path file = folder.resolve(CONFIG);
        if (!Files.isRegularFile(file)) {
            throw BadInput.in(folder, "is not an SAE folder: it has no " + CONFIG);
        }
        JsonNode config = Json.tree(file);
        int d = positive(file, config, "d_in");
        int m = positive(file, config, "d_sae");
        String normalise = config.path("normalize_activations").asString("none");
        if (!normalise.equals("none")) {
            throw BadInput.in(file, "normalize_activations is '" + normalise + "', expected 'none'");
        }
        SaeInfo info = info(folder, config.path("metadata"));
        try (Safetensors weights = Safetensors.open(folder.resolve(WEIGHTS))) {
            Sae sae = new Sae(
                    transpose(new Matrix(d, m, finite(weights, "W_enc", d, m))),
                    finite(weights, "b_enc", m),
                    new Matrix(m, d, finite(weights, "W_dec", m, d)),
                    finite(weights, "b_dec", d),
                    activation(file, config, weights, m),
                    config.path("apply_b_dec_to_input").asBoolean(true));
            if (config.path("rescale_acts_by_decoder_norm").asBoolean(false)) {
                foldNorms(sae);
            }
            return new Loaded(sae, info);
        }
    }

    private static Activation activation(Path file, JsonNode config, Safetensors weights, int m) {
        String architecture = config.path("architecture").asString("");
        return switch (architecture) {
            case "topk" -> {
                int k = positive(file, config, "k");
                if (k > m) {
                    throw BadInput.in(file, "'k' is " + k + ", expected at most d_sae = " + m);
                }
                yield new Activation.TopK(k);
            }
            case "standard" -> new Activation.Relu();
            case "jumprelu" -> new Activation.JumpRelu(finite(weights, "threshold", m));
            default ->
                throw BadInput.in(
                        file,
                        "architecture is '" + architecture + "', this version reads 'topk', 'standard' and 'jumprelu'");
        };
    }

    /** What loupe.json says; for a folder of SAELens' own, which has none, what its metadata says. */
    private static SaeInfo info(Path folder, JsonNode metadata) {
        Path file = folder.resolve(INFO);
        if (Files.isRegularFile(file)) {
            return Json.read(file, SaeInfo.class);
        }
        if (metadata.has("loupe_version")) {
            throw BadInput.in(folder, "has no " + INFO + ": the training that writes it is not finished");
        }
        String hookIn = metadata.path("hook_name").asString("");
        String hookOut = metadata.path("hook_name_out").asString(hookIn);
        Provenance provenance = new Provenance(
                metadata.path("model_name").asString(""),
                "",
                metadata.path("dataset_path").asString(""),
                hookIn,
                0,
                "",
                Map.of());
        return new SaeInfo(provenance, hookIn, hookOut, Map.of(), Map.of());
    }

    private static void foldNorms(Sae sae) {
        for (int i = 0; i < sae.latents(); i++) {
            double square = 0;
            for (int c = 0; c < sae.dOut(); c++) {
                square += (double) sae.decoder().at(i, c) * sae.decoder().at(i, c);
            }
            float norm = (float) Math.sqrt(square);
            Kernels.BEST.scale(norm, sae.encoder().data(), i * sae.dIn(), sae.dIn());
            sae.encoderBias()[i] *= norm;
            Kernels.BEST.scale(norm > 0 ? 1 / norm : 0, sae.decoder().data(), i * sae.dOut(), sae.dOut());
        }
    }

    private static int positive(Path file, JsonNode config, String key) {
        JsonNode node = config.path(key);
        if (!node.isInt() || node.asInt() < 1) {
            throw BadInput.in(
                    file,
                    "'" + key + "' is " + (node.isMissingNode() ? "missing" : node) + ", expected a whole number ≥ 1");
        }
        return node.asInt();
    }

    private static float[] finite(Safetensors weights, String name, long... shape) {
        float[] values = weights.entry(name).requireShape(shape).floats();
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw BadInput.in(weights.file(), "tensor '" + name + "' has " + values[i] + " at element " + i);
            }
        }
        return values;
    }

    static Matrix transpose(Matrix a) {
        Matrix out = Matrix.zeros(a.cols(), a.rows());
        int block = 32;
        for (int r0 = 0; r0 < a.rows(); r0 += block) {
            for (int c0 = 0; c0 < a.cols(); c0 += block) {
                for (int r = r0; r < Math.min(a.rows(), r0 + block); r++) {
                    for (int c = c0; c < Math.min(a.cols(), c0 + block); c++) {
                        out.data()[c * a.rows() + r] = a.data()[r * a.cols() + c];
                    }
                }
            }
        }
        return out;
    }
}
