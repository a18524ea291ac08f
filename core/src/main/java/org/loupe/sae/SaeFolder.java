package org.loupe.sae;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Provenance;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import org.loupe.io.Sha256;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import tools.jackson.databind.JsonNode;

/**
 * An SAE on disk, in SAELens' own format (version 6: {@code cfg.json} and {@code sae_weights.safetensors}), so that SAELens and
 * SAEBench open it as it is, plus {@code loupe.json}. The encoder is transposed at this border and nowhere else. What
 * SAELens does not have (transcoders of TopK and Gated, sign-aware gates, scores of rows, codes, OMP and LASSO) is written in the same way under names of its own.
 */
public final class SaeFolder {
    public static final String CONFIG = "cfg.json";
    public static final String WEIGHTS = "sae_weights.safetensors";
    public static final String INFO = "loupe.json";

    /** Before an architecture's name where rows have a score, so that SAELens does not take them for the same without. */
    private static final String COSINE = "cosine_";

    /** What the architecture's name of a transcoder ends with. */
    private static final String TRANSCODER = "transcoder";

    private SaeFolder() {}

    /**
     * An SAE and what is known about it.
     *
     * @param transcoder whether what it writes are not the rows that it reads
     * @param weightsSha256 hash of the file with the weights, which tells SAEs apart whose descriptions are alike; empty for one
     *     that comes from no folder
     */
    public record Loaded(Sae sae, SaeInfo info, boolean transcoder, String weightsSha256) {
        /** An SAE that comes from no folder; a transcoder where its widths, its skip path or its hook points say so. */
        public Loaded(Sae sae, SaeInfo info) {
            this(sae, info, isTranscoder(sae, info), "");
        }
    }

    /**
     * Writes the three files, {@code loupe.json} last: a folder that has it is complete.
     *
     * @param folder made where it is missing
     */
    public static void save(Path folder, Sae sae, SaeInfo info) {
        int m = sae.latents();
        SafetensorsWriter weights = new SafetensorsWriter();
        boolean tied = sae.activation().tied();
        if (!tied) {
            weights.f32("W_enc", sae.encoder().transposed());
        }
        weights.f32("W_dec", sae.decoder()).f32("b_dec", sae.decoderBias(), sae.dOut());
        if (!tied) {
            weights.f32(encoderBias(sae.activation()), sae.encoderBias(), m);
        }
        if (sae.activation() instanceof Activation.JumpRelu jump) {
            weights.f32("threshold", jump.threshold(), m);
        }
        if (sae.activation() instanceof Activation.Gated gated) {
            weights.f32("r_mag", gated.logScale(), m).f32("b_mag", gated.magnitudeBias(), m);
        }
        if (sae.activation() instanceof Activation.SignedGated gated) {
            weights.f32("b_gate_negative", gated.negativeBias(), m)
                    .f32("r_mag", gated.logScale(), m)
                    .f32("b_mag", gated.magnitudeBias(), m)
                    .f32("b_mag_negative", gated.negativeMagnitudeBias(), m);
        }
        if (sae.skip() != null) {
            weights.f32("W_skip", sae.skip());
        }
        weights.write(folder.resolve(WEIGHTS));
        Json.write(folder.resolve(CONFIG), config(sae, info));
        Json.write(folder.resolve(INFO), info);
    }

    private static String encoderBias(Activation activation) {
        return activation instanceof Activation.Gated || activation instanceof Activation.SignedGated
                ? "b_gate"
                : "b_enc";
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
        boolean transcoder = isTranscoder(sae, info);
        if (transcoder) {
            config.put("d_out", sae.dOut());
        }
        RowScore score = sae.score();
        config.put("architecture", (score == null ? "" : COSINE) + architecture(sae, transcoder));
        if (score != null) {
            config.put("score_exponent", score.exponent());
            config.put("score_norm", score.norm());
        }
        switch (sae.activation()) {
            case Activation.TopK topK -> topK(config, topK.k());
            case Activation.AbsTopK topK -> topK(config, topK.k());
            case Activation.MatchingPursuit pursuit -> {
                config.put("max_iterations", pursuit.steps());
                config.put("residual_threshold", pursuit.tolerance());
                config.put("stop_on_duplicate_support", false);
            }
            case Activation.ResidualCodes codes -> config.put("stages", codes.stages());
            case Activation.Omp omp -> {
                config.put("k", omp.atoms());
                config.put("signed", omp.signed());
            }
            case Activation.Lasso lasso -> {
                config.put("penalty", lasso.penalty());
                config.put("signed", lasso.signed());
                config.put("rounds", lasso.rounds());
            }
            case Activation.Relu _, Activation.JumpRelu _, Activation.Gated _, Activation.SignedGated _ -> {}
        }
        return config;
    }

    private static void topK(Map<String, Object> config, int k) {
        config.put("k", k);
        config.put("rescale_acts_by_decoder_norm", false);
    }

    private static boolean isTranscoder(Sae sae, SaeInfo info) {
        return sae.dIn() != sae.dOut() || sae.skip() != null || !info.hookIn().equals(info.hookOut());
    }

    /** SAELens' name; for a transcoder with its suffix. */
    private static String architecture(Sae sae, boolean transcoder) {
        String name = switch (sae.activation()) {
            case Activation.TopK _ -> "topk";
            case Activation.AbsTopK _ -> "abstopk";
            case Activation.Relu _ -> "standard";
            case Activation.JumpRelu _ -> "jumprelu";
            case Activation.Gated _ -> "gated";
            case Activation.SignedGated _ -> "sign_aware_gated";
            case Activation.MatchingPursuit _ -> "matching_pursuit";
            case Activation.ResidualCodes codes -> codes.stages() == 1 ? "vq" : "residual_vq";
            case Activation.Omp _ -> "omp";
            case Activation.Lasso _ -> "lasso";
        };
        if (!transcoder) {
            return name;
        }
        String suffix = (sae.skip() == null ? "" : "skip_") + TRANSCODER;
        return name.equals("standard") ? suffix : name + "_" + suffix;
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
        int dOut = config.has("d_out") ? positive(file, config, "d_out") : d;
        try (Safetensors weights = Safetensors.open(folder.resolve(WEIGHTS))) {
            Activation activation = activation(file, config, weights, m);
            boolean tied = activation.tied();
            Matrix untied = tied ? Matrix.zeros(0, 0) : new Matrix(d, m, finite(weights, "W_enc", d, m)).transposed();
            Matrix decoder = new Matrix(m, dOut, finite(weights, "W_dec", m, dOut));
            Matrix encoder = tied ? decoder : untied;
            float[] bias = tied ? new float[m] : finite(weights, encoderBias(activation), m);
            Sae sae = new Sae(
                    encoder,
                    bias,
                    decoder,
                    finite(weights, "b_dec", dOut),
                    activation,
                    config.path("apply_b_dec_to_input").asBoolean(!config.has("d_out")),
                    weights.entries().containsKey("W_skip")
                            ? new Matrix(dOut, d, finite(weights, "W_skip", dOut, d))
                            : null,
                    score(file, config));
            if (config.path("rescale_acts_by_decoder_norm").asBoolean(false)) {
                foldNorms(sae);
            }
            boolean named = config.path("architecture").asString("").endsWith(TRANSCODER);
            return new Loaded(sae, info, named || isTranscoder(sae, info), Sha256.of(weights.file()));
        }
    }

    private static Activation activation(Path file, JsonNode config, Safetensors weights, int m) {
        String architecture = config.path("architecture").asString("").replaceFirst("^" + COSINE, "");
        return switch (architecture.replaceFirst("_?(skip_)?" + TRANSCODER + "$", "")) {
            case "topk" -> new Activation.TopK(atMost(m, file, config, "k"));
            case "abstopk" -> new Activation.AbsTopK(atMost(m, file, config, "k"));
            case "standard", "" -> {
                if (architecture.isEmpty()) {
                    throw unreadable(file, architecture);
                }
                yield new Activation.Relu();
            }
            case "jumprelu" -> new Activation.JumpRelu(finite(weights, "threshold", m));
            case "gated" -> new Activation.Gated(finite(weights, "r_mag", m), finite(weights, "b_mag", m));
            case "sign_aware_gated" ->
                new Activation.SignedGated(
                        finite(weights, "b_gate_negative", m),
                        finite(weights, "r_mag", m),
                        finite(weights, "b_mag", m),
                        finite(weights, "b_mag_negative", m));
            case "matching_pursuit" -> pursuit(file, config);
            case "vq", "residual_vq" -> {
                int stages = positive(file, config, "stages");
                if (m % stages != 0) {
                    throw BadInput.in(file, "'stages' is " + stages + ", expected a divisor of d_sae = " + m);
                }
                yield new Activation.ResidualCodes(stages);
            }
            case "omp" ->
                new Activation.Omp(
                        atMost(m, file, config, "k"), config.path("signed").asBoolean(false));
            case "lasso" -> lasso(file, config);
            default -> throw unreadable(file, architecture);
        };
    }

    private static @Nullable RowScore score(Path file, JsonNode config) {
        if (!config.path("architecture").asString("").startsWith(COSINE)) {
            return null;
        }
        try {
            return new RowScore((float) config.path("score_exponent").asDouble(Double.NaN), (float)
                    config.path("score_norm").asDouble(Double.NaN));
        } catch (IllegalArgumentException e) {
            throw BadInput.in(file, "'score_exponent', 'score_norm': " + e.getMessage());
        }
    }

    private static BadInput unreadable(Path file, String architecture) {
        return BadInput.in(
                file,
                "architecture is '" + architecture + "', this version reads 'topk', 'abstopk', 'standard', 'jumprelu',"
                        + " 'gated' and 'matching_pursuit', and their transcoders, and 'sign_aware_gated', 'vq', 'residual_vq', 'omp' and 'lasso'");
    }

    private static Activation pursuit(Path file, JsonNode config) {
        if (config.path("stop_on_duplicate_support").asBoolean(true)) {
            throw BadInput.in(
                    file, "stop_on_duplicate_support is true, this version reads matching pursuit without it");
        }
        double tolerance = config.path("residual_threshold").asDouble(0.01);
        if (!(tolerance >= 0)) {
            throw BadInput.in(file, "'residual_threshold' is " + tolerance + ", expected a number ≥ 0");
        }
        return new Activation.MatchingPursuit(positive(file, config, "max_iterations"), (float) tolerance);
    }

    private static Activation lasso(Path file, JsonNode config) {
        float penalty = (float) config.path("penalty").asDouble(0);
        if (!(penalty > 0 && penalty < Float.POSITIVE_INFINITY)) {
            throw BadInput.in(file, "'penalty' is " + config.path("penalty") + ", expected a number above 0");
        }
        return new Activation.Lasso(penalty, config.path("signed").asBoolean(false), positive(file, config, "rounds"));
    }

    private static int atMost(int m, Path file, JsonNode config, String key) {
        int k = positive(file, config, key);
        if (k > m) {
            throw BadInput.in(file, "'" + key + "' is " + k + ", expected at most d_sae = " + m);
        }
        return k;
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
}
